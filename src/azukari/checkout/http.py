"""What the page's addresses have in common: who asks, from where, and that a post comes from our own page."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from azukari.checkout import reading
from azukari.core.clock import Moment
from azukari.core.errors import ApiError, Forbidden, NotFound, UnsupportedMediaType
from azukari.db import Owner, directory
from azukari.merchants.settings import MerchantSettings
from azukari.web import assets
from azukari.web.dispatch import Receive, Scope
from azukari.web.pages import HTML
from azukari.web.resource import Resource
from azukari.web.server import read_body
from azukari.wire import bodies
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wire.return_urls import origin_of
from azukari.wiring import Services

T = TypeVar("T", bound=msgspec.Struct)
JSON = "application/json"
_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a browser. body: as it came. now: by the machine's clock."""

    services: Services
    path_params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: bytes
    client: str | None
    request_id: str
    now: int

    @property
    def base_url(self) -> str:
        return self.services.settings.base_url

    def header(self, name: bytes) -> str:
        """Empty where it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def language(self, offered: tuple[str, ...], default: str | None = None, wish: str = "") -> str:
        """The language of the answer. wish: the form's, before the link's."""
        query = {"locale": wish} if wish else self.query
        return reading.language_of(query, self.header(b"accept-language"), offered, default)

    async def owner_of(self, id: str, kind: str) -> tuple[Owner, MerchantSettings]:
        """Whose public thing it is, and how they show themselves. Raises NotFound."""
        owner = await self.services.db.read(directory.find_public, id, kind, self.services.modes_served)
        if owner is None:
            raise NotFound
        return owner, await self.services.settings_of(owner)

    def call(self, owner: Owner, at: Moment, nonce: str | None = None) -> Call:
        """A call from our own page; see :meth:`Call.of_page`. Raises BadRequest."""
        return Call.of_page(self.services, owner, at, self.client, self.request_id, nonce, self.body)

    def mark(self, of: str) -> str:
        """What our page about a thing sends back, and nobody else's page knows."""
        # Letters and digits of base 16: never long runs of digits alone.
        return self.services.vault.mac("pepper", f"page {of}".encode()).hex()[:40]

    def read(self, shape: type[T]) -> T:
        """The JSON of a post from our own page.

        Raises Forbidden (another origin's), UnsupportedMediaType, and what is wrong with the body.
        """
        if self.header(b"origin") != origin_of(self.base_url):
            raise Forbidden
        # A form, which a browser sends anywhere without asking, is never JSON.
        if self.header(b"content-type").partition(";")[0].strip().lower() != JSON:
            raise UnsupportedMediaType
        return bodies.convert(bodies.parse(JSON, self.body), shape)

    def must_be_ours(self, csrf: str, of: str) -> None:
        """Raises Forbidden: the page that sent this was not made by us, or not for this thing."""
        if not hmac.compare_digest(csrf.encode(), self.mark(of).encode()):
            raise Forbidden


def _query(raw: bytes) -> dict[str, str]:
    """The first fields of a query. Links come with trackers on them: what is too much is left out, not refused.

    So is what holds a NUL: no database takes it as text.
    """
    fields = raw.decode("latin-1").split("&", _MOST_FIELDS)[:_MOST_FIELDS]
    return {name: value for name, value in parse_qsl("&".join(fields)) if "\0" not in value}


Handler = Callable[[Visit], Awaitable[Answer]]


def redirect(url: str) -> Answer:
    """On to another address, with GET."""
    return Answer(303, b"", HTML, {**assets.PAGE_HEADERS, "Location": url})


class PageResource(Resource[Handler]):
    """A path that a shopper's browser comes to. refused: makes the answer for what a handler raises."""

    def __init__(
        self,
        path: str,
        services: Services,
        refused: Callable[[Visit, ApiError], Answer],
        *,
        cors: bool = False,
        **handlers: Handler,
    ) -> None:
        super().__init__(path, {method.upper(): handlers[method] for method in handlers}, cors=cors, preflight=cors)
        self._services = services
        self._refused = refused

    async def answer(self, handler: Handler, scope: Scope, receive: Receive) -> Answer:
        visit = self._visit(scope, await read_body(receive, scope["headers"]) if scope["method"] == "POST" else b"")
        try:
            return await handler(visit)
        except ApiError as error:
            return self._refuse(visit, error)

    def refusal(self, scope: Scope, error: ApiError) -> Answer:
        """The answer to a request that nothing is done for, in the words of this path."""
        return self._refuse(self._visit(scope, b""), error)

    def _refuse(self, visit: Visit, error: ApiError) -> Answer:
        answer = self._refused(visit, error)
        if error.retry_after is None:
            return answer
        return answer._replace(headers={**(answer.headers or {}), "Retry-After": str(error.retry_after)})

    def _visit(self, scope: Scope, body: bytes) -> Visit:
        return Visit(
            services=self._services,
            path_params=scope["path_params"],
            query=_query(scope["query_string"]),
            headers=dict(scope["headers"]),
            body=body,
            client=scope["azukari.client"],
            request_id=scope["azukari.request_id"],
            now=self._services.clock.now(),
        )
