"""Renewals: each period is charged once, however many workers look at it (REL-8).

A subscription has one charge under way at most, and one period at a time: the next is begun when this one is paid. So
after a downtime each run charges one, in order.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from azukari.core import log
from azukari.core.clock import DAY, Moment
from azukari.core.errors import Locked, Unavailable
from azukari.customers import store as customers
from azukari.db import Owner, Tx
from azukari.merchants.keys import LIVE
from azukari.payments import charge as charges
from azukari.payments import store as payments
from azukari.payments.charge import ChargeDraft, ChargeIntent
from azukari.payments.errors import NothingToCharge
from azukari.payments.record import finish
from azukari.payments.schemas import PaymentCreate
from azukari.payments.views import PaymentView
from azukari.processors.registry import NoProcessor
from azukari.subscriptions import cancel, queries, record, store, transitions
from azukari.subscriptions.schemas import SubscriptionView
from azukari.subscriptions.service import new_period, recurring
from azukari.subscriptions.store import PeriodRow, Subscription
from azukari.tokens.sources import WrongCurrency
from azukari.vault import Vault
from azukari.wire.call import Call
from azukari.wiring import Services

#: Charged at the same time: a processor that hangs must not hold up the others.
TOGETHER = 16
#: Declines of one customer's details, and in how long a time: after so many nothing is charged until then (REL-9).
CAPS = ((10, DAY), (15, 30 * DAY))
WHO = "worker"
LOOK_AGAIN_SECONDS = 0.02

#: When the next subscription of an owner has something to do.
next_due = store.DUE.next_due


async def renew_due(services: Services, limit: int = 50, owner: Owner | None = None) -> int:
    """Charge what is due, of one owner or of all, one period of each subscription; how many charges there were.

    For one owner, what another worker has under way is waited for: 0 means that nothing is left to do now.
    """
    if owner is None:
        return await _renew_all(services, await services.db.read(store.DUE.of_all, services.clock.now(), limit))
    now = await services.time_of(owner)
    renewed = await _renew_all(services, await services.db.read(store.DUE.of_owner, owner, now, limit))
    return renewed + await _wait_for_others(services, owner)


async def _wait_for_others(services: Services, owner: Owner) -> int:
    """How many there were. It ends with their leases."""
    most = 0
    while found := len(await services.db.read(store.under_way, owner, services.clock.now())):
        most = max(most, found)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return most


async def _renew_all(services: Services, found: Sequence[Subscription]) -> int:
    # One customer's come one after another: each sees what became of the one before (REL-9).
    by_customer: dict[tuple[Owner, str], list[Subscription]] = {}
    for each in found:
        by_customer.setdefault((each.owner, each.customer_id), []).append(each)
    due = deque(by_customer.values())

    async def take_turns() -> int:
        renewed = 0
        while due:
            for subscription in due.popleft():
                renewed += await _guarded(services, subscription)
        return renewed

    return sum(await asyncio.gather(*(take_turns() for _ in range(TOGETHER))))


async def _guarded(services: Services, due: Subscription) -> bool:
    """Whether it was charged. One that cannot be waits for an hour; the others go on."""
    try:
        return await _renew(services, due, await services.moment_of(due.owner))
    except Unavailable:
        log.warning("worker.database_down", step="renew", subscription=due.id)
    except NoProcessor:
        # Nobody takes it for now: of live mode a person has to know, test mode may be switched off.
        if due.mode == LIVE:
            log.warning("subscription.no_processor", subscription=due.id)
        with suppress(Unavailable):
            await services.db.write(_put_off, due, await services.time_of(due.owner) + transitions.NOT_SENT_PAUSE)
    except Exception as error:
        log.bug("subscription not charged", error, subscription=due.id)
        with suppress(Unavailable):
            await services.db.write(_put_off, due, await services.time_of(due.owner) + transitions.NOT_SENT_PAUSE)
    return False


async def _put_off(tx: Tx, due: Subscription, until: int) -> None:
    await store.change(tx, due, transitions.put_off(due, until))


async def _renew(services: Services, due: Subscription, moment: Moment) -> bool:
    call = Call.of_worker(services, due.owner, WHO, moment, due.api_version)
    body = PaymentCreate(amount=due.amount, currency=due.currency, customer=due.customer_id)
    draft = await charges.draft_charge(call, body, subscription_id=due.id)
    settings = await services.settings_of(due.owner)
    # Nothing may be written down that the vault could not open.
    await services.vault.ready(due.owner)
    renewal = Renewal(
        due,
        draft,
        services.ids.new(),
        tuple(services.ids.new() for _ in range(2)),
        tuple(settings.retry_days),
        moment.now,
    )
    intent = None
    with suppress(Locked):
        intent = await services.db.write(begin, services.vault, renewal)
    if intent is None:
        return False
    outcome, refusal = await charges.send(services, intent)
    await finish(services, intent.attempt, outcome, PaymentView(intent.payment, []), refusal)
    return True


class Renewal(NamedTuple):
    """A charge that is due. due: as it was read. period_id: of the row, should it begin a period."""

    due: Subscription
    draft: ChargeDraft
    period_id: str
    event_ids: tuple[str, ...]
    retry_days: Sequence[int]
    now: int


async def begin(tx: Tx, vault: Vault, renewal: Renewal) -> ChargeIntent | None:
    """T1: the period's row, payment and attempt; None: there is nothing to charge now. Raises Locked: another did."""
    due, now = renewal.due, renewal.now
    shown = await queries.show(tx, due.owner, due.id)
    read = shown.subscription
    if read.version != due.version:
        return None
    if await customers.find(tx, read.owner, read.customer_id) is None:
        # It was made in the moment in which its customer was deleted.
        await cancel.end(tx, read.owner, read.id, renewal.event_ids[0], now)
        return None
    period = await store.get_period(tx, read)
    until = await _capped_until(tx, read, now)
    if until is not None:
        await store.change(tx, read, transitions.put_off(read, until))
        return None
    renewed = read
    if period.state == "paid":
        number = read.period_no + 1
        renewed = replace(read, period_no=number, next_capture_at=read.falls_due(number + 1), retry_count=0)
    renewed = replace(renewed, due_at=None, retry_at=None)
    try:
        intent = recurring(await charges.resolve(tx, read.owner, vault, renewal.draft))
    except (NothingToCharge, WrongCurrency):
        await _record_impossible(tx, renewal, shown, renewed, period)
        return None
    if await store.change(tx, read, replace(renewed, active_attempt=intent.attempt.id)) is None:
        raise Locked
    await charges.begin(tx, vault, renewal.draft, intent)
    await _write_period(tx, renewal, renewed, period, intent.payment.id)
    return intent


