"""What goes back over the wire."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

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


class Replay(Exception):
    """This request was answered before; the same answer goes out again."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("replay")
        self.answer = answer
