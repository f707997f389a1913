"""Authenticating shoppers: written down, asked of the issuer, written down. No money moves here."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from azukari.attempts.store import GRACE
from azukari.core.clock import HOUR, Moment
from azukari.core.errors import Conflict, InvalidToken, MissingParameter, NotFound
from azukari.customers import grants
from azukari.customers import store as customers
from azukari.db import Owner, Tx, directory
from azukari.payment_methods.details import is_method
from azukari.processors.base import AuthenticationRequest, AuthenticationResult, Processor
from azukari.processors.methods import CREDIT_CARD
from azukari.secure_tokens import outcomes, proof
from azukari.secure_tokens.errors import NotACard, NotGranted, NothingToVerify, TwoSources, UnsupportedCardBrand
from azukari.secure_tokens.pages import KIND, Pages
from azukari.secure_tokens.schemas import SecureTokenCreate, SecureTokenOut
from azukari.tokens import sources as tokens
from azukari.tokens import store
from azukari.tokens.schemas import TokenDetails
from azukari.tokens.sources import CardSource, PaymentSource
from azukari.tokens.store import Token
from azukari.vault import AccessGrant, EntryGone, Masked, PaymentDetails, SealedEntry, Vault
from azukari.wire import idempotency, return_targets
from azukari.wire.answers import Answer, Replay
from azukari.wire.call import Call
from azukari.wire.idempotency import Claim, KeyReused, idempotent
from azukari.wiring import Services

PUBLIC = "secure_token"
_LONGEST_ANSWER = 100
#: How often in an hour pages may have one customer's saved card verified.
_MOST_FROM_PAGES = 3


async def create(call: Call, body: SecureTokenCreate) -> Answer:
    """Authenticate the shopper behind a card, or behind a customer's saved card, for one amount.

    Answers ``OK``, ``SKIPPED`` or ``ERRORED``, or ``NEEDS_VERIFY`` with the address the shopper has to go to.
    Raises MissingParameter, InvalidParameter, UnsupportedCardBrand, NotFound (no such customer), NothingToVerify,
    InvalidToken; with a publishable key also NotGranted, TooManyRequests. Source: contract section 9.
    """
    source = _source(call, body)
    if body.customer is not None and not call.is_secret:
        await _hold_to_grant(call, body.customer, body.customer_grant or "")
    wanted = AuthenticationTerms(body.amount + (body.tax or 0), body.currency, await _way_back(call, body.return_url))
    try:
        token, out = await _authenticate(call, call.claim, source, body.customer, wanted)
    except Replay as replay:
        out = replay.read(SecureTokenOut)
        await proof.show_if_possible(call, out)
        raise Replay(Answer.of(out)) from None
    out = out or Pages.of(call.services).show(token, await call.services.moment_of(call.owner))
    await proof.show_if_possible(call, out)
    return Answer.of(out)


async def _hold_to_grant(call: Call, customer_id: str, grant: str) -> None:
    """Whom a page may have asked for a password, and how often. Raises NotGranted, TooManyRequests."""
    if not grants.holds(call.vault, call.owner, customer_id, grant, call.system_now):
        raise NotGranted
    # A repeat asks nobody.
    if call.claim is None or not await call.db.read(idempotency.is_known, call.owner, call.claim):
        name = f"authentications {call.owner.merchant_id} {call.owner.mode} {customer_id}"
        call.services.counts.count_named(name, _MOST_FROM_PAGES, HOUR)


async def _way_back(call: Call, url: str) -> str:
    """The address to keep: this one, or ours that shows it first. Raises UnknownApp, UnknownPlace."""
    settings = await call.services.settings_of(call.owner)
    if call.is_secret:
        return_targets.hold_to_apps(settings, url)
        return url
    pages = Pages.of(call.services)
    straight = return_targets.goes_straight(settings, call.owner.mode, pages.base_url, url)
    # An address of ours, but made up elsewhere: it is none to be kept as it is.
    return url if straight and not pages.asks(url) else pages.asking_first(url)


def _source(call: Call, body: SecureTokenCreate) -> PaymentSource | None:
    if body.payment_details is not None and body.customer is not None:
        raise TwoSources
    if is_method(body.payment_details):
        raise NotACard
    if body.payment_details is not None:
        source = tokens.read(body.payment_details, call.now)
        if not isinstance(source, str) and source.type != CREDIT_CARD:
            raise NotACard
        return source
    if body.customer is None:
        raise MissingParameter("payment_details")
    return None


async def begin_for_session(
    call: Call,
    source: PaymentSource,
    *,
    amount: int,
    currency: str,
    return_url: str,
    made_for: str,
    without: bool = False,
) -> SecureTokenOut:
    """The same for a session. amount: tax included. made_for: the session's try, by any name of the session's own.
    without: it goes on without a bank that could not be asked, as without one that takes no part: ``SKIPPED``.

    Asked again for the same try it gives the same token, as it stands by then: ``CREATED`` when the first is still
    being asked. A token that was given is used up; the card and its verification value wait with the secure token,
    whose id is then paid with. Raises UnsupportedCardBrand (go on without), InvalidToken.
    """
    wanted = AuthenticationTerms(amount, currency, return_url, made_for, without)
    token, _ = await _authenticate(call, None, source, None, wanted)
    return Pages.of(call.services).show(token, await call.services.moment_of(call.owner))


async def read(call: Call, token_id: str) -> SecureTokenOut:
    """The owner's secure token, with what proves it where the caller may read that. Raises NotFound, Unavailable."""
    out = await show(call.services, call.owner, token_id)
    await proof.show(call, out)
    return out


