"""The frame in a shop's page: who may show it, what it asks for, and paying from it.

Reading needs no key, as the session's own page does not; paying takes the shop's publishable key, and is taken from our
own origin alone.
"""

from urllib.parse import urlencode

from azukari.checkout import framing, pay_flow, reading, wording
from azukari.checkout.http import Visit
from azukari.checkout.pay_flow import Press, language_of
from azukari.checkout.schemas import Error
from azukari.checkout.view import OrderSummary
from azukari.core.errors import ApiError, Forbidden, NotFound
from azukari.fields import pages
from azukari.fields.schemas import PayIn
from azukari.merchants import origins
from azukari.sessions import page as sessions
from azukari.sessions.page import HostedSession
from azukari.sessions.pay import PageTry
from azukari.sessions.schemas import TryResult
from azukari.web.auth import Access, authenticate
from azukari.web.limits import Limiter
from azukari.web.pages import page
from azukari.wire.answers import Answer, Done


async def frame(visit: Visit) -> Answer:
    """``GET /fields/frame?session=&origin=``. Raises NotFound, Forbidden (not an origin of this shop's)."""
    opened = await _open(visit, visit.query.get("session", ""))
    origin, mode = visit.query.get("origin", ""), opened.owner.mode
    if not origins.admits(opened.settings, mode, origin):
        raise Forbidden
    summary = reading.summary_of(opened)
    html = pages.frame(
        language_of(visit, summary),
        summary,
        default=_default(visit, summary),
        origin=origin,
        now=opened.at.now,
        closed=_closed(opened),
        required=opened.settings.three_d_secure.get(mode) == "required",
        back=f"{visit.base_url}{framing.RETURN}?{urlencode({'session_id': summary.id})}",
    )
    return framing.framed(page(html), opened.settings, mode)


async def come_back(visit: Visit) -> Answer:
    """Back from a challenge, in the dialog of the element. Raises NotFound."""
    opened = await _open(visit, visit.query.get("session_id", ""))
    html = pages.back(language_of(visit, reading.summary_of(opened)))
    return framing.framed(page(html), opened.settings, opened.owner.mode)


async def words_of(visit: Visit) -> Answer:
    """The frame's texts in a language, and what its script says; what a code says, where one is given.

    Raises NotFound.
    """
    summary = reading.summary_of(await _open(visit, visit.query.get("session", "")))
    language = language_of(visit, summary)
    data = pages.script_data(language, summary)
    if code := visit.query.get("code"):
        method = summary.method(visit.query.get("method"))
        data["shown"] = wording.of_code(language, summary, method, code, visit.query.get("param"))
    return Answer.of(data)


async def pay(visit: Visit, limiter: Limiter) -> Answer:
    """One press of the shop's button; the same press again is answered alike.

    Raises Unauthorized, Forbidden (not our frame, or a secret key), NotFound, TooManyRequests.
    """
    form = visit.read(PayIn)
    key = await authenticate(
        visit.headers.get(b"authorization"), Access.PUBLISHABLE, visit.client, visit.services.api_keys
    )
    if key.is_secret:
        raise Forbidden
    limiter.count(key, visit.client)
    opened = await _open(visit, form.session)
    if opened.owner != key.owner:
        raise NotFound
    press = Press.of(visit, opened, form, _type_of(form))

    async def act() -> Done[TryResult]:
        return await press.pay(PageTry(press.consent(pages.reuse), asks=opened.session.kind != "customer"))

    done = await pay_flow.done_of(act)
    result = pay_flow.result_of(done.view, press.language, press.summary, press.method)
    return Answer.of(result, done.answer.status)


def refused(visit: Visit, error: ApiError) -> Answer:
    """What the frame's script is told where there is nothing to try."""
    return pay_flow.refusal(visit, error, Error(error.code, error.message, error.param))


async def _open(visit: Visit, session_id: str) -> HostedSession:
    return await sessions.open_session(visit.services, session_id)


def _closed(opened: HostedSession) -> str | None:
    state = opened.state
    if state.status != "pending":
        return "already" if state.status == "completed" else "cancelled"
    return "expired" if state.expired else "too_many" if state.locked else None


def _default(visit: Visit, summary: OrderSummary) -> str:
    """The language where nobody wishes for one."""
    return reading.language_of({}, visit.header(b"accept-language"), summary.shop.languages, summary.locale)


def _type_of(form: PayIn) -> str | None:
    """The type a try names; a token's is a card's."""
    if isinstance(form.payment_details, str):
        return "credit_card"
    return pay_flow.type_of(form.payment_details)
