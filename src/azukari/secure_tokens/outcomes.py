"""What came of an authentication: asked of the processor, written down once."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from azukari.core import log
from azukari.core.clock import MINUTE, Moment
from azukari.core.secret import Secret
from azukari.db import Owner, Tx, sweep_due
from azukari.processors.base import AuthenticationRequest, AuthenticationResult, Authenticator, Processor
from azukari.secure_tokens.pages import Pages
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.tokens import store
from azukari.tokens.store import Token, Verification
from azukari.vault import ReplyUnknown, RequestNotSent
from azukari.wire import idempotency
from azukari.wire.answers import Answer
from azukari.wiring import Services

#: How long a shopper may take over a challenge.
CHALLENGE = 15 * MINUTE


async def ask(processor: Processor, request: AuthenticationRequest) -> AuthenticationResult | None:
    """Begin an authentication; None: the issuer is away."""
    if not isinstance(processor, Authenticator):
        return None
    return await _within(processor, processor.authenticate(request))


async def _within(processor: Processor, call: Coroutine[Any, Any, AuthenticationResult]) -> AuthenticationResult | None:
    """What it says; None: nothing, in good time. Nothing was moved, so nobody need ask what became of it."""
    try:
        async with asyncio.timeout(processor.can.timeout / 1_000):
            return await call
    except (RequestNotSent, ReplyUnknown, TimeoutError):
        return None
    except Exception as error:
        log.bug("a processor call broke", error, processor=processor.name)
        return None


async def finish(services: Services, token: Token, answer: Secret | None) -> AuthenticationResult | None:
    """Go on with one. answer: what the shopper typed; None: the challenge was opened."""
    processor = services.processors.named(token.processor or "")
    if processor is None or not isinstance(processor, Authenticator):
        return None
    return await _within(processor, processor.finish_authentication(token.owner, token.ref or "", answer))


@dataclass(frozen=True, slots=True)
class RecordResult:
    """A token as its authentication left it. out: None where somebody else had written down another end."""

    token: Token
    out: SecureTokenOut | None


async def record_result(services: Services, token: Token, result: AuthenticationResult) -> RecordResult:
    """Write down what came of it, and see to what proves it. Raises Unavailable."""
    to = _status_of(result)
    if result.value is not None and to == "OK":
        # Before the row says OK: a crash between the two leaves a value that nobody can use.
        await services.vault.keep_authentication_value(token.owner, token.id, result.value)
    ended = await services.db.write(
        _record, token, to, result, await services.moment_of(token.owner), Pages.of(services)
    )
    if ended.out is None and (ended.token.used_at is not None or ended.token.verification != "OK"):
        await services.vault.take_authentication_value(token.owner, token.id)
    return ended


def _status_of(result: AuthenticationResult) -> Verification:
    """``OK`` says a bank that has authenticated its customer, and nobody else (SEC-23)."""
    if result.status == "CHALLENGE":
        return "NEEDS_VERIFY"
    if result.status == "OK" and (result.three_ds is None or not result.three_ds.authenticated):
        return "ERRORED"
    return result.status


async def _record(
    tx: Tx, token: Token, to: Verification, result: AuthenticationResult, moment: Moment, pages: Pages
) -> RecordResult:
    """Write down what came of it; whoever comes second, or too late, learns how it ended."""
    waits = to == "NEEDS_VERIFY"
    moved = await store.verify(
        tx,
        token,
        to,
        moment,
        three_ds=None if result.three_ds is None else result.three_ds.encoded(),
        has_value=to == "OK" and result.value is not None,
        seed=token.state_seed if waits else None,
        until=moment.now + CHALLENGE if waits else None,
    )
    if moved is None:
        return RecordResult(await store.find(tx, token.owner, token.id) or token, None)
    out = pages.show(moved, moment)
    await idempotency.store_response(tx, token.owner, token.idempotency_key, Answer.of(out))
    return RecordResult(moved, out)


#: When an owner's next challenge is over.
next_due = store.ABANDONED.next_due


async def end_abandoned(services: Services, limit: int = 200, owner: Owner | None = None) -> int:
    """End authentications whose time is over, reading so many at a time; how many were ended.

    owner: only its challenges.
    """
    abandoned = services.due_of(store.ABANDONED, owner, limit)

    async def end(token: Token) -> bool:
        return await services.db.write(_end, token, await services.moment_of(token.owner), Pages.of(services))

    return await sweep_due(abandoned, store.ABANDONED.cursor, end, step="end authentications")


async def _end(tx: Tx, token: Token, moment: Moment, pages: Pages) -> bool:
    ended = await store.end(tx, token, moment)
    if ended is not None:
        answer = Answer.of(pages.show(ended, moment))
        await idempotency.store_response(tx, ended.owner, ended.idempotency_key, answer)
    return ended is not None
