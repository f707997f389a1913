"""Keeping payment details: a card is checked with its processor before a customer has it."""

from dataclasses import dataclass

import msgspec

from azukari.core.errors import InvalidToken, Locked, NotFound
from azukari.customers import store
from azukari.customers.schemas import CustomerOut, CustomerWrite, Source
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, persevere
from azukari.events import store as events
from azukari.processors import attempts
from azukari.processors.attempts import Attempt
from azukari.processors.base import Approved, DeclinedBy, NotDone, Outcome
from azukari.processors.declines import Declined, NoAnswer, NotSentAnswer
from azukari.tokens import given as tokens
from azukari.tokens import store as token_store
from azukari.tokens.given import Card, Given
from azukari.vault import SealedEntry, Vault
from azukari.web import errors, idempotency, metadata
from azukari.web.answers import Answer
from azukari.web.call import Call
from azukari.web.idempotency import Claim, idempotent
from azukari.wiring import Parts

DEFAULT_CURRENCY = "JPY"


async def create(call: Call, order: CustomerWrite) -> Answer:
    """A new customer, with payment details or without.

    A card is checked first; a bad one stores nothing. Raises MissingParameter, InvalidParameter, InvalidToken.
    Source: contract section 10.
    """
    customer = Customer(
        merchant_id=call.owner.merchant_id, mode=call.owner.mode, id=call.new_id(), email=order.email or None,
        metadata=metadata.merged("{}", order.metadata), entry_id=None, source=None, exp_month=None, exp_year=None,
        network_id=None, scenario=call.orders.scenario, external_id=None, version=1, created_at=call.now,
        deleted_at=None,
    )  # fmt: skip
    if order.payment_details is None:
        return await call.db.write(_save_bare, call.claim, call.owner, customer, call.new_id())
    return await _check_and_store(call, order, _Change(customer, new=True, write=order))


async def update(call: Call, customer_id: str, order: CustomerWrite) -> Answer:
    """Change a customer; new payment details replace the old ones, which are shredded.

    Raises NotFound, Locked (somebody else keeps changing it), and what :func:`create` does.
    """
    customer = await call.db.read(store.get, call.owner, customer_id)
    if order.payment_details is None:
        return await persevere(call.db, _update_words, call.owner, customer_id, order, call.new_id(), call.now)
    answer = await _check_and_store(call, order, _Change(customer, new=False, write=order))
    if answer.status == 200 and customer.entry_id is not None:
        await call.vault.shred(call.owner, customer.entry_id)
    return answer


async def delete(call: Call, customer_id: str) -> CustomerOut:
    """Forget a customer: its details can never be opened again, its words are erased. Raises NotFound."""
    while True:
        customer = await call.db.read(store.get, call.owner, customer_id)
        if customer.entry_id is not None:
            # First the key, then the record: a crash between the two leaves a record that nobody can open.
            await call.vault.shred(call.owner, customer.entry_id)
        if await call.db.write(_erase, customer, call.new_id(), call.now):
            return CustomerOut.of(customer)
        # It has changed since it was read: look again, there is a new state to delete.


async def delete_external(call: Call, external_id: str) -> None:
    """Forget whatever is kept under the merchant's own id of a customer. Raises NotFound."""
    found = await call.db.read(store.find_by_external_id, call.owner, external_id)
    if not found:
        raise NotFound
    for customer in found:
        await delete(call, customer.id)


@dataclass(frozen=True, slots=True)
class _Change:
    """A customer as it will be, or as it was read, and what is to be written."""

    customer: Customer
    new: bool
    write: CustomerWrite


async def _check_and_store(call: Call, order: CustomerWrite, change: _Change) -> Answer:
    details = tokens.read(order.payment_details, call.now)
    processor = call.parts.processors.pick(call.owner)
    attempt = attempts.plan(
        call.parts.ids, call.owner, processor, "verify", 0, order.currency or DEFAULT_CURRENCY, now=call.now,
        api_version=call.api_version, customer_id=change.customer.id,
        state="prepared" if tokens.needs_two_steps(details) else "sent",
        orders=msgspec.structs.replace(call.orders, scenario=None).encoded(),
        idempotency_key=call.idempotency_key,
    )  # fmt: skip
    # T1: the token is spent and the attempt written down.
    card = await call.db.write(
        _record_check, call.claim, call.owner, call.vault, attempt, details, order.currency, call.key.id
    )
    try:
        outcome: Outcome | InvalidToken = await tokens.send(call.parts, processor, attempt, card)
    except tokens.ValueGone:
        outcome = InvalidToken()
    # The key of raw details is durable before they are, and only a good card gets this far.
    sealed = None
    if isinstance(outcome, Approved) and not isinstance(details, str):
        sealed = await call.vault.seal(call.owner, details)
    # T3: what came of it.
    answer = await persevere(
        call.db,
        _record_outcome,
        call.vault,
        attempt,
        outcome,
        change,
        card,
        sealed,
        call.new_id(),
        call.parts.clock.now(),
    )
    if card.token is not None and answer.status != 200:
        await call.vault.shred(call.owner, card.token.entry_id)
    return answer


