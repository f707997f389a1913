"""Sessions as tests make them."""

from typing import Any

import httpx

from azukari.core.errors import ApiError
from azukari.processors.simulator.offsite import Decision
from azukari.sessions import page
from azukari.sessions import pay as session_pay
from azukari.sessions import resume as session_resume
from azukari.sessions.pay import PageTry
from azukari.sessions.schemas import SessionPay, TryResult, pay_error
from azukari.wire.answers import Answer, Done, Replay
from azukari.wire.call import Call
from tests.house import Api, House, card

ORDER: dict[str, Any] = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example/thanks"}
CODE = "123"
POOR = "4123111111111000"


async def make(api: Api, **more: Any) -> dict[str, Any]:
    """A new session."""
    reply = await api.post("/sessions", json={**ORDER, **more})
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def pay(api: Api, session: dict[str, Any], details: Any = None, **more: Any) -> httpx.Response:
    """A try, with a good card unless told otherwise."""
    body = {"payment_details": card(verification_value=CODE) if details is None else details, **more.pop("json", {})}
    return await api.post(f"/sessions/{session['id']}/pay", json=body, **more)


async def shown(api: Api, session: dict[str, Any]) -> dict[str, Any]:
    """The session as it is now."""
    found: dict[str, Any] = (await api.get(f"/sessions/{session['id']}")).json()
    return found


def refused(reply: httpx.Response, status: int, code: str) -> None:
    """A failed try."""
    assert (reply.status_code, reply.json()["error"]["code"], reply.json()["status"]) == (status, code, "error")


class Browser:
    """Our own page, without its HTML: it calls what the page's routes call."""

    def __init__(self, house: House, session: dict[str, Any]) -> None:
        self._house = house
        self._id = session["id"]
        self._presses = 0

    async def pay(self, details: Any, *, nonce: str | None = None, consent: str | None = None) -> Answer:
        self._presses += 1
        call = await self._call(nonce or f"press-{self._presses}")
        agreed = None if consent is None else page.agreed(call, text=consent, version="1", language="ja")
        order = SessionPay(payment_details=details, api_locale="ja")
        return await _answered(session_pay.pay(call, self._id, order, page=PageTry(agreed)))

    async def resume(self) -> Answer:
        return await _answered(session_resume.resume(await self._call(None), self._id))

    async def state(self) -> page.SessionState:
        return await page.state(self._house.services, self._id)

    async def open(self) -> page.HostedSession:
        return await page.open_session(self._house.services, self._id)

    async def _call(self, nonce: str | None) -> Any:
        services = self._house.services
        owner = await page.owner_of(services, self._id)
        return Call.of_page(
            services,
            owner,
            at=await services.moment_of(owner),
            client="203.0.113.9",
            request_id=services.ids.new(),
            nonce=nonce,
            body=b"the same",
        )


async def _answered(answering: Any) -> Answer:
    try:
        done: Done[TryResult] = await answering
        return done.answer
    except Replay as replay:
        return replay.answer
    except ApiError as error:
        return pay_error(error)


KONBINI = {"type": "konbini", "store": "lawson", "email": "taro@example.com", "name": "Taro"}


def decide(house: House, reply: httpx.Response, decision: Decision) -> None:
    """The shopper's decision on the method's own page."""
    ref = reply.json()["redirect_url"].rpartition("/")[2]
    assert house.services.processors.simulator.decide(ref, decision)


async def payment_status(api: Api, reply: httpx.Response) -> str:
    return str((await api.get(f"/payments/{reply.json()['payment']['id']}")).json()["status"])
