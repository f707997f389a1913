"""The session's page: which one is shown, and what its script asks for."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from msgspec import UNSET

from azukari.checkout import pages, pay_flow, reading, view, wording
from azukari.checkout.http import Visit, redirect
from azukari.checkout.messages import LANGUAGES, messages, say
from azukari.checkout.pages import Action
from azukari.checkout.pay_flow import Press, language_of
from azukari.checkout.schemas import Error, PayIn, ResumeIn, Went
from azukari.checkout.view import Method, OrderSummary
from azukari.core.clock import MINUTE
from azukari.core.errors import ApiError, NotFound, TooManyRequests
from azukari.secure_tokens.pages import PATH as CHALLENGE
from azukari.sessions import page as sessions
from azukari.sessions import resume as session_resume
from azukari.sessions.page import HostedSession, SessionState
from azukari.sessions.pay import PageTry
from azukari.sessions.schemas import TryResult
from azukari.web.limits import Limiter
from azukari.web.pages import page
from azukari.wire import errors
from azukari.wire.answers import Answer, Done
from azukari.wire.return_urls import with_query

#: So long after its end a session says that it is done; later, that it has been done before.
_FRESH = MINUTE
#: The API declines with 502 and 504. To proxies on the way to a browser these mean a broken server, and some put a page
#: of their own in the place of ours.
_DECLINES, _STATUS_OF_NO = (502, 504), 422


async def show(visit: Visit) -> Answer:
    """The page at a session's address. Raises NotFound."""
    opened = await sessions.open_session(visit.services, visit.path_params["id"])
    summary = reading.summary_of(opened)
    language = language_of(visit, summary)
    state = opened.state
    if state.status != "pending" or state.expired or state.locked:
        return _over(visit, opened, summary, language)
    again = "again" in visit.query
    away = state.redirect_url or _challenge(opened)
    if away and not again:
        return page(
            pages.notice(
                language,
                summary.shop,
                messages(language)["tds_mid"],
                None,
                [
                    Action(messages(language)["proceed"], _away(visit, away, language)),
                    Action(messages(language)["restart"], f"?locale={language}&again=1"),
                ],
            )
        )
    # A prepaid card with too little on it waits for another number, and there is nothing to finish.
    short = reading.fell_short(opened) and not state.busy
    code = visit.query.get("failed")
    if short and not again and not code:
        code = wording.SHORT if summary.received else "insufficient_funds"
    failed = wording.of_code(language, summary, summary.first, code) if code else None
    if failed is not None and failed.at == wording.PAGE:
        return page(pages.notice(language, summary.shop, failed.h, failed.p, _ways_back(summary, language)))
    return page(
        pages.session(
            language,
            summary,
            csrf=visit.mark(summary.id),
            now=opened.at.now,
            secure=visit.base_url.startswith("https:"),
            resume=(state.busy or state.next == "resume") and not again and not short,
            failed=failed if failed is not None and failed.at == wording.ALERT else None,
            code=code,
        )
    )


def _ways_back(summary: OrderSummary, language: str) -> list[Action]:
    return [Action(say(language, "back", shop=summary.shop.name), summary.return_to)] if summary.return_to else []


def _away(visit: Visit, url: str, language: str) -> str:
    """Where the shopper goes on; a page of ours that stands in for another's speaks the language of this one."""
    ours = tuple(f"{visit.base_url}{path}" for path in ("/offsite/", f"{CHALLENGE}?"))
    return with_query(url, "locale", language) if url.startswith(ours) else url


def _challenge(opened: HostedSession) -> str | None:
    token = opened.secure_token
    waits = opened.state.next == "resume" and token is not None and token.verification_status == "NEEDS_VERIFY"
    return token.authentication_url or None if waits and token is not None else None


def _over(visit: Visit, opened: HostedSession, summary: OrderSummary, language: str) -> Answer:
    """A session that takes no try any more."""
    state, known = opened.state, messages(language)
    actions = _ways_back(summary, language)
    if state.status == "completed":
        if state.next == "instructions" and opened.payment is not None:
            return redirect(f"{visit.base_url}/{language}/instructions/{opened.payment.payment.id}")
        if opened.at.now - (opened.session.completed_at or 0) > _FRESH:
            return page(pages.notice(language, summary.shop, known["already"], None, actions, good=True))
        lead = say(language, "returning", shop=summary.shop.name) if summary.return_to else None
        heading = known["done_pay" if summary.pays else "done_save"]
        return page(pages.notice(language, summary.shop, heading, lead, actions, good=True, leave=summary.return_to))
    if state.status == "cancelled":
        return page(pages.notice(language, summary.shop, known["cancelled"], None, actions))
    if state.expired:
        return page(pages.notice(language, summary.shop, known["expired"], None, actions))
    return page(pages.notice(language, summary.shop, known["too_many"], known["ask_shop"], actions))


