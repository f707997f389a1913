"""What the tools say: aligned lines for people, or a JSON object a line. Sentences go to standard error.

Of an event a line shows what it is about and how much, never a word about a person.
"""

import re
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from azukari.core.scrub import scrub
from azukari.tools.server import Event

_ID = re.compile(r"[0-9A-Za-z_]{1,64}")
_TYPE = re.compile(r"[a-z_.]{1,80}")
_CURRENCY = re.compile("[A-Z]{3}")
_TYPE_WIDTH, _ROUTE_WIDTH, _METHOD_WIDTH, _MONEY_WIDTH, _CODE_WIDTH = 24, 32, 7, 14, 20
#: The style of a status: the first of these that it is not below.
_STYLES = ((500, "bold red"), (400, "yellow"), (300, "cyan"), (200, "green"))


class _Data(msgspec.Struct):
    id: object = None
    amount: object = None
    currency: object = None


class Seen(NamedTuple):
    """What may be shown of an event. object: the id of what it is about."""

    id: str
    type: str
    object: str | None
    amount: int | None
    currency: str | None

    @classmethod
    def of(cls, event: Event) -> "Seen":
        data = _data(event)
        return cls(
            _matching(_ID, event.id) or "?",
            _matching(_TYPE, event.type) or "?",
            _matching(_ID, data.id),
            data.amount if type(data.amount) is int else None,
            _matching(_CURRENCY, data.currency),
        )

    @property
    def money(self) -> str:
        """In the smallest unit, as on the wire."""
        return "" if self.amount is None or self.currency is None else f"{self.amount} {self.currency}"


def _data(event: Event) -> _Data:
    try:
        return msgspec.json.decode(event.data, type=_Data)
    except msgspec.DecodeError:
        return _Data()


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


class Screen:
    """Where it is said. as_json: for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._beside = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def notice(self, sentence: str) -> None:
        """For a person; out of the way of a program."""
        self._beside.print(Text(sentence, "dim"), soft_wrap=True)

    def say(self, sentence: str | Text) -> None:
        """For a person alone."""
        if not self.as_json:
            self._console.print(sentence, soft_wrap=True)

    def put(self, line: Text, fields: Mapping[str, object]) -> None:
        """One thing that happened."""
        if self.as_json:
            self.put_json(fields)
        else:
            line.rstrip()
            self._console.print(line, soft_wrap=True)

    def put_json(self, fields: Mapping[str, object]) -> None:
        """For a program alone."""
        if self.as_json:
            typer.echo(msgspec.json.encode(fields).decode())


def moment() -> Text:
    """The time of day where we are."""
    return Text(time.strftime("%H:%M:%S"), "dim")


def status(code: int) -> Text:
    """An answer's status in its colour."""
    return Text(str(code), next((style for least, style in _STYLES if code >= least), ""))


def row(*cells: Text) -> Text:
    """Cells with a space between them."""
    return Text("  ").join(cells)


def event_cells(seen: Seen) -> list[Text]:
    """Type, money and ids, in columns."""
    return [
        Text(seen.type.ljust(_TYPE_WIDTH), "magenta"),
        Text(seen.money.rjust(_MONEY_WIDTH)),
        Text((seen.object or "").ljust(25)),
        Text(seen.id, "dim"),
    ]


def request_cells(method: str, route: str, code: int, ms: int, error: str | None, request_id: str) -> list[Text]:
    """A request and its answer, in columns."""
    return [
        Text(scrub(method).ljust(_METHOD_WIDTH), "cyan"),
        Text(scrub(route).ljust(_ROUTE_WIDTH)),
        status(code),
        Text(f"{ms} ms".rjust(8), "dim"),
        Text((error or "").ljust(_CODE_WIDTH), "red"),
        Text(request_id, "dim"),
    ]
