"""Keeping payment details: a card is checked with its processor before a customer has it."""

from dataclasses import dataclass

import msgspec

from azukari.accounts.choice import choose
from azukari.attempts import store as attempts
from azukari.attempts.store import Attempt
from azukari.core.clock import Moment, iso
from azukari.core.errors import ApiError, Locked, NotFound
from azukari.core.ids import Ids
from azukari.customers import grants, store
from azukari.customers.errors import NoAgreement, NotKept
from azukari.customers.schemas import CustomerOut, CustomerWrite, GrantOut, Source
from azukari.customers.store import Customer
from azukari.db import Owner, Tx, retry_on_conflict
from azukari.events import store as events
from azukari.payment_methods.details import is_method
from azukari.processors.base import Approved, Consent, Declined, KeptCredential, NotSent, Outcome
from azukari.processors.declines import DeclinedError, NoAnswer, NotSentError
from azukari.processors.methods import CREDIT_CARD, MethodDetails
from azukari.processors.three_ds import ThreeDs
from azukari.tokens import send as sending
from azukari.tokens import sources as tokens
from azukari.tokens import store as token_store
from azukari.tokens.sources import CardSource, PaymentSource
from azukari.vault import AccessGrant, EntryGone, Masked, ReplyUnknown, RequestNotSent, SealedEntry, Vault
from azukari.wire import errors, idempotency, metadata, pan_screening
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, idempotent
from azukari.wiring import Hooks, Services

DEFAULT_CURRENCY = "JPY"
NO_CHANGE = CustomerWrite()


async def create(call: Call, body: CustomerWrite) -> Answer:
    """A new customer, with payment details or without.

    A card is checked first; a bad one stores nothing. Raises MissingParameter, InvalidParameter, InvalidToken.
    Source: contract section 10.
    """
    customer = Customer.new(
        call.owner,
        call.new_id(),
        call.now,
        email=body.email or None,
        metadata=metadata.merged("{}", body.metadata),
        scenario=call.directives.scenario,
    )
    if body.payment_details is None:
        return await call.db.write(_save_bare, call.claim, call.owner, customer, _AuditContext.of(call, body))
    stored = await _check_and_store(call, body, customer, new=True)
    return stored.answer


async def update(call: Call, customer_id: str, body: CustomerWrite) -> Answer:
    """Change a customer; new payment details replace the old ones, which are shredded.

    Raises NotFound, Locked (somebody else keeps changing it), and what :func:`create` does.
    """
    customer = await call.db.read(store.get, call.owner, customer_id)
    if body.payment_details is None:
        return await retry_on_conflict(
            call.db, _update_description, call.owner, customer_id, body, _AuditContext.of(call, body)
        )
    stored = await _check_and_store(call, body, customer, new=False)
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
        context, services = _AuditContext.of(call, NO_CHANGE), call.services
        if await retry_on_conflict(call.db, _erase, customer, context, services.hooks, services.ids):
            return CustomerOut.of(customer)
        # It has changed since it was read: look again, there is a new state to delete.


async def grant(call: Call, customer_id: str) -> GrantOut:
    """For half an hour a publishable key may have this customer's saved card verified. Raises NotFound."""
    customer = await call.db.read(store.get, call.owner, customer_id)
    end = grants.end_of_one_made(call.system_now)
    return GrantOut("grant", customer.id, grants.text_of(call.vault, call.owner, customer.id, end), iso(end))


async def delete_external(call: Call, external_id: str) -> None:
    """Forget whatever is kept under the merchant's own id of a customer. Raises NotFound."""
    found = await call.db.read(store.find_by_external_id, call.owner, external_id)
    if not found:
        raise NotFound
    for customer in found:
        await delete(call, customer.id)


@dataclass(frozen=True, slots=True)
class _AuditContext:
    """What a change leaves beside it. event_id: of its event. suspicious: its metadata may hold a card number."""

    vault: Vault
    actor: str
    event_id: str
    moment: Moment
    suspicious: bool

    @classmethod
    def of(cls, call: Call, body: CustomerWrite) -> "_AuditContext":
        return cls(call.vault, call.actor, call.new_id(), call.moment, pan_screening.suspicious(metadata=body.metadata))


@dataclass(frozen=True, slots=True)
class _Stored:
    """customer: None where its card was refused. replaced: the entry that nobody needs any more."""

    answer: Answer
    customer: Customer | None = None
    replaced: str | None = None