async def reload(visit: Visit) -> Answer:
    """A form sent without a script, by a browser too old to be told: nothing of it is read."""
    return redirect(f"{visit.base_url}/sessions/{quote(visit.path_params['id'], safe='')}")


async def state(visit: Visit) -> Answer:
    """How the session stands. Raises NotFound."""
    found: SessionState = await sessions.state(visit.services, visit.path_params["id"])
    return Answer.of(found)


async def words_of(visit: Visit) -> Answer:
    """The page's texts in a language, and what its script says. Raises NotFound."""
    opened = await sessions.open_session(visit.services, visit.path_params["id"])
    summary = reading.summary_of(opened)
    language = language_of(visit, summary)
    data = view.script_data(language, summary)
    if code := visit.query.get("code"):
        data["shown"] = wording.of_code(language, summary, summary.method(visit.query.get("method")), code)
    return Answer.of(data)


async def pay(visit: Visit, limiter: Limiter) -> Answer:
    """One press of the button; the same press again is answered alike. Raises TooManyRequests."""
    form = visit.read(PayIn)
    session_id = visit.path_params["id"]
    visit.must_be_ours(form.csrf, session_id)
    opened = await sessions.open_session(visit.services, session_id)
    press = Press.of(visit, opened, form, pay_flow.type_of(form.payment_details))
    limiter.count(press.call, visit.client)

    async def act() -> Done[TryResult]:
        language = press.language if press.language != press.summary.locale else None
        return await press.pay(PageTry(press.consent(view.consent), language=language))

    return await _try(visit, press.language, press.summary, press.method, act)


async def resume(visit: Visit) -> Answer:
    """Finish what can be finished after a step in between."""
    form = visit.read(ResumeIn)
    session_id = visit.path_params["id"]
    visit.must_be_ours(form.csrf, session_id)
    opened = await sessions.open_session(visit.services, session_id)
    summary = reading.summary_of(opened)
    call = visit.call(opened.owner, opened.at)
    language = language_of(visit, summary, form.locale)
    return await _try(
        visit, language, summary, summary.first, functools.partial(session_resume.resume, call, session_id)
    )


async def _try(
    visit: Visit,
    language: str,
    summary: OrderSummary,
    method: Method | None,
    act: Callable[[], Coroutine[Any, Any, Done[TryResult]]],
) -> Answer:
    return _told(visit, language, summary, method, await pay_flow.done_of(act, (NotFound,)))


def _told(visit: Visit, language: str, summary: OrderSummary, method: Method | None, done: Done[TryResult]) -> Answer:
    """No more of a try's end than the page needs, and its words."""
    tried, result = done.view, pay_flow.result_of(done.view, language, summary, method)
    if isinstance(result, Went):
        result.redirect_url = _away(visit, result.redirect_url, language)
        return Answer.of(result, done.answer.status)
    result.error.message = UNSET
    if isinstance(tried, ApiError) and tried.status in _DECLINES:
        return Answer.of(result, _STATUS_OF_NO)
    return Answer.of(result, done.answer.status)


def refused(visit: Visit, error: ApiError) -> Answer:
    """The page for an address that leads nowhere, or that cannot be shown now."""
    language = reading.language_of(visit.query, visit.header(b"accept-language"), tuple(LANGUAGES), None)
    known = messages(language)
    if error.status == TooManyRequests.status:
        html = pages.notice(language, None, known["too_many"], known["retry"])
    elif error.status >= 500:
        html = pages.notice(language, None, known["service_unavailable"], known["retry"])
    else:
        found = error.status in (404, 405)
        html = pages.notice(language, None, known["not_found" if found else "bad_request"], known["ask_shop"])
    return page(html, error.status)._replace(headers={**page(b"").headers, **dict(error.headers)})


def refused_in_api(_: Visit, error: ApiError) -> Answer:
    """The same for whoever speaks the API."""
    return errors.answer(error)


def refused_in_json(visit: Visit, error: ApiError) -> Answer:
    """The same for the page's script."""
    return pay_flow.refusal(visit, error, Error(error.code, param=error.param))
