"""Carrying an attempt out: from the committed intent to an outcome that can be written down.

Source: ``docs/architecture.md``, "A charge, end to end"; the callers write T1 and T3.
"""

import msgspec

from azukari.attempts.store import GRACE, Attempt
from azukari.core import log
from azukari.core.clock import HOUR, SECOND, Clock, Moment
from azukari.core.deadline import Deadline
from azukari.core.secret import Secret
from azukari.processors.account import AccountUse
from azukari.processors.base import (
    NO_DIRECTIVES,
    AttemptQuery,
    Credential,
    NotSent,
    Outcome,
    Processor,
    ProcessorRequest,
    SimulatorDirectives,
    Unknown,
    Visit,
)
from azukari.processors.methods import MethodDetails
from azukari.processors.three_ds import ThreeDs
from azukari.vault import AccessGrant, ReplyUnknown, RequestNotSent


def directives_of(attempt: Attempt) -> SimulatorDirectives:
    """What was ordered for an attempt."""
    return NO_DIRECTIVES if attempt.orders is None else msgspec.json.decode(attempt.orders, type=SimulatorDirectives)


async def execute(
    processor: Processor,
    attempt: Attempt,
    clock: Clock,
    *,
    use: AccessGrant | None = None,
    verification_value: Secret | None = None,
    credential: Credential | None = None,
    method: MethodDetails | None = None,
    visit: Visit | None = None,
    three_ds: ThreeDs | None = None,
    authentication_value: Secret | None = None,
    ordered_at: int | None = None,
    account: AccountUse | None = None,
) -> Outcome:
    """Call the processor for an attempt whose row says ``sent``. Never raises but when the whole process is ending.

    The call ends well before the attempt's lease does: after that the resolver may have told the caller that nothing
    was done, and it must not become untrue.
    """
    request = ProcessorRequest(
        owner=attempt.owner,
        ref=attempt.ref,
        kind=attempt.kind,
        amount=attempt.amount,
        currency=attempt.currency,
        parent=attempt.parent,
        test=directives_of(attempt),
        use=use,
        verification_value=verification_value,
        credential=credential,
        method=method,
        visit=visit,
        three_ds=three_ds,
        authentication_value=authentication_value,
        ordered_at=ordered_at,
        account=account,
    )
    left = min(processor.can.timeout_of(attempt.kind), (attempt.due_at or 0) - GRACE - clock.now())
    if left <= 0:
        return NotSent()
    try:
        with Deadline(left / 1_000):
            return await processor.perform(request)
    except RequestNotSent:
        return NotSent()
    except (ReplyUnknown, TimeoutError):
        return Unknown()
    except Exception as error:
        # Whatever broke, the request may have left: only the processor knows.
        log.bug("a processor call broke", error, attempt=attempt.id, processor=processor.name)
        return Unknown()


def next_retry_at(processor: Processor, attempt: Attempt, now: int) -> int | None:
    """When the resolver asks what became of an unknown outcome; None: asking cannot end it."""
    recovery = processor.can.recovery_of(attempt.kind)
    return max(now, (attempt.sent_at or now) + recovery.believe_after) if recovery.asks else None


#: One that waits is asked after, the oftener the younger it is.
LEAST_PAUSE, LONGEST_PAUSE = 15 * SECOND, HOUR


def next_poll_at(attempt: Attempt, deadline: int | None, at: Moment) -> int:
    """When the resolver asks after one that waits: when its deadline, the merchant's, is over at the latest."""
    pause = min(max(LEAST_PAUSE, (at.system_now - attempt.created_at) // 4), LONGEST_PAUSE)
    if deadline is not None and deadline > at.now:
        pause = min(pause, deadline - at.now + SECOND)
    return at.system_now + pause


async def reconcile(processor: Processor, attempt: Attempt, now: int, account: AccountUse | None = None) -> Outcome:
    """What became of an overdue attempt. It never sends the order again under a new ref."""
    if attempt.state == "prepared":
        return NotSent()  # its owner died before the call
    try:
        with Deadline(processor.can.timeout_of(attempt.kind) / 1_000):
            return await _ask(processor, attempt, now, account)
    except (RequestNotSent, ReplyUnknown, TimeoutError):
        return Unknown()


async def _ask(processor: Processor, attempt: Attempt, now: int, account: AccountUse | None) -> Outcome:
    recovery, sent_at = processor.can.recovery_of(attempt.kind), attempt.sent_at or attempt.created_at
    query = query_of(attempt, account)
    if recovery.looks_up:
        found = await processor.lookup(query)
        believed = now >= sent_at + recovery.believe_after
        return found if believed or not isinstance(found, NotSent) else Unknown()
    if recovery.how == "repeat" and now < sent_at + recovery.repeat_for:
        # Of kinds without a shopper's details: all that was sent is in the row. A fault was ordered for once.
        return await processor.perform(
            ProcessorRequest(
                query.owner, query.ref, query.kind, query.amount, query.currency, query.parent, account=account
            )
        )
    if recovery.how == "void" and await processor.void(query):
        return NotSent()
    return Unknown()


def query_of(attempt: Attempt, account: AccountUse | None = None) -> AttemptQuery:
    """What the far side is asked about an attempt by."""
    return AttemptQuery(
        owner=attempt.owner,
        ref=attempt.ref,
        kind=attempt.kind,
        amount=attempt.amount,
        currency=attempt.currency,
        sent_at=attempt.sent_at,
        processor_ref=attempt.processor_ref,
        parent=attempt.parent,
        account=account,
    )


async def undo(processor: Processor, attempt: Attempt, account: AccountUse | None = None) -> bool:
    """Give back what was done after all; whether it is certain that nothing of it is left."""
    try:
        with Deadline(processor.can.timeout_of(attempt.kind) / 1_000):
            return await processor.void(query_of(attempt, account))
    except (RequestNotSent, ReplyUnknown, TimeoutError):
        return False
