"""The pages around a session's: instructions and their barcode, and in test mode the stand-ins for a wallet and an
issuer; and the way back from all of them.
"""

import base64
from typing import Any, Literal, cast
from urllib.parse import urlencode, urlsplit

import msgspec

from azukari.attempts import store as attempts
from azukari.checkout import framing, money, pages, reading
from azukari.checkout.http import Visit, page, redirect
from azukari.checkout.instructions_view import Instructions
from azukari.checkout.pages import Action
from azukari.checkout.schemas import BarcodeOut, DecideIn, PasswordIn, Redirect, SimulateIn, Tried
from azukari.checkout.view import Shop
from azukari.checkout.words import LANGUAGES, say, words
from azukari.core.clock import MINUTE, iso
from azukari.core.errors import ApiError, InvalidParameter, NotFound
from azukari.db import Owner, Tx, directory
from azukari.merchants.settings import MerchantSettings
from azukari.payment_methods import barcode
from azukari.payment_methods.catalogue import METHODS
from azukari.payments import reconcile, test_mode, views
from azukari.payments.views import PaymentView
from azukari.processors.simulator.processor import OffsitePage
from azukari.secure_tokens import challenges
from azukari.secure_tokens.pages import KIND
from azukari.secure_tokens.pages import PATH as CHALLENGE
from azukari.sessions import page as sessions
from azukari.sessions import resume as session_resume
from azukari.sessions import store as session_rows
from azukari.tokens import store as token_rows
from azukari.wire.answers import Answer, Replay
from azukari.wire.locales import language_named, nearest

_GOOD_FOR, _ASK_AGAIN = 10 * MINUTE, 3
#: The test passwords of the simulated issuer. Source: contract 16.2.
_PASSES, _FAILS = "123456", "111111"
#: What a cash payment's page says by its status; None: it waits for the money.
_OUTCOMES = {
    "pending": None, "authorized": None, "captured": "paid_in", "refunded": "paid_in", "cancelled": "cancelled",
    "failed": "request_failed",
}  # fmt: skip
_tried = msgspec.json.Decoder(Tried).decode
_Details = dict[str, Any]


async def _whose(visit: Visit, id: str, kind: str) -> tuple[Owner, MerchantSettings]:
    """Whose public thing it is, and how they show themselves. Raises NotFound."""
    owner = await visit.services.db.read(directory.find_public, id, kind, visit.services.modes_served)
    if owner is None:
        raise NotFound
    return owner, await visit.services.settings_of(owner)


def _language(visit: Visit, offered: tuple[str, ...], default: str | None = None) -> str:
    return reading.language_of(visit.query, visit.header(b"accept-language"), offered, default)


# Instructions.


async def instructions(visit: Visit) -> Answer:
    """How a cash payment is made. Raises NotFound."""
    payment_id, language = visit.given["payment"], nearest(visit.given["locale"], LANGUAGES)
    owner, settings = await _whose(visit, payment_id, "payment")
    shown, way_back = await visit.services.db.read(_payment, owner, payment_id)
    payment, details = shown.payment, _details(shown)
    if details.get("type") not in ("konbini", "bank_transfer", "pay_easy"):
        raise NotFound
    shop = reading.shop_of(settings, owner.mode)
    outcome = _OUTCOMES.get(payment.status, "no_late")
    waits = outcome is None and not shop.live
    slip = Instructions.of(
        language,
        shop,
        payment=payment.id,
        type=str(details["type"]),
        details=details,
        amount=payment.total,
        fee=payment.fee,
        currency=payment.currency,
        deadline=payment.deadline,
        outcome=outcome,
        barcode=_picture(details),
        return_to=way_back,
        tools=f"/{language}/instructions/{payment.id}/simulate" if waits else None,
    )
    hrefs = {locale: f"/{locale}/instructions/{payment.id}" for locale in LANGUAGES}
    return page(pages.instructions(language, slip, shop, slip.heading, hrefs, visit.mark(payment.id)))


async def _payment(tx: Tx, owner: Owner, payment_id: str) -> tuple[PaymentView, str | None]:
    """A payment, and where its shopper goes from its page."""
    shown = await views.show(tx, owner, payment_id)
    if shown.payment.session_id is None:
        return shown, reading.way_back(_return_url(shown))
    session = await session_rows.get(tx, owner, shown.payment.session_id)
    return shown, reading.way_back(session.return_url, session.id)


class _More(msgspec.Struct):
    return_url: str | None = None


def _return_url(shown: PaymentView) -> str | None:
    return msgspec.json.decode(shown.payment.more, type=_More).return_url if shown.payment.more else None


def _details(shown: PaymentView) -> _Details:
    return cast(_Details, msgspec.json.decode(shown.payment.details) or {})


def _picture(details: _Details) -> str | None:
    """The barcode of a payment whose store scans one; None: there is nothing to draw yet."""
    number = details.get("receipt")
    if not details.get("barcode_url") or not isinstance(number, str):
        return None
    return f"data:image/png;base64,{base64.b64encode(barcode.png(number)).decode()}"


async def barcode_of(visit: Visit) -> Answer:
    """``GET /api/v1/barcodes/{payment}``, open as its page is. Raises NotFound. Source: contract section 12."""
    payment_id = visit.given["payment"]
    owner, _ = await _whose(visit, payment_id, "payment")
    shown = await visit.services.db.read(views.show, owner, payment_id)
    details = _details(shown)
    if not details.get("barcode_url"):
        raise NotFound
    picture = _picture(details)
    if picture is None:
        return Answer.of(BarcodeOut("pending", retry_after=_ASK_AGAIN))
    return Answer.of(BarcodeOut("ready", iso(visit.now + _GOOD_FOR), picture))


