"""Sends a fresh attempt: verification values and proofs that wait for it leave their store between intent and call."""

from azukari.attempts import execute
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.errors import ApiError, InvalidToken, Unavailable
from azukari.core.secret import Secret
from azukari.processors.base import NotSent, Outcome, Processor, Visit
from azukari.tokens import store
from azukari.tokens.sources import CardSource, MethodSource
from azukari.wiring import Services


class NotBegun(Exception):
    """An attempt that ended before its call: nothing was sent. refusal: what the caller is told."""

    def __init__(self, refusal: ApiError) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


async def send(
    services: Services,
    processor: Processor,
    attempt: Attempt,
    card: CardSource | MethodSource,
    *,
    visit: Visit | None = None,
) -> Outcome:
    """The call of a fresh attempt: first what waits for it leaves its store, then the row says ``sent`` (T2).

    That is the verification value, and what proves an authentication. Raises NotBegun: one of them is gone (never
    charge silently without it), or a store is away.
    """
    value, proof = None, None
    try:
        if isinstance(card, CardSource):
            value, proof = await _values(services, attempt, card)
        if attempt.state == "prepared":
            now = services.clock.now()
            due = now + processor.can.timeout_of(attempt.kind) + attempts.GRACE
            sent = await services.db.write(attempts.mark_sent, attempt, due, now)
            if sent is None:
                return NotSent()
            attempt = sent
        account = await services.account_use(attempt.owner, attempt.account_id)
    except Unavailable as away:
        raise NotBegun(away) from away
    if isinstance(card, MethodSource):
        return await execute.execute(
            processor, attempt, services.clock, method=card.details, visit=visit, account=account
        )
    return await execute.execute(
        processor,
        attempt,
        services.clock,
        use=card.use,
        verification_value=value,
        three_ds=card.three_ds,
        authentication_value=proof,
        account=account,
    )


async def _values(services: Services, attempt: Attempt, card: CardSource) -> tuple[Secret | None, Secret | None]:
    """The verification value, and what proves an authentication. Raises NotBegun: one of them is gone."""
    value, proof = card.value, None
    if card.waits_for_value:
        value = await services.vault.take_verification_value(attempt.owner, card.use.entry_id)
    if card.has_proof:
        proof = await services.vault.take_authentication_value(attempt.owner, card.token_id)
    if (card.waits_for_value and value is None) or (card.has_proof and proof is None):
        raise NotBegun(InvalidToken())
    return value, proof


async def drop_value(services: Services, attempt: Attempt) -> None:
    """Destroy what waits for an attempt whose owner died before the call: nobody will need it (SEC-2)."""
    by = attempt.payment_id or attempt.customer_id or ""
    for token in await services.db.read(store.spent, attempt.owner, by, attempt.created_at):
        if token.has_verification_value and token.entry_id is not None:
            await services.vault.take_verification_value(attempt.owner, token.entry_id)
        if token.has_authentication_value:
            await services.vault.take_authentication_value(attempt.owner, token.id)
