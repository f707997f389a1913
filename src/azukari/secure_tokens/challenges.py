"""The challenge: a shopper shows the issuer who is there, at an address that is good once."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from azukari.core.clock import SECOND
from azukari.core.errors import NotFound, Unavailable
from azukari.core.secret import Secret
from azukari.db import Owner, Tx, directory
from azukari.secure_tokens import outcomes
from azukari.secure_tokens.pages import KIND, Pages
from azukari.tokens import store
from azukari.tokens.store import Token
from azukari.vault import EntryGone, Masked, Vault
from azukari.wiring import Services

_LONGEST_ANSWER = 100
#: So often an issuer is told that its challenge was opened, in so long: whoever knows the address may open it.
OPENED, OPENED_IN = 3, 6 * SECOND


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the page of a challenge shows.

    amount: in the currency's smallest unit. over: nothing is to be typed any more; the shopper goes to redirect_url.
    """

    merchant: str
    amount: int
    currency: str
    brand: str
    last4: str
    mode: str
    over: bool = False
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True)
class ChallengeResult:
    """What came of an answer: where the shopper goes next, or that it was wrong and may be tried again."""

    redirect_url: str | None
    wrong: bool = False


class _Visit(NamedTuple):
    token: Token
    card: Masked


async def challenge_of(services: Services, token_id: str, state: str) -> Challenge | None:
    """The challenge behind an address; None: there is none, or its address has been used.

    Opening it is told to the issuer, who may end it there and then.
    """
    visit = await services.db.read(_visit, services.vault, Pages.of(services), token_id, state, services.modes_served)
    if visit is None:
        return None
    token, card = visit
    shop = await services.settings_of(token.owner)
    seen = Challenge(shop.name, token.amount or 0, token.currency or "", card.brand, card.last4, token.mode)
    if token.verification_at(await services.moment_of(token.owner)) == "EXPIRED":
        return _over(services, seen, token)
    if not services.counts.admits(f"challenge {token.id}", OPENED, OPENED_IN):
        return seen
    result = await outcomes.finish(services, token, None)
    # An issuer that is away may be back when the shopper has typed.
    if result is None or result.status == "CHALLENGE":
        return seen
    ended = await outcomes.record_result(services, token, result)
    return None if ended.out is None else _over(services, seen, token)


def _over(services: Services, seen: Challenge, token: Token) -> Challenge:
    return replace(seen, over=True, redirect_url=Pages.of(services).way_back(token))


async def answer_challenge(services: Services, token_id: str, state: str, password: str) -> ChallengeResult:
    """What a shopper typed, told to the issuer. The third wrong password ends it.

    Raises NotFound (no such challenge, or its address has been used), Unavailable (the issuer does not answer).
    """
    visit = await services.db.read(_visit, services.vault, Pages.of(services), token_id, state, services.modes_served)
    if visit is None:
        raise NotFound
    token = visit.token
    if token.verification_at(await services.moment_of(token.owner)) == "EXPIRED":
        return ChallengeResult(Pages.of(services).way_back(token))
    result = await outcomes.finish(services, token, Secret(password[:_LONGEST_ANSWER]))
    if result is None:
        raise Unavailable
    if result.status == "CHALLENGE":
        return ChallengeResult(None, wrong=True)
    ended = await outcomes.record_result(services, token, result)
    if ended.out is None:
        raise NotFound
    return ChallengeResult(Pages.of(services).way_back(token))


async def find_address(services: Services, token_id: str) -> tuple[Owner, str] | None:
    """Whose shopper is to be shown an address before going there, and which; None: nobody is."""
    owner = await services.db.read(directory.find_public, token_id, KIND)
    token = None if owner is None else await services.db.read(store.find, owner, token_id)
    url = None if token is None else Pages.of(services).shown_first(token)
    return None if owner is None or url is None else (owner, url)


async def _visit(
    tx: Tx, vault: Vault, pages: Pages, token_id: str, state: str, modes: Collection[str]
) -> _Visit | None:
    owner = await directory.find_public(tx, token_id, KIND, modes)
    token = None if owner is None else await store.find(tx, owner, token_id)
    if token is None or not pages.admits(token, state):
        return None
    try:
        return _Visit(token, (await vault.find(tx, token.owner, token.entry_id or "")).masked)
    except EntryGone:
        return None
