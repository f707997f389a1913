"""Who waits for an engine, and how they are answered."""

import asyncio
from collections.abc import Coroutine, Sized
from dataclasses import dataclass
from typing import Any

from azukari.db.units import Tx, Unit

#: Units that may wait in one line before the next is turned away with a 503.
QUEUE_LIMIT = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A unit, and the future its caller waits on."""

    unit: Unit[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: asyncio.Future[Any]

    def start(self, tx: Tx) -> Coroutine[Any, Any, Any]:
        """The unit's coroutine, not begun."""
        return self.unit(tx, *self.args, **self.kwargs)


#: Turns of the loop without anybody new, after which nobody else is on the way.
_QUIET_TURNS = 3


async def all_on_their_way(line: Sized, most: int) -> None:
    """Wait until the line stops growing: those answered by one commit come back together, a turn or two apart.

    What a batch costs is shared by all in it, and a turn of the loop with nothing to do costs next to nothing.
    """
    quiet = 0
    while quiet < _QUIET_TURNS and len(line) < most:
        seen = len(line)
        await asyncio.sleep(0)
        quiet = quiet + 1 if len(line) == seen else 0


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