async def simulate(visit: Visit) -> Answer:
    """A button of the test tools. Raises NotFound, InvalidParameter, Forbidden."""
    given, payment_id = visit.read(SimulateIn), visit.given["payment"]
    visit.must_be_ours(given.csrf, payment_id)
    if given.outcome not in ("paid", "expired", "failed"):
        raise InvalidParameter("outcome")
    owner, _ = await _whose(visit, payment_id, "payment")
    call = sessions.page_call(
        visit.services,
        owner,
        at=await visit.services.moment_of(owner),
        client=visit.client,
        request_id=visit.request_id,
    )
    out = await test_mode.simulate(call, payment_id, cast(Literal["paid", "expired", "failed"], given.outcome))
    return Answer.of({"status": out.status})


# A wallet's page.


async def _far_order(visit: Visit, owner: Owner) -> OffsitePage:
    now, order = await visit.services.time_of(owner), None
    if owner.mode == "test":
        order = visit.services.processors.simulator.order_of(visit.given["ref"], now)
    if order is None:
        raise NotFound
    return order


async def offsite(visit: Visit) -> Answer:
    """The simulator's wallet. Raises NotFound."""
    ref = visit.given["ref"]
    owner, settings = await _whose(visit, ref, "attempt")
    order = await _far_order(visit, owner)
    if order.state != "waiting":
        return redirect(order.return_url)
    shop = reading.shop_of(settings, owner.mode)
    language = _language(visit, shop.languages, order.locale)
    return page(
        pages.offsite(
            language,
            shop,
            method=METHODS[order.type].names.in_(language),
            stores=order.store,
            amount=money.parted(language, order.amount, order.currency) if order.amount else None,
            post=f"/offsite/{ref}",
            csrf=visit.mark(ref),
        )
    )


async def decide(visit: Visit) -> Answer:
    """What the shopper does there. Raises NotFound, InvalidParameter, Forbidden."""
    given, ref = visit.read(DecideIn), visit.given["ref"]
    visit.must_be_ours(given.csrf, ref)
    owner, _ = await _whose(visit, ref, "attempt")
    order = await _far_order(visit, owner)
    if given.decision not in ("approved", "declined", "insufficient", "leave"):
        raise InvalidParameter("decision")
    if given.decision != "leave":
        decision = cast(Literal["approved", "declined", "insufficient"], given.decision)
        visit.services.processors.simulator.decide(ref, decision, await visit.services.time_of(owner))
    return Answer.of(Redirect(order.return_url))


async def come_back(visit: Visit) -> Answer:
    """Back from somebody else's page: what became of it is asked now. Raises NotFound."""
    ref = visit.given["ref"]
    owner, settings = await _whose(visit, ref, "attempt")
    attempt = await visit.services.db.read(attempts.find_by_ref, owner, ref)
    if attempt is None:
        raise NotFound
    if attempt.session_id is not None:
        return await _to_session(visit, owner, attempt.session_id)
    shown = await reconcile.refresh(visit.services, owner, ref, by_shopper=True)
    way_back = reading.way_back(_return_url(shown))
    if way_back is not None:
        return redirect(way_back)
    shop = reading.shop_of(settings, owner.mode)
    language = _language(visit, shop.languages, shown.payment.locale)
    good = shown.payment.status in ("captured", "authorized")
    key = "done_pay" if good else "internal_server_error" if shown.payment.status == "pending" else "request_failed"
    return page(pages.notice(language, shop, words(language)[key], good=good))


async def _to_session(visit: Visit, owner: Owner, session_id: str) -> Answer:
    """To the session's page, which knows what comes next; a refusal goes along by its code."""
    call = sessions.page_call(
        visit.services,
        owner,
        at=await visit.services.moment_of(owner),
        client=visit.client,
        request_id=visit.request_id,
    )
    try:
        answer = await session_resume.resume(call, session_id)
    except Replay as replay:
        answer = replay.answer
    except ApiError as error:
        return redirect(_session_url(visit, session_id, error.code))
    tried = _tried(answer.body)
    return redirect(_session_url(visit, session_id, tried.error.code if tried.error else None))


def _session_url(visit: Visit, session_id: str, code: str | None) -> str:
    locale = language_named(visit.query.get("locale", ""))
    query = {"locale": locale if locale in LANGUAGES else None, "failed": code}
    known = urlencode({name: value for name, value in query.items() if value})
    return f"{visit.base_url}/sessions/{session_id}" + (f"?{known}" if known else "")


# An issuer's page.


async def challenge(visit: Visit) -> Answer:
    """The simulated issuer asks who is there. Raises NotFound."""
    token, state = visit.query.get("token", ""), visit.query.get("state", "")
    found = await challenges.challenge_of(visit.services, token, state)
    if found is None:
        raise NotFound
    if found.over and found.redirect_url:
        return await _for_fields(visit, token, redirect(found.redirect_url))
    shop = Shop(found.merchant, live=found.mode == "live")
    language = _language(visit, tuple(LANGUAGES))
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
    found = await challenges.find_address(visit.services, visit.given["token"])
    if found is None:
        raise NotFound
    owner, url = found
    shop = reading.shop_of(await visit.services.settings_of(owner), owner.mode)
    language = _language(visit, shop.languages)
    known, host = words(language), urlsplit(url).netloc
    there = [Action(known["go_there"], url)]
    return page(pages.notice(language, shop, say(language, "leaving", host=host), known["leaving_why"], there))


async def answer_challenge(visit: Visit) -> Answer:
    """What the shopper types there; its address says who comes. Raises NotFound, Forbidden, Unavailable."""
    given = visit.read(PasswordIn)
    found = await challenges.answer_challenge(visit.services, given.token, given.state, given.password)
    return Answer.of(Redirect(found.redirect_url, found.wrong))
