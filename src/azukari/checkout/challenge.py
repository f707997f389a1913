"""The page that stands in for an issuer's in test mode, and the one before an address that no merchant registered."""

from urllib.parse import urlencode, urlsplit

from azukari.checkout import framing, money, pages, reading
from azukari.checkout.http import Visit, redirect
from azukari.checkout.messages import LANGUAGES, messages, say
from azukari.checkout.pages import Action
from azukari.checkout.schemas import PasswordIn, Redirect
from azukari.checkout.view import Shop
from azukari.core.errors import NotFound
from azukari.db import directory
from azukari.secure_tokens import challenges
from azukari.secure_tokens.pages import KIND
from azukari.secure_tokens.pages import PATH as CHALLENGE
from azukari.tokens import store as token_rows
from azukari.web.pages import page
from azukari.wire.answers import Answer

#: The test passwords of the simulated issuer. Source: contract 16.2.
_PASSES, _FAILS = "123456", "111111"


async def show(visit: Visit) -> Answer:
    """The simulated issuer asks who is there. Raises NotFound."""
    token, state = visit.query.get("token", ""), visit.query.get("state", "")
    found = await challenges.challenge_of(visit.services, token, state)
    if found is None:
        raise NotFound
    if found.over and found.redirect_url:
        return await _for_fields(visit, token, redirect(found.redirect_url))
    shop = Shop(found.merchant, live=found.mode == "live")
    language = visit.language(tuple(LANGUAGES))
    hint = None if shop.live else say(language, "tds_test", good=_PASSES, bad=_FAILS)
    query = {"token": token, "state": state}
    html = pages.challenge(
        language,
        shop,
        last4=found.last4,
        hint=hint,
        post=CHALLENGE,
        token=token,
        state=state,
        amount=money.parted(language, found.amount, found.currency) if found.amount else None,
        hrefs={locale: "?" + urlencode({**query, "locale": locale}) for locale in LANGUAGES},
    )
    return await _for_fields(visit, token, page(html))


async def _for_fields(visit: Visit, token_id: str, answer: Answer) -> Answer:
    """A challenge that began in a shop's page may be shown there; any other stands alone."""
    owner = await visit.services.db.read(directory.find_public, token_id, KIND, visit.services.modes_served)
    token = None if owner is None else await visit.services.db.read(token_rows.find, owner, token_id)
    if token is None or not (token.return_url or "").startswith(f"{visit.base_url}{framing.RETURN}?"):
        return answer
    return framing.framed(answer, await visit.services.settings_of(token.owner), token.mode)


async def leave(visit: Visit) -> Answer:
    """Asks before an address that a publishable key has named and no merchant registered. Raises NotFound."""
    found = await challenges.find_address(visit.services, visit.path_params["token"])
    if found is None:
        raise NotFound
    owner, url = found
    shop = reading.shop_of(await visit.services.settings_of(owner), owner.mode)
    language = visit.language(shop.languages)
    known, host = messages(language), urlsplit(url).netloc
    there = [Action(known["go_there"], url)]
    return page(pages.notice(language, shop, say(language, "leaving", host=host), known["leaving_why"], there))


async def answer(visit: Visit) -> Answer:
    """What the shopper types there; its address says who comes. Raises NotFound, Forbidden, Unavailable."""
    form = visit.read(PasswordIn)
    found = await challenges.answer_challenge(visit.services, form.token, form.state, form.password)
    return Answer.of(Redirect(found.redirect_url, found.wrong))