@idempotent
async def _save_bare(tx: Tx, claim: Claim | None, owner: Owner, customer: Customer, event_id: str) -> Answer:
    answer = Answer.of(CustomerOut.of(customer))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await store.save(tx, customer)
    await _report(tx, "customer.created", customer, event_id, customer.created_at)
    await idempotency.settle(tx, owner, claim.key if claim else None, answer)
    return answer


@idempotent
async def _record_check(
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, attempt: Attempt, details: Given, currency: str | None,
    who: str,
) -> Card:  # fmt: skip
    """T1: write down that a card is about to be checked. Raises InvalidToken, WrongCurrency."""
    now, by = attempt.created_at, attempt.customer_id or ""
    card = await tokens.look(tx, vault, owner, details, now, currency)
    await idempotency.take(tx, owner, claim, lambda: errors.answer(NotSentAnswer()))
    await attempts.begin(tx, attempt)
    await tokens.spend(tx, vault, owner, card, by=by, why="verify", who=who, now=now, audit_id=attempt.id)
    return card


async def _record_outcome(
    tx: Tx, vault: Vault, attempt: Attempt, outcome: Outcome | InvalidToken, change: _Change, card: Card,
    sealed: SealedEntry | None, event_id: str, now: int,
) -> Answer:  # fmt: skip
    """T3: write down what the check came to. Raises Locked, NotFound (deleted meanwhile)."""
    done = NotDone() if isinstance(outcome, InvalidToken) else outcome
    # Nobody need ask what became of a check that gave no answer: it moved nothing, and nothing was stored.
    held = await attempts.finish(tx, attempt, done if isinstance(done, Approved | DeclinedBy) else NotDone(), now)
    if held and isinstance(outcome, Approved):
        customer = await _with_card(tx, vault, outcome, change, card, sealed, now)
        answer = Answer.of(CustomerOut.of(customer))
        await _report(tx, "customer.created" if change.new else "customer.updated", customer, event_id, now)
    else:
        answer = errors.answer(_refusal(outcome))
    await idempotency.settle(tx, attempt.owner, attempt.idempotency_key, answer)
    return answer


async def _with_card(
    tx: Tx, vault: Vault, outcome: Approved, change: _Change, card: Card, sealed: SealedEntry | None, now: int
) -> Customer:
    owner = Owner(change.customer.merchant_id, change.customer.mode)
    if sealed is not None:
        await vault.add(tx, owner, sealed, now)
    elif card.token is not None:
        await token_store.adopt(tx, owner, card.token.id)
    read = change.customer if change.new else await store.get(tx, owner, change.customer.id)
    customer = _rewritten(
        read,
        change.write,
        entry_id=card.use.entry_id if sealed is None else sealed.id,
        source=msgspec.json.encode(Source.of(card.use.masked)).decode(),
        exp_month=card.use.masked.month,
        exp_year=card.use.masked.year,
        network_id=outcome.network_id,
    )
    if change.new:
        await store.save(tx, customer)
    elif not await store.update(tx, read, customer):
        raise Locked
    return customer


async def _update_words(
    tx: Tx, owner: Owner, customer_id: str, order: CustomerWrite, event_id: str, now: int
) -> Answer:
    read = await store.get(tx, owner, customer_id)
    customer = _rewritten(read, order)
    if not await store.update(tx, read, customer):
        raise Locked
    await _report(tx, "customer.updated", customer, event_id, now)
    return Answer.of(CustomerOut.of(customer))


async def _erase(tx: Tx, customer: Customer, event_id: str, now: int) -> bool:
    if not await store.erase(tx, customer, now):
        return False
    # The event keeps no words either: it says who is gone, not who that was.
    erased = msgspec.structs.replace(customer, email=None, metadata="{}", source=None)
    await _report(tx, "customer.deleted", erased, event_id, now)
    return True


def _rewritten(read: Customer, order: CustomerWrite, **card: object) -> Customer:
    email = read.email if order.email is msgspec.UNSET else order.email
    return msgspec.structs.replace(read, email=email, metadata=metadata.merged(read.metadata, order.metadata), **card)


def _refusal(outcome: Outcome | InvalidToken) -> InvalidToken | Declined | NotSentAnswer | NoAnswer:
    match outcome:
        case InvalidToken():
            return outcome
        case DeclinedBy(code):
            return Declined(code)
        case NotDone():
            return NotSentAnswer()
        case _:
            return NoAnswer()


async def _report(tx: Tx, type: str, customer: Customer, event_id: str, now: int) -> None:
    data = msgspec.json.encode(CustomerOut.of(customer))
    await events.record(tx, Owner(customer.merchant_id, customer.mode), id=event_id, type=type, data=data, now=now)


async def settle(parts: Parts, attempt: Attempt) -> None:
    """End a check whose owner died: it moved nothing, and the details it was about are gone with it."""
    await parts.db.write(_give_up, attempt, parts.clock.now())


async def _give_up(tx: Tx, attempt: Attempt, now: int) -> None:
    if await attempts.finish(tx, attempt, NotDone(), now):
        await idempotency.settle(tx, attempt.owner, attempt.idempotency_key, errors.answer(NotSentAnswer()))
