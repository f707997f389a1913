"""Subscriptions: the first charge, and the end. What comes between is ``renewal.py``."""

from typing import NamedTuple

from msgspec.structs import replace

from azukari.customers import store as customers
from azukari.db import Owner, Tx, retry_on_conflict
from azukari.payments import charge as charges
from azukari.payments.charge import ChargeDraft, ChargeIntent
from azukari.payments.record import write_if_possible
from azukari.payments.schemas import PaymentCreate
from azukari.processors.methods import CREDIT_CARD
from azukari.subscriptions import cancel, record, store
from azukari.subscriptions.schedule import day_of
from azukari.subscriptions.schemas import SubscriptionCreate, SubscriptionOut, SubscriptionView
from azukari.subscriptions.store import PeriodRow, Subscription
from azukari.vault import Vault
from azukari.wire import idempotency, metadata, pan_screening
from azukari.wire.answers import Done
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent


async def create(call: Call, body: SubscriptionCreate) -> Done[SubscriptionView]:
    """Make a subscription on what a customer has saved, and its first charge at once.

    Answers 200 with the subscription: ``active``, or ``pending`` while it is not known what came of the charge. A
    declined first charge is answered with the decline, and the subscription has ended with it.
    Raises NotFound (no such customer), NothingToCharge, WrongCurrency. Source: contract 11.1, 11.3.
    """
    settings = await call.services.settings_of(call.owner)
    subscription_id = call.new_id()
    charge_body = PaymentCreate(amount=body.amount, currency=body.currency, customer=body.customer)
    draft = await charges.draft_charge(call, charge_body, subscription_id=subscription_id)
    subscription = Subscription(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=subscription_id,
        customer_id=body.customer,
        status="pending",
        amount=body.amount,
        currency=body.currency,
        period=body.period,
        metadata=metadata.merged("{}", body.metadata),
        time_zone=settings.time_zone,
        day=day_of(call.now, body.period, settings.time_zone),
        details_type=CREDIT_CARD,
        api_version=call.api_version,
        period_no=0,
        active_attempt=draft.attempt.id,
        retry_count=0,
        retry_at=None,
        next_capture_at=call.now,
        due_at=None,
        version=1,
        created_at=call.now,
    )
    subscription = replace(subscription, next_capture_at=subscription.falls_due(1))
    first = _First(
        subscription,
        new_period(subscription, call.new_id(), call.now),
        call.new_id(),
        pan_screening.suspicious(metadata=body.metadata),
        call.system_now,
    )
    await call.vault.ready(call.owner)
    # Write down what we are about to do: a crash below leaves an attempt to reconcile.
    intent = await call.db.write(_begin, call.claim, call.owner, call.vault, draft, first)
    outcome, refusal = await charges.send(call.services, intent.charge)
    done = await write_if_possible(call.services, intent.charge.attempt, outcome, refusal, record.write)
    # Should the outcome not have been written, the intent is all that is known for certain.
    return done or record.unknown(intent.shown)


def new_period(subscription: Subscription, id: str, now: int) -> PeriodRow:
    """The row of the subscription's latest period, whose charge is about to be made."""
    return PeriodRow(
        merchant_id=subscription.merchant_id,
        mode=subscription.mode,
        id=id,
        subscription_id=subscription.id,
        number=subscription.period_no,
        state="open",
        tries=1,
        declines=0,
        payment_id=None,
        created_at=now,
    )


def recurring(charge: ChargeIntent) -> ChargeIntent:
    """The processor is told what kind of charge it is: one of a series, the shopper being absent (SEC-22)."""
    if charge.credential is None:
        return charge
    return replace(charge, credential=replace(charge.credential, indicator="recurring"))


class _First(NamedTuple):
    """A subscription before its customer has been looked at. suspicious: a text may hold a card number.

    system_now: the machine's time, for the audit line of it.
    """

    subscription: Subscription
    period: PeriodRow
    event_id: str
    suspicious: bool
    system_now: int


class _SubscriptionIntent(NamedTuple):
    """A first charge whose intent is durable."""

    charge: ChargeIntent
    shown: SubscriptionView


@idempotent
async def _begin(
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, draft: ChargeDraft, first: _First
) -> _SubscriptionIntent:
    """T1: subscription, period, payment and attempt. Raises what :func:`azukari.payments.charge.resolve` does."""
    charge = recurring(await charges.resolve(tx, owner, vault, draft))
    customer = await customers.get(tx, owner, first.subscription.customer_id)
    subscription = replace(first.subscription, details_type=charge.attempt.method or CREDIT_CARD)
    shown = SubscriptionView(subscription, customer, (charge.payment.id,))
    await idempotency.take(tx, owner, claim, lambda: record.unknown(shown).answer)
    await charges.begin(tx, vault, draft, charge)
    await store.save(tx, subscription)
    await store.add_period(tx, replace(first.period, payment_id=charge.payment.id))
    now = subscription.created_at
    await record.report(tx, shown, ("subscription.created",), (first.event_id,), now)
    if first.suspicious:
        await pan_screening.note(
            tx, vault, owner, id=subscription.id, at=first.system_now, actor=draft.actor, object_id=subscription.id
        )
    return _SubscriptionIntent(charge, shown)


async def end(call: Call, subscription_id: str) -> SubscriptionOut:
    """End a subscription; a charge under way is not called back. Raises NotFound, Locked. Source: contract 11."""
    shown = await retry_on_conflict(call.db, cancel.end, call.owner, subscription_id, call.new_id(), call.now)
    return shown.out()