async def show(services: Services, owner: Owner, token_id: str) -> SecureTokenOut:
    """The owner's secure token. Raises NotFound."""
    token = await services.db.read(store.find, owner, token_id)
    if token is None or token.verification is None:
        raise NotFound
    return Pages.of(services).show(token, await services.moment_of(owner))


class AuthenticationTerms(NamedTuple):
    """What a shopper is asked to agree to. total: tax included. without: see :func:`begin_for_session`."""

    total: int
    currency: str
    return_url: str
    made_for: str | None = None
    without: bool = False


@dataclass(frozen=True, slots=True)
class _AuthenticationDraft:
    """An authentication before its card has been looked at. source: None for a customer's saved card."""

    token: Token
    source: PaymentSource | None
    sealed: SealedEntry | None
    brands: frozenset[str]
    actor: str
    audit_id: str
    moment: Moment


class _AuthenticationIntent(NamedTuple):
    """A token whose authentication is written down."""

    token: Token
    use: AccessGrant


class _AlreadyMade(Exception):
    """There is a secure token for what this one was to be made for."""


async def _authenticate(
    call: Call, claim: Claim | None, source: PaymentSource | None, customer: str | None, wanted: AuthenticationTerms
) -> tuple[Token, SecureTokenOut | None]:
    """The token as it ends, and what was answered of it; None: it was made, or has ended, elsewhere."""
    services, processor = call.services, call.services.processors.pick(call.owner)
    brands = processor.can.authenticates
    if isinstance(source, PaymentDetails):
        _check_brand(source.masked, brands)
    await call.vault.ready(call.owner)
    sealed = await _sealed(call, source)
    token = _new(call, processor, sealed, source, customer, wanted)
    draft = _AuthenticationDraft(token, source, sealed, brands, call.actor, call.new_id(), call.moment)
    try:
        # Write down who is about to be authenticated: a crash below leaves a token that ends by itself.
        intent = await call.db.write(_begin, claim, call.owner, call.vault, draft, Pages.of(services))
    except (Replay, Conflict, KeyReused, _AlreadyMade) as known:
        if sealed is not None:
            # This request keeps nothing: what it brought goes now, and not with the next sweep.
            await call.vault.shred(call.owner, sealed.id)
        if isinstance(known, _AlreadyMade):
            return await _made_for(call, wanted.made_for or ""), None
        raise
    # Ask. No transaction is open: issuers take seconds.
    order = AuthenticationRequest(
        call.owner, token.ref or "", wanted.total, wanted.currency, intent.use, call.directives
    )
    result = await outcomes.ask(processor, order) or AuthenticationResult("ERRORED")
    if wanted.without and result.could_not_be_asked:
        result = AuthenticationResult("SKIPPED", result.three_ds)
    # Write down what came of it, together with the answer that is repeated.
    ended = await outcomes.record_result(services, intent.token, result)
    return ended.token, ended.out


async def _sealed(call: Call, source: PaymentSource | None) -> SealedEntry | None:
    if not isinstance(source, PaymentDetails):
        return None
    sealed = await call.vault.seal(call.owner, source)
    if source.verification_value is not None:
        await call.vault.keep_verification_value(call.owner, sealed.id, source.verification_value)
    return sealed


