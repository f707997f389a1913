"""One path as an ASGI app: its methods, the name of its route, and what a method it has not is told."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from azukari.core.errors import MethodNotAllowed
from azukari.web.dispatch import Receive, Route, Scope, Send
from azukari.wire.answers import Answer

H = TypeVar("H")


class Resource(Generic[H]):
    """All methods of one path. HEAD is answered like GET.

    cors: pages of any origin may read the answers. preflight: the middleware answers ``OPTIONS`` here.
    """

    def __init__(self, path: str, handlers: Mapping[str, H], *, cors: bool = False, preflight: bool = False) -> None:
        self.path = path
        self.cors = cors
        self._handlers = {**handlers, "HEAD": handlers["GET"]} if "GET" in handlers else handlers
        self._allowed = self._handlers.keys() | ({"OPTIONS"} if preflight else set())

    @property
    def route(self) -> Route:
        return Route(self.path, self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["azukari.route"] = self.path
        if self.cors:
            scope["azukari.cors"] = True
        handler = self._handlers.get(scope["method"])
        if handler is None:
            raise MethodNotAllowed(self._allowed)
        await scope["azukari.send"](await self.answer(handler, scope, receive), send)

    async def answer(self, handler: H, scope: Scope, receive: Receive) -> Answer:
        """Answer a request with the handler of its method."""
        raise NotImplementedError
