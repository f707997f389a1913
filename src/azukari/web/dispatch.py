"""From a path to the app that answers it.

Most requests have one of a few fixed paths, which is one look into a dictionary; the others have a template with
``{name}`` for whole segments of the path.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from azukari.core.errors import NotFound

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_PARAMETER = re.compile(r"\\\{([a-z_]+)\\\}")
_SLASHES = re.compile("/{2,}")
_NONE: dict[str, str] = {}


class Route(NamedTuple):
    """A path and who answers it. Of ``/payments/{id}/capture`` the segment is ``scope["path_params"]["id"]``."""

    path: str
    app: ASGIApp


class Dispatch:
    """An ASGI app of routes. A fixed path wins over a template, an earlier route over a later one.

    Raises NotFound where there is none.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._fixed = {route.path: route.app for route in reversed(self.routes) if "{" not in route.path}
        # By the number of slashes: only templates of the same length can match.
        self._templates: dict[int, list[tuple[re.Pattern[str], ASGIApp]]] = {}
        for route in self.routes:
            if "{" in route.path:
                pattern = re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", re.escape(route.path)))
                self._templates.setdefault(route.path.count("/"), []).append((pattern, route.app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.find(scope)(scope, receive, send)

    def find(self, scope: Scope) -> ASGIApp:
        """Who answers. Raises NotFound."""
        path: str = scope["path"]
        scope["path_params"] = _NONE
        return self._fixed.get(path) or self._match(path, scope)

    def _match(self, path: str, scope: Scope) -> ASGIApp:
        raw: bytes = scope.get("raw_path") or b""
        is_escaped = b"%2f" in raw.lower()
        if is_escaped:
            # It is text, and divides nothing: a merchant's own id of a customer may hold a slash.
            path = raw.decode()
        for pattern, app in self._templates.get(path.count("/"), ()):
            match = pattern.fullmatch(path)
            if match is not None:
                found = match.groupdict()
                scope["path_params"] = {name: unquote(found[name]) for name in found} if is_escaped else found
                return app
        shorter = _SLASHES.sub("/", path).rstrip("/")
        if shorter != path and self._is_known(shorter):
            raise NotFound("There is one slash too many in the address.")
        raise NotFound

    def _is_known(self, path: str) -> bool:
        templates = self._templates.get(path.count("/"), ())
        return path in self._fixed or any(pattern.fullmatch(path) for pattern, _ in templates)
