"""The frame in a shop's page: who may show it, what it asks for, and paying from it.

Reading needs no key, as the session's own page does not; paying takes the shop's publishable key, and is taken from our
own origin alone.
"""

from urllib.parse import urlencode

from azukari.checkout import framing, pay_flow, reading, wording
from azukari.checkout import service as checkout
from azukari.checkout.http import Visit, page
from azukari.checkout.pay_flow import Press, language_of
from azukari.checkout.schemas import Went
from azukari.checkout.view import OrderSummary
from azukari.core.errors import ApiError, Forbidden, NotFound
from azukari.fields import pages
from azukari.fields.schemas import Error, Failed, PayIn
from azukari.merchants import origins
from azukari.sessions import page as sessions
from azukari.sessions.page import HostedSession
from azukari.sessions.pay import PageTry
from azukari.sessions.schemas import TryResult
from azukari.web.auth import Access, authenticate
from azukari.web.limits import Limiter
from azukari.wire.answers import Answer, Done


async def frame(visit: Visit) -> Answer:
    """``GET /fields/frame?session=&origin=``. Raises NotFound, Forbidden (not an origin of this shop's)."""
    opened = await _open(visit, visit.query.get("session", ""))
    origin, mode = visit.query.get("origin", ""), opened.owner.mode
    if not origins.admits(opened.settings, mode, origin):
        raise Forbidden
    order = reading.order_of(opened)
    html = pages.frame(
        language_of(visit, order),
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
    html = pages.back(language_of(visit, reading.order_of(opened)))
    return framing.framed(page(html), opened.settings, opened.owner.mode)


async def words_of(visit: Visit) -> Answer:
    """The frame's texts in a language, and what its script says; what a code says, where one is given.

    Raises NotFound.
    """
    order = reading.order_of(await _open(visit, visit.query.get("session", "")))
    language = language_of(visit, order)
    told = pages.told(language, order)
    if code := visit.query.get("code"):
        method = order.method(visit.query.get("method"))
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
    press = Press.of(visit, opened, given, _type_of(given))

    async def act() -> Done[TryResult]:
        return await press.pay(PageTry(press.consent(pages.reuse), asks=opened.session.kind != "customer"))

    done = await pay_flow.done_of(act)
    tried = done.view
    if not isinstance(tried, ApiError):
        return Answer.of(Went(tried.status, tried.redirect_url), done.answer.status)
    shown = wording.of_code(press.language, press.order, press.method, tried.code, tried.param, tried.status)
    return Answer.of(Failed.of(Error(tried.code, tried.message, tried.param), shown), tried.status)


def refused(visit: Visit, error: ApiError) -> Answer:
    """What the frame's script is told where there is nothing to try."""
    failed = Failed.of(Error(error.code, error.message, error.param), checkout.notice_of(visit, error))
    return Answer.of(failed, error.status)._replace(headers=dict(error.headers))


async def _open(visit: Visit, session_id: str) -> HostedSession:
    return await sessions.open_session(visit.services, session_id)


def _closed(opened: HostedSession) -> str | None:
    state = opened.state
    if state.status != "pending":
        return "already" if state.status == "completed" else "cancelled"
    return "expired" if state.expired else "too_many" if state.locked else None


def _default(visit: Visit, order: OrderSummary) -> str:
    """The language where nobody wishes for one."""
    return reading.language_of({}, visit.header(b"accept-language"), order.shop.languages, order.locale)


def _type_of(given: PayIn) -> str | None:
    """The type a try names; a token's is a card's."""
    if isinstance(given.payment_details, str):
        return "credit_card"
    return pay_flow.type_of(given.payment_details)