async def _check_and_store(call: Call, body: CustomerWrite, customer: Customer, *, new: bool) -> _Stored:
    # Before the details are read: whatever else is missing, they would not be kept.
    if is_method(body.payment_details):
        raise NotKept
    details = tokens.read(body.payment_details, call.now)
    if isinstance(details, MethodDetails) or (not isinstance(details, str) and details.type != CREDIT_CARD):
        raise NotKept
    accounts = await call.services.accounts_of(call.owner)
    choice = choose(call.services.processors, call.owner, accounts, CREDIT_CARD)
    await call.vault.ready(call.owner)
    attempt = call.draft_attempt(msgspec.structs.replace(call.directives, scenario=None)).build(
        choice.processor,
        "verify",
        0,
        body.currency or DEFAULT_CURRENCY,
        customer_id=customer.id,
        state="prepared" if tokens.needs_two_steps(details) else "sent",
        account_id=choice.account_id,
    )
    # T1: the token is spent and the attempt written down.
    card = await call.db.write(
        _record_check,
        call.claim,
        call.owner,
        call.vault,
        attempt,
        details,
        body.currency,
        call.actor,
        call.now,
    )
    refusal: ApiError | None = None
    try:
        outcome = await sending.send(call.services, choice.processor, attempt, card)
    except sending.NotBegun as ended:
        outcome, refusal = NotSent(), ended.refusal
    # The key of raw details is durable before they are, and only a good card gets this far.
    sealed = None
    if isinstance(outcome, Approved) and not isinstance(details, str):
        sealed = await call.vault.seal(call.owner, details)
    # T3: what came of it.
    change = _Change(attempt, customer, new, body, card, sealed)
    stored = await retry_on_conflict(call.db, _record_outcome, outcome, change, _AuditContext.of(call, body), refusal)
    if card.token is not None and stored.customer is None:
        await call.vault.shred(call.owner, card.use.entry_id)
    return stored


@dataclass(frozen=True, slots=True)
class _Change:
    """A customer as it will be, or as it was read, what is to be written, and the card it gets."""

    attempt: Attempt
    customer: Customer
    new: bool
    write: CustomerWrite
    card: CardSource
    sealed: SealedEntry | None


@idempotent
async def _save_bare(tx: Tx, claim: Claim | None, owner: Owner, customer: Customer, context: _AuditContext) -> Answer:
    answer = Answer.of(CustomerOut.of(customer))
    await idempotency.take(tx, owner, claim, lambda: answer)
    await store.save(tx, customer)
    await _report(tx, "customer.created", customer, context)
    await idempotency.store_response(tx, owner, claim.key if claim else None, answer)
    return answer


@idempotent
async def _record_check(
    tx: Tx,
    claim: Claim | None,
    owner: Owner,
    vault: Vault,
    attempt: Attempt,
    details: PaymentSource,
    currency: str | None,
    actor: str,
    now: int,
) -> CardSource:
    """T1: write down that a card is about to be checked. Raises InvalidToken, WrongCurrency, NotKept."""
    moment, by = Moment(now, attempt.created_at), attempt.customer_id or ""
    card = await tokens.resolve(tx, vault, owner, details, now, currency)
    if not isinstance(card, CardSource):
        raise NotKept
    await idempotency.take(tx, owner, claim, None)  # whether a customer comes of it cannot be said before the end
    await attempts.begin(tx, attempt)
    await tokens.redeem(tx, vault, owner, card, by=by, action="verify", actor=actor, moment=moment, audit_id=attempt.id)
    return card


async def _record_outcome(
    tx: Tx, outcome: Outcome, change: _Change, context: _AuditContext, refusal: ApiError | None
) -> _Stored:
    """T3: write down what the check came to. Raises Locked, NotFound (deleted meanwhile)."""
    attempt = change.attempt
    # Nobody need ask what became of a check that gave no answer: it moved nothing, and nothing was stored.
    done = outcome if isinstance(outcome, Approved | Declined) else NotSent()
    held = await attempts.finish(tx, attempt, done, context.moment.system_now)
    if held and isinstance(outcome, Approved):
        customer, replaced = await _with_card(tx, outcome, change, context)
        stored = _Stored(Answer.of(CustomerOut.of(customer)), customer, replaced)
        await _report(tx, "customer.created" if change.new else "customer.updated", customer, context)
    else:
        stored = _Stored(errors.answer(refusal or _refusal(outcome if held else NotSent())))
    await idempotency.store_response(tx, attempt.owner, attempt.idempotency_key, stored.answer)
    return stored


