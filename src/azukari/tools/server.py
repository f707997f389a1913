"""The server a tool works with: where it is, with which key, and what it answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

import httpx
import msgspec

from azukari.core.config import Settings
from azukari.core.secret import Secret
from azukari.merchants import first_pair

API = "/api/v1"
#: How long one question for new events may stay open.
WAIT_SECONDS = 30
PAGE = 100
#: Between two tries, the last one again and again: somebody on this machine is about to start it.
PAUSES = (0.25, 0.5, 1.0, 2.0, 5.0)

_SECRET_TEST_KEY = re.compile(r"sk_test_[0-9A-Za-z]{6,}")
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")

#: Says a sentence to a person, beside whatever else comes out.
Notice = Callable[[str], None]


class ToolError(Exception):
    """Something that a person can mend; the text says how."""


class Away(Exception):
    """The server does not answer for now."""


class BegunAnew(Exception):
    """The server has no event of this number yet."""


class Event(msgspec.Struct):
    """An event as it goes over the wire: its members and their order. ``data``: untouched."""

    id: str
    type: str
    resource: str
    data: msgspec.Raw
    created_at: str
    reason: str | None


class Numbered(Event):
    """An event of the cursor."""

    sequence: int

    def plain(self) -> Event:
        """Without the number: what a webhook carries, and ``GET /events/{id}`` shows."""
        return Event(self.id, self.type, self.resource, self.data, self.created_at, self.reason)


class Page(msgspec.Struct):
    """Some events, oldest first. next: what comes after them is asked for with it."""

    data: list[Numbered]
    next: int
    has_more: bool


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""
    param: str | None = None


class _Refused(msgspec.Struct):
    error: _Refusal


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    body: bytes

    @property
    def well(self) -> bool:
        return self.status < 300

    @property
    def in_words(self) -> str:
        """The server's own words for what is wrong."""
        try:
            error = msgspec.json.decode(self.body, type=_Refused).error
        except msgspec.DecodeError:
            return f"status {self.status}"
        return f"{self.status} {error.code}: {error.message}" + (f" ({error.param})" if error.param else "")


class Place(NamedTuple):
    """Where a server is, and the key for it."""

    url: str
    key: Secret

    @property
    def masked_key(self) -> str:
        return f"sk_test_…{self.key.reveal()[-4:]}"


def find(settings: Settings, url: str | None, key: str | None) -> Place:
    """The server that was named, or this installation's, with its first test key. Raises ToolError."""
    address = (url or settings.base_url).rstrip("/").removesuffix(API)
    if not re.match(r"https?://[^/]", address):
        raise ToolError("--url must be an address that starts with https:// or http://.")
    if key is None:
        kept = first_pair.find(settings.data)
        if kept is None or not kept.enrolled:
            raise ToolError(
                f"No test key is kept in {settings.data}. Run this where `azukari serve` runs, name its data directory "
                "with --data, or give a test key with --key."
            )
        return Place(address, Secret(kept.secret_key))
    if key.startswith("sk_live_"):
        raise ToolError("Live keys are refused: the developer's tools are for test mode. Use a key like sk_test_….")
    if not _SECRET_TEST_KEY.fullmatch(key):
        raise ToolError("--key must be a secret test key: it starts with sk_test_.")
    return Place(address, Secret(key))


def trusts_environment(host: str) -> bool:
    """Whether the proxy settings of the environment count: they do not on this machine."""
    return not _LOOPBACK.fullmatch(host)


def pauses() -> Iterator[float]:
    """How long to wait before each further try."""
    yield from PAUSES
    while True:
        yield PAUSES[-1]


class Server:
    """Asks a server. Raises ToolError where a person has to do something, Away where time may."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client = httpx.AsyncClient(
            auth=(place.key.reveal(), ""),
            timeout=httpx.Timeout(WAIT_SECONDS + 15, connect=5),
            trust_env=trusts_environment(httpx.URL(place.url).host),
            headers={"Komoju-Via": "azukari-tools"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Reply:
        """One request."""
        try:
            reply = await self._client.request(
                method, f"{self.place.url}{API}{path}", data=form, headers=headers, params=params
            )
        except (httpx.TransportError, httpx.InvalidURL):
            raise Away from None
        if reply.status_code == 401:
            raise ToolError(f"{self.place.url} does not know the key {self.place.masked_key}.")
        return Reply(reply.status_code, reply.content)

    async def latest(self) -> int:
        """The number of the latest event."""
        return (await self._page({"after": "latest"})).next

    async def events(self, after: int, wait: int) -> Page:
        """What came after an event, waiting so many seconds for the first."""
        return await self._page({"after": after, "wait": wait, "per_page": PAGE})

    async def _page(self, params: Mapping[str, str | int]) -> Page:
        reply = await self.ask("GET", "/events", params=params)
        if reply.status >= 500 or reply.status == 429:
            raise Away
        if reply.status == 404 and params["after"] not in (0, "latest"):
            raise BegunAnew
        if not reply.well:
            raise ToolError(f"{self.place.url} refused to show its events: {reply.in_words}.")
        try:
            return msgspec.json.decode(reply.body, type=Page)
        except msgspec.DecodeError:
            raise ToolError(f"{self.place.url} cannot be followed: no Azukari of this version answers there.") from None

    async def first_contact(self) -> int:
        """:meth:`latest`; a server that does not answer is something to mend."""
        try:
            return await self.latest()
        except Away:
            raise not_running(self.place) from None


def not_running(place: Place) -> ToolError:
    """What to do about it."""
    return ToolError(
        f"No server answers at {place.url}. Start it with `azukari serve`, or name the right one with --url."
    )


async def follow(server: Server, after: int, notice: Notice) -> AsyncIterator[Page]:
    """What comes after an event, page by page, for ever. A server that goes away is waited for."""
    waits, away = pauses(), False
    while True:
        try:
            page = await server.events(after, WAIT_SECONDS)
        except Away:
            if not away:
                waits, away = pauses(), True
                notice("The server does not answer. Waiting for it.")
            await asyncio.sleep(next(waits))
            continue
        except BegunAnew:
            notice("The server's events have begun anew, with another database. Going on from the first.")
            after = 0
            continue
        if away:
            away = False
            notice("The server is back.")
        after = page.next
        yield page
