"""What goes back over the wire."""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from azukari.processors.base import Outcome

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
JSON = "application/json; charset=utf-8"


class Answer(NamedTuple):
    """A status and a finished body."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, out: Any, status: int = 200) -> "Answer":
        """A value of the wire, encoded."""
        return cls(status, _encode(out))


class Done(NamedTuple, Generic[T]):
    """What a service has done: the result for code, the answer for the wire.

    view: the thing as it stands now. outcome: of the processor's call; None: there was none.
    """

    view: T
    outcome: Outcome | None
    answer: Answer

    @classmethod
    def of(cls, out: T, outcome: Outcome | None = None, status: int = 200) -> "Done[T]":
        """A value of the wire, which is its own view."""
        return cls(out, outcome, Answer.of(out, status))


class Replay(Exception):
    """This request was answered before; the same answer goes out again."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("replay")
        self.answer = answer

    def read(self, shape: type[T]) -> T:
        """Decode the stored answer: of what was done then, nothing else is left."""
        return msgspec.json.decode(self.answer.body, type=shape)
