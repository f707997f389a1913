"""The frame in a shop's page: who may show it, what it asks for, and paying from it.

Reading needs no key, as the session's own page does not; paying takes the shop's publishable key, and is taken from our
own origin alone.
"""

from urllib.parse import urlencode

import msgspec

from azukari.checkout import framing, reading, view, wording
from azukari.checkout import service as checkout
from azukari.checkout.http import Visit, page
from azukari.checkout.schemas import Went
from azukari.checkout.view import Method, OrderSummary
from azukari.core.errors import ApiError, Forbidden, InvalidParameter, NotFound
from azukari.fields import pages
from azukari.fields.schemas import Error, Failed, PayIn, Tried
from azukari.merchants import origins
from azukari.sessions import page as sessions
from azukari.sessions import pay as session_pay
from azukari.sessions.page import HostedSession
from azukari.sessions.pay import PageTry
from azukari.sessions.schemas import SessionPay, pay_error
from azukari.web.auth import Access, authenticate
from azukari.web.limits import Limiter
from azukari.wire import errors
from azukari.wire.answers import Answer, Replay

_tried = msgspec.json.Decoder(Tried).decode


async def frame(visit: Visit) -> Answer:
    """``GET /fields/frame?session=&origin=``. Raises NotFound, Forbidden (not an origin of this shop's)."""
    opened = await _open(visit, visit.query.get("session", ""))
    origin, mode = visit.query.get("origin", ""), opened.owner.mode
    if not origins.admits(opened.settings, mode, origin):
        raise Forbidden
    order = reading.order_of(opened)
    html = pages.frame(
        _language(visit, order),
        order,
        default=_default(visit, order),
        origin=origin,
        now=opened.at.now,
        closed=_closed(opened),
        required=opened.settings.three_d_secure.get(mode) == "required",
        back=f"{visit.base_url}{framing.RETURN}?{urlencode({'session_id': order.id})}",
    )
    return framing.framed(page(html), opened.settings, mode)


async def come_back(visit: Visit) -> Answer:
    """Back from a challenge, in the dialog of the element. Raises NotFound."""
    opened = await _open(visit, visit.query.get("session_id", ""))
    html = pages.back(_language(visit, reading.order_of(opened)))
    return framing.framed(page(html), opened.settings, opened.owner.mode)


async def words_of(visit: Visit) -> Answer:
    """The frame's texts in a language, and what its script says; what a code says, where one is given.

    Raises NotFound.
    """
    order = reading.order_of(await _open(visit, visit.query.get("session", "")))
    language = _language(visit, order)
    told = pages.told(language, order)
    if code := visit.query.get("code"):
        method = _method(order, visit.query.get("method"))
        told["shown"] = wording.of_code(language, order, method, code, visit.query.get("param"))
    return Answer.of(told)


async def pay(visit: Visit, limiter: Limiter) -> Answer:
    """One press of the shop's button; the same press again is answered alike.

    Raises Unauthorized, Forbidden (not our frame, or a secret key), NotFound, TooManyRequests.
    """
    given = visit.read(PayIn)
    key = await authenticate(
        visit.headers.get(b"authorization"), Access.PUBLISHABLE, visit.client, visit.services.keyring
    )
    if key.is_secret:
        raise Forbidden
    limiter.count(key, visit.client)
    opened = await _open(visit, given.session)
    if opened.owner != key.owner:
        raise NotFound
    order = reading.order_of(opened)
    language = _language(visit, order, given.locale)
    method = _method(order, _type_of(given))
    call = sessions.page_call(
        visit.services,
        opened.owner,
        at=opened.at,
        client=visit.client,
        request_id=visit.request_id,
        nonce=f"{given.session}:{given.nonce}",
        body=visit.body,
    )
    wanted = SessionPay(payment_details=given.payment_details, api_locale=language if language != "zh" else None)
    try:
        agreed = _agreed(order, given, language)
        consent = (
            sessions.agreed(call, text=agreed, version=view.CONSENT_VERSION, language=language) if agreed else None
        )
        answer = await session_pay.pay(
            call, given.session, wanted, page=PageTry(consent, asks=opened.session.kind != "customer")
        )
    except Replay as replay:
        answer = replay.answer
    except ApiError as error:
        answer = pay_error(error)
    tried = _tried(answer.body)
    if tried.error is None:
        return Answer.of(Went(tried.status, tried.redirect_url or ""), answer.status)
    shown = wording.of_code(language, order, method, tried.error.code, tried.error.param, answer.status)
    return Answer.of(Failed.of(tried.error, shown), answer.status)


def refused(visit: Visit, error: ApiError) -> Answer:
    """What the frame's script is told where there is nothing to try."""
    told = msgspec.json.decode(checkout.refused_in_json(visit, error).body)
    out = errors.out(error)
    failed = Failed(Error(out.code, out.message, out.param), told["at"], told["h"], told["p"])
    return Answer.of(failed, error.status)._replace(headers=dict(error.headers))


async def _open(visit: Visit, session_id: str) -> HostedSession:
    return await sessions.open_session(visit.services, session_id)


def _closed(opened: HostedSession) -> str | None:
    state = opened.state
    if state.status != "pending":
        return "already" if state.status == "completed" else "cancelled"
    return "expired" if state.expired else "too_many" if state.locked else None


def _language(visit: Visit, order: OrderSummary, wish: str = "") -> str:
    query = {"locale": wish} if wish else visit.query
    return reading.language_of(query, visit.header(b"accept-language"), order.shop.languages, order.locale)


def _default(visit: Visit, order: OrderSummary) -> str:
    """The language where nobody wishes for one."""
    return reading.language_of({}, visit.header(b"accept-language"), order.shop.languages, order.locale)


def _method(order: OrderSummary, type: str | None) -> Method | None:
    return next((method for method in order.methods if method.type == type), None)


def _type_of(given: PayIn) -> str | None:
    """The type a try names; a token's is a card's."""
    if isinstance(given.payment_details, str):
        return "credit_card"
    type = given.payment_details.get("type") if isinstance(given.payment_details, dict) else None
    return type if isinstance(type, str) else None


def _agreed(order: OrderSummary, given: PayIn, language: str) -> str | None:
    """The sentence the shopper has agreed to: ours, word for word. Raises InvalidParameter."""
    method = _method(order, _type_of(given))
    if not order.saves or method is None:
        return None
    text = pages.reuse(language, order, method)
    if given.consent is None or given.consent.text != text or given.consent.version != view.CONSENT_VERSION:
        raise InvalidParameter("consent")
    return text