async def _with_card(tx: Tx, outcome: Approved, change: _Change, context: _AuditContext) -> tuple[Customer, str | None]:
    """The customer with its new card, and the entry of the old one."""
    owner = Owner(change.customer.merchant_id, change.customer.mode)
    kept = SavedDetails.of_card(change.card, change.sealed, outcome, change.attempt, context.moment.now)
    await _store_entry(tx, context.vault, owner, kept, context.moment.system_now)
    read = change.customer if change.new else await store.get(tx, owner, change.customer.id)
    customer = _rewritten(read, change.write, change.card.email, **kept.columns)
    await context.vault.set_credential(tx, owner, kept.entry_id, kept.credential.encoded())
    if change.new:
        await store.save(tx, customer)
        return customer, None
    return customer, await _replace(tx, context.vault, read, customer, context.moment)


@dataclass(frozen=True, slots=True)
class SavedDetails:
    """Details a customer is about to have.

    sealed: an entry that is not written down yet. token_id: whose entry it was until now.
    credential: the transaction that stored them, with the shopper present, to whose keeping consent was given; later
    charges name it (SEC-22).
    """

    entry_id: str
    masked: Masked
    credential: KeptCredential
    sealed: SealedEntry | None = None
    token_id: str | None = None

    @classmethod
    def of_card(
        cls,
        card: CardSource,
        sealed: SealedEntry | None,
        outcome: Approved,
        attempt: Attempt,
        now: int,
        consent: Consent | None = None,
    ) -> "SavedDetails":
        """A card that was checked or charged. sealed: of raw details; a token's are sealed already."""
        token_id = card.token.id if card.token is not None and sealed is None else None
        entry_id = card.use.entry_id if sealed is None else sealed.id
        credential = _credential(outcome, attempt, card.use.masked.brand, now, card.three_ds, consent)
        return cls(entry_id, card.use.masked, credential, sealed, token_id)

    @classmethod
    def of_agreement(
        cls, sealed: SealedEntry, outcome: Approved, attempt: Attempt, now: int, consent: Consent | None = None
    ) -> "SavedDetails":
        """A wallet's agreement, sealed by ``vault.seal_agreement``."""
        credential = _credential(outcome, attempt, sealed.masked.type, now, None, consent)
        return cls(sealed.id, sealed.masked, credential, sealed)

    @property
    def columns(self) -> dict[str, object]:
        """What a customer's row says of it."""
        shown = self.masked
        return {
            "entry_id": self.entry_id,
            "source": msgspec.json.encode(Source.of(shown)).decode(),
            "exp_month": shown.month or None,
            "exp_year": shown.year or None,
        }


def _credential(
    outcome: Approved, attempt: Attempt, scheme: str, now: int, three_ds: ThreeDs | None, consent: Consent | None
) -> KeptCredential:
    return KeptCredential(
        processor=attempt.processor,
        scheme=scheme,
        at=now,
        amount=attempt.amount,
        currency=attempt.currency,
        network_id=outcome.network_id,
        cvc_result=outcome.cvc_result,
        three_ds=three_ds,
        consent=consent,
    )


async def save_details(
    tx: Tx,
    vault: Vault,
    owner: Owner,
    customer_id: str,
    kept: SavedDetails,
    *,
    event_id: str,
    moment: Moment,
    email: str | None = None,
) -> str | None:
    """Within the caller's unit: a customer has these details from now on, in place of any others.

    email: for a customer without one. Leaves the event ``customer.updated``. Returns the entry that nobody needs any
    more: ``vault.shred`` it once the unit is committed, else the sweep does.
    Raises NotFound, Locked (the customer has changed meanwhile), InvalidToken (the sweep has the token's details).
    """
    read = await store.get(tx, owner, customer_id)
    await _store_entry(tx, vault, owner, kept, moment.system_now)
    await vault.set_credential(tx, owner, kept.entry_id, kept.credential.encoded())
    customer = msgspec.structs.replace(read, email=read.email or email, **kept.columns)
    replaced = await _replace(tx, vault, read, customer, moment)
    data = msgspec.json.encode(CustomerOut.of(customer))
    await events.record(tx, owner, id=event_id, type="customer.updated", data=data, now=moment.now)
    return replaced


