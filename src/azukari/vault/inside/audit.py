"""The audit log's lines: who did what, when, with which object. Source: PCI DSS 10.2; SEC-13."""

from azukari.db import Owner, Statement, Tx, add
from azukari.vault.inside.tables import audit_lines

ADD_LINE: Statement[None] = Statement(None, add(audit_lines))


async def write_line(
    tx: Tx,
    owner: Owner,
    *,
    id: str,
    at: int,
    actor: str,
    action: str,
    object_id: str | None,
    result: str,
    entry_id: str | None = None,
) -> None:
    """Append a line, in the unit of what it tells of: when it cannot be written, neither happens."""
    await tx.run(
        ADD_LINE, owner, id=id, at=at, who=actor, action=action, object_id=object_id, entry_id=entry_id, result=result
    )
