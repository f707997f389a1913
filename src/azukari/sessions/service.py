"""Sessions: made by the merchant's server, shown to it and to the shopper's browser, cancelled."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec
from msgspec import UNSET

from azukari.core.clock import Moment
from azukari.core.errors import InvalidParameter, Locked, MissingParameter, NotFound
from azukari.core.money import MAX_AMOUNT
from azukari.customers import store as customers
from azukari.customers.schemas import CustomerOut
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, directory, retry_on_conflict
from azukari.events import store as events
from azukari.payment_methods.offer import Offer, offers
from azukari.payment_methods.service import is_taken
from azukari.payment_types import METHODS
from azukari.payments import store as payments
from azukari.processors.registry import NoProcessor
from azukari.secure_tokens import proof
from azukari.secure_tokens.pages import Pages
from azukari.sessions import pay as session_pay
from azukari.sessions import pending, store
from azukari.sessions.errors import CustomerGone, NoMethod, NotCancellable, OrderNumTaken, UnknownType
from azukari.sessions.queries import SessionView, view_of
from azukari.sessions.schemas import LineItem, PaymentData, SessionCreate, SessionMethod, SessionOut, View
from azukari.sessions.store import Session
from azukari.vault import Vault
from azukari.wire import idempotency, metadata, pan_screening, return_targets
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent

DEFAULT_LOCALE = "ja"


async def create(call: Call, body: SessionCreate) -> Answer:
    """A new session, and in the modes with a customer who has none yet, its customer.

    Raises MissingParameter, InvalidParameter, UnknownType, NoMethod, OrderNumTaken, CustomerGone. Source: contract 6.2.
    """
    settings = await call.services.settings_of(call.owner)
    return_targets.hold_to_apps(settings, body.return_url)
    data = _payment_data(body)
    amount, currency = _money(body, data, settings.currency)
    found = offers(settings, call.owner.mode, currency, wanted=_wanted(body), storable_only=body.mode != "payment")
    # What an order abroad comes to may be more than anybody takes.
    found = [offer for offer in found if offer.amount_of(amount) <= MAX_AMOUNT]
    if not found:
        raise NoMethod
    found = [offer for offer in found if is_taken(call, offer.type)]
    if not found:
        raise NoProcessor
    methods = [_method(offer, None if body.mode == "customer" else amount) for offer in found]
    session = Session(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=call.new_id(),
        kind=body.mode,
        status="pending",
        amount=amount,
        currency=currency,
        return_url=body.return_url,
        email=body.email,
        locale=body.default_locale or DEFAULT_LOCALE,
        methods=msgspec.json.encode(methods).decode(),
        line_items=msgspec.json.encode(body.line_items or []).decode(),
        metadata=metadata.merged("{}", body.metadata),
        payment_data=data.encoded() if data else None,
        order_num=data.external_order_num if data else None,
        scenario=call.directives.scenario,
        customer_id=None if body.mode == "payment" else body.customer_id or call.new_id(),
        payment_id=None,
        secure_token_id=None,
        authenticating=0,
        active_attempt=None,
        waiting_attempt=None,
        trying=None,
        declines=0,
        consent=None,
        open_until=call.now + body.expires_in_seconds * 1_000,
        expires_at=call.now + body.expires_in_seconds * 1_000,
        completed_at=None,
        cancelled_at=None,
        created_at=call.now,
    )
    out = session_pay.view_of(call).session(SessionView(session), settings.name, None, call.moment)
    draft = _SessionDraft(
        session,
        _bare(call, body, session),
        call.new_id(),
        call.actor,
        _suspicious(body),
        Answer.of(out),
        call.system_now,
    )
    return await call.db.write(_save, call.claim, call.owner, call.vault, draft)


@dataclass(frozen=True, slots=True)
class _SessionDraft:
    """customer: to be made with the session; None: there is none, or it must exist. event_id: of the customer's event.

    suspicious: a text of the order looks like a card number.
    """

    session: Session
    customer: Customer | None
    event_id: str
    actor: str
    suspicious: bool
    answer: Answer
    system_now: int


def _payment_data(body: SessionCreate) -> PaymentData | None:
    if body.mode == "customer" or body.payment_data is None:
        return None
    if body.payment_data.mcc is not None and len(body.payment_data.mcc) != 4:
        raise InvalidParameter("payment_data[mcc]")
    return body.payment_data


def _money(body: SessionCreate, data: PaymentData | None, default: str) -> tuple[int, str]:
    """Amount and currency, which may stand in ``payment_data`` as well. Without an amount it is what the items sum to.

    Raises MissingParameter, InvalidParameter. Source: contract 6.2.
    """
    currency = body.currency or (data.currency if data else None)
    if body.mode == "customer":
        return 0, currency or default
    amount = body.amount if body.amount is not None or data is None else data.amount
    if amount is None:
        amount = _sum(body.line_items or ())
    if amount is None:
        raise MissingParameter("amount")
    if amount <= 0:
        raise InvalidParameter("amount", "Amount must be greater than 0")
    if amount > MAX_AMOUNT:
        raise InvalidParameter("amount")
    if currency is None:
        raise MissingParameter("currency")
    return amount, currency


def _sum(items: Iterable[LineItem]) -> int | None:
    """What all the items cost, discounts taken off; None: none of them has an amount."""
    costs = [item.amount * item.quantity for item in items if item.amount is not UNSET]
    return sum(costs) if costs else None


def _wanted(body: SessionCreate) -> list[str] | None:
    if not body.payment_types:
        return None
    if not METHODS.keys() >= set(body.payment_types):
        raise UnknownType
    return body.payment_types


def _method(offer: Offer, amount: int | None) -> SessionMethod:
    """amount: of the session; None where nothing is paid."""
    entry = SessionMethod(type=offer.type, hashed_gateway=offer.gateway)
    if offer.method.offsite:
        entry.offsite, entry.additional_fields = True, list(offer.method.additional_fields)
    if offer.method.group == "konbini":
        entry.brands = {store: {"icon": f"/assets/konbini/{store}.svg"} for store in offer.brands}
    elif offer.brands:
        entry.brands = list(offer.brands)
    if amount is not None:
        entry.amount, entry.currency = offer.amount_of(amount), offer.currency
        entry.exchange_rate = 1 if offer.rate is None else float(offer.rate)
        entry.customer_fee = offer.fee
    return entry


def _bare(call: Call, body: SessionCreate, session: Session) -> Customer | None:
    """The customer that is there from the beginning and has no details before the end. Source: contract 10.1."""
    if session.customer_id is None or body.customer_id is not None:
        return None
    return Customer.new(
        session.owner, session.customer_id, call.now, email=body.email, external_id=body.external_customer_id
    )


def _suspicious(body: SessionCreate) -> bool:
    texts: list[object] = [body.payment_data and body.payment_data.external_order_num]
    for item in body.line_items or ():
        texts += [item.description, item.image, item.external_product_num]
    return pan_screening.suspicious(*texts, metadata=body.metadata)


@idempotent
async def _save(tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, draft: _SessionDraft) -> Answer:
    session = draft.session
    if session.customer_id is not None and draft.customer is None:
        await _must_exist(tx, owner, session.customer_id)
    former = None
    if session.order_num is not None:
        former = await store.find_by_order_num(tx, owner, session.order_num)
        used = former is not None and (not former.is_expired(session.created_at) or former.active_attempt is not None)
        if used or await payments.order_num_taken(tx, owner, session.order_num):
            raise OrderNumTaken
    await idempotency.take(tx, owner, claim, lambda: draft.answer)
    if former is not None:
        await store.close(tx, former, session.created_at)
    if draft.customer is not None:
        await customers.save(tx, draft.customer)
        data = msgspec.json.encode(CustomerOut.of(draft.customer))
        await events.record(tx, owner, id=draft.event_id, type="customer.created", data=data, now=session.created_at)
    if not await store.save(tx, session):
        raise OrderNumTaken  # somebody else was faster by a moment
    await directory.publish(tx, owner, session.id, "session")
    if draft.suspicious:
        await pan_screening.note(
            tx, vault, owner, id=session.id, at=draft.system_now, actor=draft.actor, object_id=session.id
        )
    await idempotency.store_response(tx, owner, claim.key if claim else None, draft.answer)
    return draft.answer


async def _must_exist(tx: Tx, owner: Owner, customer_id: str) -> None:
    try:
        await customers.get(tx, owner, customer_id)
    except NotFound:
        raise CustomerGone from None


async def show(call: Call, session_id: str) -> SessionOut:
    """A session: all of it for a secret key, the allowed members for a publishable one. Raises NotFound."""
    settings = await call.services.settings_of(call.owner)
    whole = await call.db.read(view_of, call.owner, session_id)
    out = session_pay.view_of(call).session(whole, settings.name, Pages.of(call.services), call.moment)
    if out.secure_token:
        await proof.show(call, out.secure_token)
    return out


async def cancel(call: Call, session_id: str) -> Answer:
    """Take a session back that nobody has paid; one that waits for its shopper elsewhere ends there too.

    Raises NotFound, NotCancellable, Locked (somebody is paying it this moment). Source: contract section 6.
    """
    settings = await call.services.settings_of(call.owner)
    await pending.end(call, session_id)
    return await retry_on_conflict(
        call.db,
        _cancel,
        call.claim,
        call.owner,
        session_id,
        session_pay.view_of(call),
        settings.name,
        Pages.of(call.services),
        call.moment,
    )


@idempotent
async def _cancel(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    session_id: str,
    view: View,
    merchant_name: str,
    pages: Pages,
    at: Moment,
) -> Answer:
    whole = await view_of(tx, owner, session_id)
    if whole.session.status != "pending":
        raise NotCancellable
    if whole.session.active_attempt is not None or whole.waiting is not None:
        raise Locked
    await idempotency.take(tx, owner, claim, None)
    session = await store.cancel(tx, whole.session, at.now)
    if session is None:
        raise Locked
    answer = Answer.of(view.session(replace(whole, session=session), merchant_name, pages, at))
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)
    return answer