async def _store_entry(tx: Tx, vault: Vault, owner: Owner, kept: SavedDetails, now: int) -> None:
    if kept.sealed is not None:
        await vault.add(tx, owner, kept.sealed, now)
    elif kept.token_id is not None:
        await token_store.claim_for_customer(tx, owner, kept.token_id)


async def _replace(tx: Tx, vault: Vault, read: Customer, customer: Customer, at: Moment) -> str | None:
    """Change a customer that is as it was read, and retire the entry it had. Raises Locked."""
    if not await store.update(tx, read, customer, at.now):
        raise Locked
    if read.entry_id is not None:
        await vault.retire(tx, Owner(read.merchant_id, read.mode), read.entry_id, at.system_now)
    return read.entry_id


async def revoke(call: Call, customer_id: str) -> CustomerOut:
    """Test mode: the shopper takes a wallet's agreement back, at the wallet. Raises NotFound, NoAgreement."""
    if not call.is_test:
        raise NotFound
    customer, use = await call.db.write(
        _note_revocation, call.owner, call.vault, customer_id, call.new_id(), call.actor, call.system_now
    )
    try:
        await call.services.processors.simulator.revoke(use)
    except (RequestNotSent, ReplyUnknown):
        raise NoAnswer from None
    return CustomerOut.of(customer)


async def _note_revocation(
    tx: Tx, owner: Owner, vault: Vault, customer_id: str, audit_id: str, actor: str, now: int
) -> tuple[Customer, AccessGrant]:
    customer = await store.get(tx, owner, customer_id)
    if customer.entry_id is None:
        raise NoAgreement
    try:
        use = await vault.find(tx, owner, customer.entry_id)
    except EntryGone:
        raise NoAgreement from None
    if use.masked.type == CREDIT_CARD:
        raise NoAgreement
    await vault.audit_access(tx, use, action="revoke", object_id=customer_id, actor=actor, now=now, audit_id=audit_id)
    return customer, use


async def _update_description(
    tx: Tx, owner: Owner, customer_id: str, body: CustomerWrite, context: _AuditContext
) -> Answer:
    read = await store.get(tx, owner, customer_id)
    customer = _rewritten(read, body)
    if not await store.update(tx, read, customer, context.moment.now):
        raise Locked
    await _report(tx, "customer.updated", customer, context)
    return Answer.of(CustomerOut.of(customer))


async def _erase(tx: Tx, customer: Customer, context: _AuditContext, hooks: Hooks, ids: Ids) -> bool:
    if not await store.erase(tx, customer, context.moment.now):
        return False
    # The event keeps no words either: it says who is gone, not who that was.
    erased = msgspec.structs.replace(customer, email=None, metadata="{}", source=None, deleted_at=context.moment.now)
    await _report(tx, "customer.deleted", erased, context)
    for end in hooks.on_customer_deleted:
        await end(tx, erased, ids, context.moment.now)
    return True


def _rewritten(read: Customer, body: CustomerWrite, from_card: str | None = None, **card: object) -> Customer:
    """from_card: the mail address that came with a card, for a customer without one."""
    email = read.email or from_card if body.email is msgspec.UNSET else body.email
    return msgspec.structs.replace(read, email=email, metadata=metadata.merged(read.metadata, body.metadata), **card)


def _refusal(outcome: Outcome) -> ApiError:
    match outcome:
        case Declined(code):
            return DeclinedError(code)
        case NotSent():
            return NotSentError()
        case _:
            return NoAnswer()


async def _report(tx: Tx, type: str, customer: Customer, context: _AuditContext) -> None:
    owner, data = Owner(customer.merchant_id, customer.mode), msgspec.json.encode(CustomerOut.of(customer))
    await events.record(tx, owner, id=context.event_id, type=type, data=data, now=context.moment.now)
    if context.suspicious:
        await pan_screening.note(
            tx,
            context.vault,
            owner,
            id=context.event_id,
            at=context.moment.system_now,
            actor=context.actor,
            object_id=customer.id,
        )


async def abandon(services: Services, attempt: Attempt) -> None:
    """End a check whose owner died: it moved nothing, and the details it was about are gone with it."""
    if attempt.state == "prepared":
        await sending.drop_value(services, attempt)
    await services.db.write(_give_up, attempt, services.clock.now())


async def _give_up(tx: Tx, attempt: Attempt, now: int) -> None:
    if await attempts.finish(tx, attempt, NotSent(), now):
        await idempotency.store_response(tx, attempt.owner, attempt.idempotency_key, errors.answer(NotSentError()))
