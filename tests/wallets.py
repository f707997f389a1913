"""A shopper who allows a merchant to charge a wallet, as the hosted page would have it."""

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt, AttemptDraft
from azukari.core.clock import Moment
from azukari.customers import service as customers
from azukari.customers.service import SavedDetails
from azukari.db import Owner, Tx
from azukari.merchants.service import API_VERSIONS
from azukari.processors.base import Approved, Pending, Visit
from azukari.processors.methods import MethodDetails
from azukari.wiring import Services


async def agree(services: Services, owner: Owner, customer_id: str, type: str = "paypay") -> None:
    """The customer keeps a wallet's agreement from now on."""
    processor = services.processors.pick(owner, type)
    attempt = AttemptDraft(owner, services.ids.new(), services.ids.ref(), services.clock.now(), API_VERSIONS[-1]).build(
        processor, "agree", 0, "JPY", customer_id=customer_id, method=type
    )
    await services.db.write(attempts.begin, attempt)
    visit = Visit(f"https://azukari.example/return/{attempt.ref}", store=True)
    waiting = await execute.execute(processor, attempt, services.clock, method=MethodDetails(type), visit=visit)
    assert isinstance(waiting, Pending)
    assert waiting.redirect_url is not None
    assert services.processors.simulator.decide(attempt.ref, "approved")
    outcome = await processor.lookup(execute.query_of(attempt))
    assert isinstance(outcome, Approved)
    assert outcome.agreement is not None
    sealed = await services.vault.seal_agreement(owner, type, outcome.agreement)
    kept = SavedDetails.of_agreement(sealed, outcome, attempt, services.clock.now())
    replaced = await services.db.write(_keep, services, owner, attempt, outcome, kept)
    if replaced is not None:
        await services.vault.shred(owner, replaced)


async def _keep(
    tx: Tx, services: Services, owner: Owner, attempt: Attempt, outcome: Approved, kept: SavedDetails
) -> str | None:
    assert await attempts.finish(tx, attempt, outcome, attempt.created_at)
    return await customers.save_details(
        tx,
        services.vault,
        owner,
        attempt.customer_id or "",
        kept,
        event_id=services.ids.new(),
        moment=Moment(attempt.created_at, attempt.created_at),
    )
