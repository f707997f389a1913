"""Keeping payment details: a card is checked with its processor before a customer has it."""

from dataclasses import dataclass

import msgspec

from azukari.core.errors import ApiError, Locked, NotFound
from azukari.customers import store
from azukari.customers.schemas import CustomerOut, CustomerWrite, Source
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, persevere
from azukari.events import store as events
from azukari.processors import attempts
from azukari.processors.attempts import Attempt
from azukari.processors.base import Approved, Consent, DeclinedBy, KeptCredential, NotDone, Outcome
from azukari.processors.declines import Declined, NoAnswer, NotSentAnswer
from azukari.tokens import given as tokens
from azukari.tokens import store as token_store
from azukari.tokens.given import Card, Given
from azukari.vault import SealedEntry, Vault
from azukari.web import errors, idempotency, metadata, screening
from azukari.web.answers import Answer
from azukari.web.call import Call
from azukari.web.idempotency import Claim, idempotent
from azukari.wiring import Parts

DEFAULT_CURRENCY = "JPY"
NO_CHANGE = CustomerWrite()


async def create(call: Call, order: CustomerWrite) -> Answer:
    """A new customer, with payment details or without.

    A card is checked first; a bad one stores nothing. Raises MissingParameter, InvalidParameter, InvalidToken.
    Source: contract section 10.
    """
    customer = Customer(
        merchant_id=call.owner.merchant_id, mode=call.owner.mode, id=call.new_id(), email=order.email or None,
        metadata=metadata.merged("{}", order.metadata), entry_id=None, source=None, exp_month=None, exp_year=None,
        scenario=call.orders.scenario, external_id=None, version=1, created_at=call.now,
        deleted_at=None,
    )  # fmt: skip
    if order.payment_details is None:
        return await call.db.write(_save_bare, call.claim, call.owner, customer, Words.of(call, order))
    stored = await _check_and_store(call, order, customer, new=True)
    return stored.answer


async def update(call: Call, customer_id: str, order: CustomerWrite) -> Answer:
    """Change a customer; new payment details replace the old ones, which are shredded.

    Raises NotFound, Locked (somebody else keeps changing it), and what :func:`create` does.
    """
    customer = await call.db.read(store.get, call.owner, customer_id)
    if order.payment_details is None:
        return await persevere(call.db, _update_words, call.owner, customer_id, order, Words.of(call, order))
    stored = await _check_and_store(call, order, customer, new=False)
    if stored.replaced is not None:
        await call.vault.shred(call.owner, stored.replaced)
    return stored.answer


async def delete(call: Call, customer_id: str) -> CustomerOut:
    """Forget a customer: its details can never be opened again, its words are erased. Raises NotFound."""
    while True:
        customer = await call.db.read(store.get, call.owner, customer_id)
        if customer.entry_id is not None:
            # First the key, then the record: a crash between the two leaves a record that nobody can open.
            await call.vault.shred(call.owner, customer.entry_id)
        if await call.db.write(_erase, customer, Words.of(call, NO_CHANGE)):
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
class Words:
    """What a change leaves beside it. event_id: of its event. suspicious: its metadata may hold a card number."""

    vault: Vault
    who: str
    event_id: str
    now: int
    suspicious: bool

    @classmethod
    def of(cls, call: Call, order: CustomerWrite) -> "Words":
        return cls(call.vault, call.key.id, call.new_id(), call.now, screening.suspicious(metadata=order.metadata))


@dataclass(frozen=True, slots=True)
class _Stored:
    """replaced: the entry that nobody needs any more."""

    answer: Answer
    replaced: str | None = None


async def _check_and_store(call: Call, order: CustomerWrite, customer: Customer, *, new: bool) -> _Stored:
    details = tokens.read(order.payment_details, call.now)
    processor = call.parts.processors.pick(call.owner)
    await call.vault.ready(call.owner)
    attempt = attempts.plan(
        call.parts.ids, call.owner, processor, "verify", 0, order.currency or DEFAULT_CURRENCY, now=call.now,
        api_version=call.api_version, customer_id=customer.id,
        state="prepared" if tokens.needs_two_steps(details) else "sent",
        orders=msgspec.structs.replace(call.orders, scenario=None).encoded(), idempotency_key=call.idempotency_key,
    )  # fmt: skip
    # T1: the token is spent and the attempt written down.
    card = await call.db.write(
        _record_check, call.claim, call.owner, call.vault, attempt, details, order.currency, call.key.id
    )
    refusal: ApiError | None = None
    try:
        outcome = await tokens.send(call.parts, processor, attempt, card)
    except tokens.NotBegun as ended:
        outcome, refusal = NotDone(), ended.refusal
    # The key of raw details is durable before they are, and only a good card gets this far.
    sealed = None
    if isinstance(outcome, Approved) and not isinstance(details, str):
        sealed = await call.vault.seal(call.owner, details)
    # T3: what came of it.
    change = Change(attempt, customer, new, order, card, sealed)
    stored = await persevere(call.db, _record_outcome, outcome, change, Words.of(call, order), refusal)
    if card.token is not None and stored.answer.status != 200:
        await call.vault.shred(call.owner, card.token.entry_id)
    return stored


@dataclass(frozen=True, slots=True)
class Change:
    """A customer as it will be, or as it was read, what is to be written, and the card it gets.

    sealed: a card that is not in the vault yet. consent: what the shopper agreed to, where we asked.
    """

    attempt: Attempt
    customer: Customer
    new: bool
    write: CustomerWrite
    card: Card
    sealed: SealedEntry | None
    consent: Consent | None = None