def _new(
    call: Call,
    processor: Processor,
    sealed: SealedEntry | None,
    source: PaymentSource | None,
    customer: str | None,
    wanted: AuthenticationTerms,
) -> Token:
    """The row as it begins; of a token or a customer what is missing is read with them."""
    raw = source if isinstance(source, PaymentDetails) else None
    return Token(
        merchant_id=call.owner.merchant_id,
        mode=call.owner.mode,
        id=call.services.ids.token(),
        entry_id="" if sealed is None else sealed.id,
        currency=wanted.currency,
        details="null" if raw is None else msgspec.json.encode(TokenDetails.of(raw)).decode(),
        email=None if raw is None else raw.email,
        has_verification_value=int(raw is not None and raw.verification_value is not None),
        created_at=call.now,
        expires_at=call.now + store.LIFE,
        verification="CREATED",
        amount=wanted.total,
        customer_id=customer,
        return_url=wanted.return_url,
        state_seed=call.services.ids.ref(),
        processor=processor.name,
        ref=call.services.ids.ref(),
        has_authentication_value=0,
        open_until=call.system_now + processor.can.timeout + GRACE,
        made_for=wanted.made_for,
    )


def _check_brand(card: Masked, brands: frozenset[str]) -> None:
    if card.brand not in brands:
        raise UnsupportedCardBrand


async def _made_for(call: Call, purpose: str) -> Token:
    made = await call.db.read(store.find_made_for, call.owner, purpose)
    if made is None:
        raise Conflict  # it went away between the two
    return made


@idempotent
async def _begin(
    tx: Tx, claim: Claim | None, owner: Owner, vault: Vault, draft: _AuthenticationDraft, pages: Pages
) -> _AuthenticationIntent:
    """T1: the token, ``CREATED``, and the audit line of its card's use.

    Raises NotFound (no such customer), NothingToVerify, InvalidToken, UnsupportedCardBrand, _AlreadyMade.
    """
    moment, purpose = draft.moment, draft.token.made_for
    if purpose is not None and await store.find_made_for(tx, owner, purpose) is not None:
        raise _AlreadyMade
    token, use = await _look(tx, owner, vault, draft)
    _check_brand(use.masked, draft.brands)
    if claim is not None:
        token = msgspec.structs.replace(token, idempotency_key=claim.key)
    await idempotency.take(tx, owner, claim, lambda: Answer.of(pages.show(token, moment)))
    if draft.sealed is not None:
        await vault.add(tx, owner, draft.sealed, moment.system_now)
    elif isinstance(draft.source, str):
        # Its card is the secure token's from now on, which sees to it that it is shredded one day.
        await store.redeem(tx, owner, draft.source, moment, token.id)
        await store.claim_for_customer(tx, owner, draft.source)
    if not await store.save_once(tx, token):
        raise _AlreadyMade  # by a moment
    await directory.publish(tx, owner, token.id, KIND)
    await vault.audit_access(
        tx,
        use,
        action="authenticate",
        object_id=token.id,
        actor=draft.actor,
        now=moment.system_now,
        audit_id=draft.audit_id,
    )
    return _AuthenticationIntent(token, use)


async def _look(tx: Tx, owner: Owner, vault: Vault, draft: _AuthenticationDraft) -> tuple[Token, AccessGrant]:
    """The token with what its card says, and the card. Reads only."""
    token, source = draft.token, draft.source
    if isinstance(source, PaymentDetails):
        return token, vault.grant_unsaved(owner, source)
    if source is not None:
        card = await tokens.resolve(tx, vault, owner, source, token.created_at, token.currency)
        if not isinstance(card, CardSource) or card.token is None or card.token.verification is not None:
            raise InvalidToken
        changes = {
            name: getattr(card.token, name) for name in ("entry_id", "details", "email", "has_verification_value")
        }
        return msgspec.structs.replace(token, **changes), card.use
    customer = await customers.get(tx, owner, token.customer_id or "")
    if customer.entry_id is None:
        raise NothingToVerify
    try:
        use = await vault.find(tx, owner, customer.entry_id)
    except EntryGone:
        raise NothingToVerify from None
    if use.masked.type != CREDIT_CARD:
        raise NothingToVerify
    # The customer keeps the card: no sweep of tokens may shred it.
    return msgspec.structs.replace(token, entry_id=customer.entry_id, email=customer.email, adopted=1), use
