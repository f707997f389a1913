"""Making tokens, and clearing up after them."""

import msgspec

from azukari.core.errors import Conflict, MissingParameter
from azukari.db import Cursor, Owner, Tx, directory, sweep_due
from azukari.payment_methods.details import encoded, read_details
from azukari.processors.methods import CREDIT_CARD, MethodDetails
from azukari.tokens import store
from azukari.tokens.schemas import MethodTokenDetails, TokenCreate, TokenDetails, TokenOut
from azukari.tokens.store import Token
from azukari.vault import SealedEntry, Vault
from azukari.wire import idempotency
from azukari.wire.answers import Answer, Replay
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, KeyReused, idempotent
from azukari.wiring import Services


async def create(call: Call, body: TokenCreate) -> Answer:
    """Keep payment details for one use within 24 hours.

    Raises MissingParameter, InvalidParameter (the details). Source: contract section 8.
    """
    if body.payment_details is None:
        raise MissingParameter("payment_details")
    details = read_details(body.payment_details, call.now)
    if isinstance(details, MethodDetails):
        return await _keep_method(call, body, details)
    if details.type != CREDIT_CARD:
        raise MissingParameter("payment_details[number]")  # what comes beside the card cannot be kept
    # The key of the details is durable before the details are; a crash between the two leaves a key for the sweep.
    sealed = await call.vault.seal(call.owner, details)
    if details.verification_value is not None:
        await call.vault.keep_verification_value(call.owner, sealed.id, details.verification_value)
    token = Token(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=call.services.ids.token(),
        entry_id=sealed.id,
        currency=body.currency,
        details=msgspec.json.encode(TokenDetails.of(details)).decode(),
        email=details.email,
        has_verification_value=int(details.verification_value is not None),
        created_at=call.now,
        expires_at=call.now + store.LIFE,
    )
    try:
        return await call.db.write(_save, call.claim, call.owner, call.vault, sealed, token, call.system_now)
    except (Replay, Conflict, KeyReused):
        # This request keeps nothing: what it brought goes now, and not with the next sweep.
        await call.vault.shred(call.owner, sealed.id)
        raise


async def _keep_method(call: Call, body: TokenCreate, details: MethodDetails) -> Answer:
    """Of any other type: there is nothing to seal. Raises MissingParameter: a secret would have to be kept."""
    if details.has_secret:
        raise MissingParameter("payment_details[number]")
    token = Token(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=call.services.ids.token(),
        entry_id=None,
        currency=body.currency,
        details=msgspec.json.encode(MethodTokenDetails.of(details)).decode(),
        email=details.email,
        has_verification_value=0,
        created_at=call.now,
        expires_at=call.now + store.LIFE,
        method=encoded(details),
    )
    return await call.db.write(_save, call.claim, call.owner, call.vault, None, token, call.system_now)


@idempotent
async def _save(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    sealed: SealedEntry | None,
    token: Token,
    system_now: int,
) -> Answer:
    answer = Answer.of(TokenOut.of(token))
    await idempotency.take(tx, owner, claim, lambda: answer)
    if sealed is not None:
        await vault.add(tx, owner, sealed, system_now)
    await store.save(tx, token)
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)
    return answer


async def sweep(services: Services, system_now: int, limit: int = 200) -> int:
    """Forget tokens past their day, and shred the details nobody has adopted; how many were forgotten."""

    async def over(after: Cursor) -> list[Token]:
        return await services.db.read(store.over, system_now, limit, after)

    return await sweep_due(
        over, store.OVER.cursor, lambda each: _sweep(services, each, system_now), step="forget tokens"
    )


async def _sweep(services: Services, token: Token, system_now: int) -> bool:
    owner = token.owner
    if token.has_authentication_value and token.used_at is None:
        await services.vault.take_authentication_value(owner, token.id)
    if token.entry_id is not None and await services.db.write(store.release_to_sweep, owner, token.id, system_now):
        await services.vault.shred(owner, token.entry_id)
        await services.db.write(_forget, services.vault, owner, token)
    else:
        await services.db.write(_drop, owner, token)
    return True


async def _forget(tx: Tx, vault: Vault, owner: Owner, token: Token) -> None:
    await _drop(tx, owner, token)
    if token.entry_id is not None:
        await vault.remove(tx, owner, token.entry_id)


async def _drop(tx: Tx, owner: Owner, token: Token) -> None:
    await store.forget(tx, owner, token.id)
    if token.verification is not None:
        await directory.withdraw(tx, owner, token.id)