@idempotent
async def _save_bare(tx: Tx, claim: Claim | None, owner: Owner, customer: Customer, words: Words) -> Answer:
    answer = Answer.of(CustomerOut.of(customer))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await store.save(tx, customer)
    await report(tx, "customer.created", customer, words)
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
    await idempotency.take(tx, owner, claim, None)  # whether a customer comes of it cannot be said before the end
    await attempts.begin(tx, attempt)
    await tokens.spend(tx, vault, owner, card, by=by, why="verify", who=who, now=now, audit_id=attempt.id)
    return card


async def _record_outcome(
    tx: Tx, outcome: Outcome, change: Change, words: Words, refusal: ApiError | None
) -> _Stored:  # fmt: skip
    """T3: write down what the check came to. Raises Locked, NotFound (deleted meanwhile)."""
    attempt = change.attempt
    # Nobody need ask what became of a check that gave no answer: it moved nothing, and nothing was stored.
    done = outcome if isinstance(outcome, Approved | DeclinedBy) else NotDone()
    held = await attempts.finish(tx, attempt, done, words.now)
    if held and isinstance(outcome, Approved):
        customer, replaced = await with_card(tx, outcome, change, words)
        stored = _Stored(Answer.of(CustomerOut.of(customer)), replaced)
        await report(tx, "customer.created" if change.new else "customer.updated", customer, words)
    else:
        stored = _Stored(errors.answer(refusal or refusal_of(outcome if held else NotDone())))
    await idempotency.settle(tx, attempt.owner, attempt.idempotency_key, stored.answer)
    return stored


async def with_card(tx: Tx, outcome: Approved, change: Change, words: Words) -> tuple[Customer, str | None]:
    """The customer with its new card, and the entry of the old one."""
    owner, card, sealed = Owner(change.customer.merchant_id, change.customer.mode), change.card, change.sealed
    read = change.customer if change.new else await store.get(tx, owner, change.customer.id)
    if sealed is not None:
        await words.vault.add(tx, owner, sealed, words.now)
    elif card.token is not None:
        await token_store.adopt(tx, owner, card.token.id)
    shown = card.use.masked
    customer = _rewritten(
        read, change.write, entry_id=card.use.entry_id if sealed is None else sealed.id,
        source=msgspec.json.encode(Source.of(shown)).decode(), exp_month=shown.month, exp_year=shown.year,
    )  # fmt: skip
    # Later charges name this transaction: it is kept with the details it is about.
    credential = KeptCredential(
        processor=change.attempt.processor, scheme=shown.brand, at=words.now, amount=change.attempt.amount,
        currency=change.attempt.currency, network_id=outcome.network_id, cvc_result=outcome.cvc_result,
        consent=change.consent,
        three_ds=card.three_ds,
    )  # fmt: skip
    await words.vault.set_credential(tx, owner, customer.entry_id or "", credential.encoded())
    if change.new:
        await store.save(tx, customer)
        return customer, None
    if not await store.update(tx, read, customer):
        raise Locked
    if read.entry_id is not None:
        await words.vault.retire(tx, owner, read.entry_id, words.now)
    return customer, read.entry_id


async def _update_words(tx: Tx, owner: Owner, customer_id: str, order: CustomerWrite, words: Words) -> Answer:
    read = await store.get(tx, owner, customer_id)
    customer = _rewritten(read, order)
    if not await store.update(tx, read, customer):
        raise Locked
    await report(tx, "customer.updated", customer, words)
    return Answer.of(CustomerOut.of(customer))


async def _erase(tx: Tx, customer: Customer, words: Words) -> bool:
    if not await store.erase(tx, customer, words.now):
        return False
    # The event keeps no words either: it says who is gone, not who that was.
    erased = msgspec.structs.replace(customer, email=None, metadata="{}", source=None)
    await report(tx, "customer.deleted", erased, words)
    return True


def _rewritten(read: Customer, order: CustomerWrite, **card: object) -> Customer:
    email = read.email if order.email is msgspec.UNSET else order.email
    return msgspec.structs.replace(read, email=email, metadata=metadata.merged(read.metadata, order.metadata), **card)


def refusal_of(outcome: Outcome) -> ApiError:
    match outcome:
        case DeclinedBy(code):
            return Declined(code)
        case NotDone():
            return NotSentAnswer()
        case _:
            return NoAnswer()


async def report(tx: Tx, type: str, customer: Customer, words: Words) -> None:
    owner, data = Owner(customer.merchant_id, customer.mode), msgspec.json.encode(CustomerOut.of(customer))
    await events.record(tx, owner, id=words.event_id, type=type, data=data, now=words.now)
    if words.suspicious:
        await screening.note(
            tx, words.vault, owner, id=words.event_id, at=words.now, who=words.who, object_id=customer.id
        )  # fmt: skip


async def settle(parts: Parts, attempt: Attempt) -> None:
    """End a check whose owner died: it moved nothing, and the details it was about are gone with it."""
    if attempt.state == "prepared":
        await tokens.drop_value(parts, attempt)
    await parts.db.write(_give_up, attempt, parts.clock.now())


async def _give_up(tx: Tx, attempt: Attempt, now: int) -> None:
    if await attempts.finish(tx, attempt, NotDone(), now):
        await idempotency.settle(tx, attempt.owner, attempt.idempotency_key, errors.answer(NotSentAnswer()))