async def _write_period(
    tx: Tx, renewal: Renewal, renewed: Subscription, period: PeriodRow, payment_id: str | None
) -> PeriodRow:
    """The row of a new period, or another try of the one that is open. Raises Locked: somebody else has written it."""
    if period.number == renewed.period_no:
        if not await store.try_period(tx, period, payment_id):
            raise Locked
        return replace(period, tries=period.tries + 1, payment_id=payment_id)
    row = replace(new_period(renewed, renewal.period_id, renewal.now), payment_id=payment_id)
    if not await store.add_period(tx, row):
        raise Locked
    return row


async def _record_impossible(
    tx: Tx, renewal: Renewal, shown: SubscriptionView, renewed: Subscription, period: PeriodRow
) -> None:
    """The customer has nothing that could be charged: as if it had been declined, without a payment. Raises Locked."""
    row = await _write_period(tx, renewal, renewed, period, None)
    move = transitions.declined(renewed, row, None, renewal.retry_days, renewal.now)
    after = await store.change(tx, shown.subscription, move.subscription)
    settled_at = None if move.period == "open" else renewal.now
    settled = await store.settle_period(tx, row, move.period, declines=move.declines, settled_at=settled_at)
    if after is None or not settled:
        raise Locked
    await record.report(tx, shown._replace(subscription=after), move.events, renewal.event_ids, renewal.now)


async def _capped_until(tx: Tx, read: Subscription, now: int) -> int | None:
    """When the customer's details may be charged again, where they were declined too often."""
    most, longest = CAPS[-1]
    found = await payments.declined_at(tx, read.owner, read.customer_id, now - longest, most)
    ends = [found[count - 1] + time for count, time in CAPS if len(found) >= count]
    return max((end for end in ends if end > now), default=None)
