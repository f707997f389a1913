"""``azukari listen``: every event goes to a receiver on the developer's machine, as a webhook would.

The cursor is moved after the receiver's answer, and kept: a listener that is stopped, or killed, or loses its server
goes on where it was. So each event comes at least once, in the order it happened.
"""

import asyncio
import fnmatch
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from rich.text import Text

from azukari.core.clock import SystemClock
from azukari.core.ids import base36
from azukari.core.secret import Secret
from azukari.tools import screen as on
from azukari.tools.screen import Screen, Seen
from azukari.tools.server import Numbered, Server, ToolError, follow, pauses
from azukari.tools.state import Cursor, State
from azukari.webhooks import signing
from azukari.webhooks.addresses import Target, system_lookup
from azukari.webhooks.post import Post, Posted, within_limit

#: What stands in front of a receiver answers so while the receiver itself is down.
_STANDS_IN = (502, 503, 504)
_PORTS = {"https": 443, "http": 80}
_TYPE = re.compile(r"[a-z_.*?]{1,80}")

_encode = msgspec.json.Encoder().encode


class Wish(NamedTuple):
    """What was asked for.

    types: of events, ``*`` for any characters. since: an event's number, None: where we were, or from now on.
    retry: an answer that is not 2xx is no answer either.
    """

    forward_to: Target
    types: Sequence[str] = ("*",)
    since: int | None = None
    secret: Secret | None = None
    retry: bool = False


def read_target(text: str) -> Target:
    """A receiver's address; ``localhost:3000/webhooks`` will do. Any host is good: it is the developer's own machine
    that calls. Raises ToolError.
    """
    try:
        split = urlsplit(text if "://" in text else f"http://{text}")
        port = split.port
    except ValueError:
        split, port = urlsplit(""), None
    if split.scheme not in _PORTS or not split.hostname or split.username is not None or not text.isascii():
        raise ToolError("--forward-to must be an address like http://localhost:3000/webhooks.")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return Target(split.scheme, split.hostname, port or _PORTS[split.scheme], path)


def read_types(text: str | None) -> Sequence[str]:
    """Types of events with commas between them. Raises ToolError."""
    types = [each.strip() for each in (text or "*").split(",") if each.strip()]
    if not types or not all(_TYPE.fullmatch(each) for each in types):
        raise ToolError("--events must be types with commas between them, like payment.captured,customer.*.")
    return types


def read_since(text: str) -> int:
    """An event's number, or ``start``. Raises ToolError."""
    if text == "start":
        return 0
    if not text.isascii() or not text.isdigit():
        raise ToolError("--since must be an event's number, or start.")
    return int(text)


class _Signer:
    """What the vault hands to a real webhook, with a secret that is no secret to the developer."""

    def __init__(self, secret: Secret) -> None:
        self._key = secret.reveal().encode()

    def sign(self, message: bytes) -> str:
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def delivery_of(self, event_id: str) -> str:
        """An id for an event's delivery, the same whenever it is tried."""
        return base36(int.from_bytes(hmac.digest(self._key, event_id.encode(), "sha256")[:16], "big"))


async def listen(server: Server, state: State, wish: Wish, screen: Screen) -> None:
    """Hand on what happens, until cancelled. Raises ToolError."""
    secret = wish.secret or state.secret()
    cursor = state.cursor(server.place, wish.forward_to.url)
    post = Post()
    try:
        after = await _begin(server, cursor, wish, screen)
        _greet(server, wish, secret, after, screen)
        await _Listener(wish, _Signer(secret), cursor, post, screen).work(server, after)
    finally:
        await post.close()
        cursor.close()


async def _begin(server: Server, cursor: Cursor, wish: Wish, screen: Screen) -> int:
    latest = await server.first_contact()
    after = wish.since if wish.since is not None else cursor.read()
    if after is None:
        after = latest
    elif after > latest:
        screen.notice("The server has no such event yet: it was set up anew. Going on from the first.")
        after = 0
    # Kept at once: what happens from here on is missed by nobody who starts again.
    cursor.move(after)
    return after


def _greet(server: Server, wish: Wish, secret: Secret, after: int, screen: Screen) -> None:
    screen.say(f"Events of {server.place.url} ({server.place.masked_key}) go to {wish.forward_to.url}")
    screen.say(f"They are signed with {secret.reveal()}")
    screen.say(f"From after event {after} on. Ctrl-C ends.\n")
    screen.put_json(
        {
            "listening": server.place.url,
            "forward_to": wish.forward_to.url,
            "secret": secret.reveal(),
            "after": after,
        }
    )


class _Listener:
    def __init__(self, wish: Wish, signer: _Signer, cursor: Cursor, post: Post, screen: Screen) -> None:
        self._wish = wish
        self._signer = signer
        self._cursor = cursor
        self._post = post
        self._screen = screen
        self._clock = SystemClock()

    async def work(self, server: Server, after: int) -> None:
        async for page in follow(server, after, self._screen.notice):
            for event in page.data:
                if any(fnmatch.fnmatchcase(event.type, each) for each in self._wish.types):
                    body = _encode(event.plain())
                    code, ms = await self._deliver(event, body)
                    # What is shown is done: nobody gets it again.
                    self._cursor.move(event.sequence)
                    self._show(event, body, code, ms)
            self._cursor.move(page.next)

    async def _deliver(self, event: Numbered, body: bytes) -> tuple[int, int]:
        """Until there is an answer: its status, and how long it took. What comes after it waits."""
        down = False
        for pause in pauses():
            started = self._clock.now()
            posted = await within_limit(self._send(event, body, started))
            if posted.code is not None and self._is_answer(posted.code):
                return posted.code, self._clock.now() - started
            if not down:
                down = True
                self._screen.notice(
                    f"No answer to {event.type} ({posted.code or posted.failure}). Trying again until there is one."
                )
            await asyncio.sleep(pause)
        raise AssertionError("there is always another pause")

    async def _send(self, event: Numbered, body: bytes, now: int) -> Posted:
        delivery = self._signer.delivery_of(event.id)
        headers = signing.headers(delivery, event.type, body, [self._signer], now)
        target = self._wish.forward_to
        try:
            found = await system_lookup(target.host, target.port)
        except (OSError, UnicodeError):
            return Posted(None, "unresolved")
        return await self._post.send(target, found, headers, body)

    def _is_answer(self, code: int) -> bool:
        return 200 <= code < 300 if self._wish.retry else code not in _STANDS_IN

    def _show(self, event: Numbered, body: bytes, code: int, ms: int) -> None:
        number = Text(f"{event.sequence}".rjust(6), "dim")
        cells = [on.moment(), number, on.status(code), Text(f"{ms} ms".rjust(8), "dim")]
        self._screen.put(
            on.row(*cells, *on.event_cells(Seen.of(event))),
            {"sequence": event.sequence, "answer": code, "ms": ms, "event": msgspec.Raw(body)},
        )
