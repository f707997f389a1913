"""From a path to the app that answers it."""

from typing import Any
from urllib.parse import unquote

import pytest

from azukari.core.errors import NotFound
from azukari.web.dispatch import ASGIApp, Dispatch, Receive, Route, Scope, Send


def _app(name: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["answered"] = name

    return app


PATHS = ("/", "/things", "/things/{id}", "/things/{id}/parts/{part}", "/{language}/things", "/things/all", "/a.b/{id}")
DISPATCH = Dispatch(Route(path, _app(path)) for path in (*PATHS, "/things"))


async def _ask(path: str, raw: bytes | None = None) -> tuple[str, dict[str, str]]:
    scope: dict[str, Any] = {"type": "http", "path": path}
    if raw is not None:
        scope["raw_path"] = raw

    async def receive() -> dict[str, Any]:
        raise AssertionError

    async def send(message: Any) -> None:
        raise AssertionError

    await DISPATCH(scope, receive, send)
    return scope["answered"], scope["path_params"]


@pytest.mark.parametrize(
    ("path", "answered", "parameters"),
    [
        ("/", "/", {}),
        ("/things", "/things", {}),
        ("/things/all", "/things/all", {}),
        ("/things/1", "/things/{id}", {"id": "1"}),
        ("/things/things", "/things/{id}", {"id": "things"}),
        ("/things/{id}", "/things/{id}", {"id": "{id}"}),
        ("/things/1 2\u3042", "/things/{id}", {"id": "1 2\u3042"}),
        ("/things/1/parts/2", "/things/{id}/parts/{part}", {"id": "1", "part": "2"}),
        ("/ja/things", "/{language}/things", {"language": "ja"}),
        ("/a.b/1", "/a.b/{id}", {"id": "1"}),
    ],
)
async def test_a_path_finds_its_app(path: str, answered: str, parameters: dict[str, str]) -> None:
    assert await _ask(path) == (answered, parameters)


@pytest.mark.parametrize(
    "path",
    ["", "things", "/thing", "/things/", "/things//parts/2", "/things/1/parts/", "/aXb/1", "/things/1\n/x", "//"],
)
async def test_any_other_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        await _ask(path)


async def test_an_escaped_slash_divides_nothing() -> None:
    raw = b"/things/a%2Fb%20%e3%81%82"
    assert await _ask(unquote(raw.decode()), raw) == ("/things/{id}", {"id": "a/b \u3042"})
    raw = b"/things/1/parts/..%2f2"
    assert await _ask(unquote(raw.decode()), raw) == ("/things/{id}/parts/{part}", {"id": "1", "part": "../2"})
    with pytest.raises(NotFound):
        await _ask("/things/1/parts/2", b"/things/1%2Fparts/2")


def test_the_routes_can_be_walked() -> None:
    assert [route.path for route in DISPATCH.routes] == [*PATHS, "/things"]
