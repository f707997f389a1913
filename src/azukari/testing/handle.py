"""What a test holds: the server's address, keys of a merchant of its own, that merchant's clock and webhooks."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from azukari.testing.process import Server

#: How long moving a clock may take: all that falls due on the way has run when it answers.
_CLOCK_SECONDS = 600.0


class Azukari:
    """A running Azukari.

    url: its address, without a slash at its end; the API is below ``/api/v1``.
    secret_key, publishable_key: test keys of a merchant that this test alone has.
    """

    url: str
    secret_key: str
    publishable_key: str

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.url = server.url
        self.clock = Clock(self)
        self.reset()

    def reset(self) -> None:
        """Another merchant, as each test gets one: nothing is left. For tests that run many examples."""
        self.close()
        made = self._server.ask("reset")
        self.secret_key, self.publishable_key = made["secret_key"], made["publishable_key"]
        self.webhooks = Webhooks(self._server, made["inbox"], made["webhook_secret"])

    @cached_property
    def client(self) -> "httpx.Client":
        """A client with the secret key: ``azukari.client.get("/payments")``."""
        import httpx

        return httpx.Client(base_url=f"{self.url}/api/v1", auth=(self.secret_key, ""), timeout=60, trust_env=False)

    def close(self) -> None:
        """Close the client, if there is one. The fixture does it."""
        client: httpx.Client | None = self.__dict__.pop("client", None)
        if client is not None:
            client.close()


class Clock:
    """The merchant's clock in test mode: real time, until it is moved.

    Everything that falls due on the way happens, in order, before a method returns.
    """

    def __init__(self, azukari: Azukari) -> None:
        self._azukari = azukari

    def now(self) -> datetime:
        """What time it is for the merchant, in UTC."""
        return _moment(self._call("GET", None))

    def set(self, moment: datetime | str) -> datetime:
        """Go on to a moment: an aware datetime, or ISO 8601."""
        return self._change(now=moment if isinstance(moment, str) else moment.isoformat())

    def advance(self, by: timedelta | str) -> datetime:
        """Let time pass: a timedelta, or an ISO 8601 duration such as ``"P1M"`` (a month) or ``"PT90M"``."""
        return self._change(advance=by if isinstance(by, str) else _duration(by))

    def freeze(self) -> datetime:
        """Stand still."""
        return self._change(freeze=True)

    def unfreeze(self) -> datetime:
        """Go on from here."""
        return self._change(freeze=False)

    def reset(self) -> datetime:
        """Back to real time."""
        return self._change(reset=True)

    def _change(self, **change: object) -> datetime:
        return _moment(self._call("POST", change))

    def _call(self, method: str, change: dict[str, object] | None) -> dict[str, Any]:
        """Without a library that the test may have patched."""
        from http.client import HTTPConnection

        key = base64.b64encode(f"{self._azukari.secret_key}:".encode()).decode()
        headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
        connection = HTTPConnection(self._azukari.url.removeprefix("http://"), timeout=_CLOCK_SECONDS)
        try:
            body = None if change is None else json.dumps(change)
            connection.request(method, "/api/v1/test/clock", body, headers)
            reply = connection.getresponse()
            answer: dict[str, Any] = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != 200:
            raise ValueError(f"The clock cannot do this: {answer['error']['message']}")
        return answer


def _moment(shown: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(shown["now"])


def _duration(by: timedelta) -> str:
    return f"P{by.days}DT{by.seconds}S"


@dataclass(frozen=True)
class Webhook:
    """One that arrived, with a signature that is right.

    event: the body, decoded. body, headers: as they came. Headers are found in upper and lower case.
    """

    event: dict[str, Any]
    body: bytes
    headers: "httpx.Headers"

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.event["id"])

    @property
    def type(self) -> str:
        return str(self.event["type"])

    @property
    def data(self) -> dict[str, Any]:
        """The resource as it was when it happened."""
        found: dict[str, Any] = self.event["data"]
        return found

    @classmethod
    def _of(cls, shown: dict[str, Any]) -> "Webhook":
        import httpx

        return cls(json.loads(shown["body"]), shown["body"].encode(), httpx.Headers(shown["headers"]))


class Webhooks:
    """What an endpoint of the merchant's has received. ``secret``: what its webhooks are signed with.

    The ping that every new endpoint gets is left out.
    """

    def __init__(self, server: "Server", inbox: str, secret: str) -> None:
        self._server = server
        self._inbox = inbox
        self.secret = secret

    def wait(self, type: str, *, timeout: float = 5.0, **data: object) -> Webhook:
        """The next webhook of a type; each is returned once.

        data: what its data must have: ``wait("payment.captured", id=payment["id"])``. timeout: seconds.
        Raises TimeoutError.
        """
        answer = self._ask("wait", timeout, type=type, data=data)
        if answer["found"]:
            return Webhook._of(answer["found"][0])
        came = ", ".join(answer["came"]) or "nothing"
        asked = "".join(f" {name}={value!r}" for name, value in data.items())
        raise TimeoutError(f"No webhook {type}{asked} in {timeout:g} s. What came: {came}.")

    def all(self, *, timeout: float = 5.0) -> list[Webhook]:
        """A webhook for each thing that has happened until now, in the order it happened; waits until all are there.

        Raises TimeoutError.
        """
        answer = self._ask("all", timeout)
        if answer["missing"]:
            missing = ", ".join(answer["missing"])
            raise TimeoutError(f"These webhooks have not come in {timeout:g} s: {missing}.")
        return [Webhook._of(each) for each in answer["found"]]

    def _ask(self, question: str, timeout: float, **more: object) -> dict[str, Any]:
        answer = self._server.ask(question, timeout, inbox=self._inbox, **more)
        if answer["forged"]:
            raise AssertionError("A webhook came whose signature is not right.")
        return answer
