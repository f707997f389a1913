"""Card numbers where none belong (SEC-18).

In texts about people one is refused (``fields.Name``, and the vault for its own). In texts that are the merchant's own
it may be an order number, one in ten of which looks like a card's: such a text is kept, and the audit log says where.
"""

from collections.abc import Mapping

from azukari.db import Owner, Tx
from azukari.vault import Vault, looks_like_card_number


async def note(tx: Tx, vault: Vault, owner: Owner, *, id: str, at: int, actor: str, object_id: str) -> None:
    """The audit line of a text that was kept."""
    await vault.audit(
        tx, owner, id=id, at=at, actor=actor, action="card_number_in_text", object_id=object_id, result="kept"
    )


def suspicious(*texts: object, metadata: Mapping[str, str] | None = None) -> bool:
    """Whether one of the merchant's own texts holds what looks like a card number."""
    # Most texts are too short for one, or absent.
    found = [text for text in (*texts, *(metadata or {}).values()) if isinstance(text, str) and len(text) >= 13]
    found += [key for key in metadata or {} if len(key) >= 13]
    return any(looks_like_card_number(text) for text in found)
