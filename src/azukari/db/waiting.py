"""Who waits for an engine, and how they are answered."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from azukari.db.units import Tx, Unit

#: Units that may wait in one line before the next is turned away with a 503.
WAITING = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A unit, and the future its caller waits on."""

    unit: Unit[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: asyncio.Future[Any]

    def start(self, tx: Tx) -> Coroutine[Any, Any, Any]:
        """The unit's coroutine, not begun."""
        return self.unit(tx, *self.args, **self.kwargs)


#: Whom to answer, with what value, or with what error.
Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]


def answer_all(outcomes: list[Outcome]) -> None:
    """Wake the callers up. Runs in their loop."""
    for answer, value, error in outcomes:
        if answer.done():  # its caller has gone away
            continue
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)
