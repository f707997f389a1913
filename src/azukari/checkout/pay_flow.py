"""One press of the button, on our own page or in a shop's: its language, method, consent, call and answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from azukari.checkout import reading, view, wording
from azukari.checkout.http import Visit
from azukari.checkout.messages import LANGUAGES, messages
from azukari.checkout.schemas import ConsentIn, Error, Failed, Went
from azukari.checkout.view import Method, OrderSummary
from azukari.core.errors import ApiError, InvalidParameter, TooManyRequests
from azukari.processors.base import Consent
from azukari.sessions import page as sessions
from azukari.sessions import pay as session_pay
from azukari.sessions import responses
from azukari.sessions.page import HostedSession
from azukari.sessions.pay import PageTry
from azukari.sessions.schemas import SessionPay, TryResult
from azukari.wire.answers import Answer, Done, Replay
from azukari.wire.call import Call
from azukari.wire.locales import nearest


class PayForm(Protocol):
    """What both forms send. nonce: once for each press, and the same for a press again without an answer."""

    nonce: str
    payment_details: object
    locale: str
    consent: ConsentIn | None


@dataclass(frozen=True, slots=True)
class Press:
    """A press of the button of an open session. method: what the form names of the session's."""

    form: PayForm
    opened: HostedSession
    summary: OrderSummary
    language: str
    method: Method | None
    call: Call

    @classmethod
    def of(cls, visit: Visit, opened: HostedSession, form: PayForm, type: str | None) -> "Press":
        """A press of a form of ours. Raises BadRequest (its nonce)."""
        summary = reading.summary_of(opened)
        call = visit.call(opened.owner, opened.at, f"{opened.session.id}:{form.nonce}")
        return cls(form, opened, summary, language_of(visit, summary, form.locale), summary.method(type), call)

    def consent(self, sentence: Callable[[str, OrderSummary, Method], str]) -> Consent | None:
        """The sentence the shopper has agreed to: ours, word for word. None: nothing is kept.

        Raises InvalidParameter.
        """
        if not self.summary.saves or self.method is None:
            return None
        text, agreed = sentence(self.language, self.summary, self.method), self.form.consent
        if agreed is None or agreed.text != text or agreed.version != view.CONSENT_VERSION:
            raise InvalidParameter("consent")
        return sessions.agreed(self.call, text=text, version=view.CONSENT_VERSION, language=self.language)

    async def pay(self, page: PageTry) -> Done[TryResult]:
        """Try to pay the session. Raises Replay, ApiError."""
        locale = self.language if self.language != "zh" else None
        wanted = SessionPay(payment_details=self.form.payment_details, api_locale=locale)
        return await session_pay.pay(self.call, self.opened.session.id, wanted, page=page)


def language_of(visit: Visit, summary: OrderSummary, wish: str = "") -> str:
    """The language of the answer. wish: the form's, before the link's."""
    return visit.language(summary.shop.languages, summary.locale, wish)


def type_of(details: object) -> str | None:
    """The type that the details of a form name."""
    type = details.get("type") if isinstance(details, dict) else None
    return type if isinstance(type, str) else None


async def done_of(
    act: Callable[[], Awaitable[Done[TryResult]]], passed_on: tuple[type[ApiError], ...] = ()
) -> Done[TryResult]:
    """What a try came to, a repeated or refused one too. Raises what is ``passed_on``."""
    try:
        return await act()
    except Replay as replay:
        return responses.replayed(replay)
    except passed_on:
        raise
    except ApiError as error:
        return responses.failed(error)


def result_of(tried: TryResult, language: str, summary: OrderSummary, method: Method | None) -> Went | Failed:
    """What a page's script is told of a try."""
    if not isinstance(tried, ApiError):
        return Went(tried.status, tried.redirect_url)
    shown = wording.of_code(language, summary, method, tried.code, tried.param, tried.status)
    return Failed.of(Error(tried.code, tried.message, tried.param), shown)


def refusal(visit: Visit, error: ApiError, body: Error) -> Answer:
    """What a page's script is told where there is nothing to try. body: as much of the error as it may learn."""
    is_too_many = error.status == TooManyRequests.status
    if is_too_many:
        at = wording.ALERT
    elif error.code in ("not_found", "internal_server_error", "service_unavailable"):
        at = {"not_found": wording.RELOAD, "internal_server_error": wording.CHECKING}.get(error.code, wording.ALERT)
    else:
        at = wording.PAGE
    known = messages(nearest(visit.query.get("locale", ""), LANGUAGES))
    heading, text = known["bad_request"], known["ask_shop"]
    if at == wording.ALERT:
        heading, text = known["too_many" if is_too_many else "service_unavailable"], known["retry"]
    return Answer.of(Failed(body, at, heading, text), error.status)._replace(headers=dict(error.headers))
