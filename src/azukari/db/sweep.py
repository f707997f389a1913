"""What is due, each in its turn: a row that cannot be done stays due, and those behind it come all the same."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from azukari.core import log
from azukari.core.errors import Unavailable
from azukari.db.tables import Text, Time

R = TypeVar("R")


class Cursor(NamedTuple):
    """Where a row stands: when it was due, and its id."""

    at: int
    id: str

    @property
    def binds(self) -> dict[str, Any]:
        """What a statement with :func:`after_cursor` is given."""
        return {"place_at": self.at, "place_id": self.id}


#: Before every row.
START = Cursor(0, "")


def after_cursor(at: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Rows that stand behind a place, where they are read in the order of this time and the id."""
    place = sa.tuple_(sa.bindparam("place_at", type_=Time), sa.bindparam("place_id", type_=Text))
    return sa.tuple_(at, at.table.c.id) > place


async def sweep_due(
    read: Callable[[Cursor], Awaitable[list[R]]],
    place: Callable[[R], Cursor],
    do: Callable[[R], Awaitable[bool]],
    *,
    step: str,
    named: str | None = None,
) -> int:
    """Do each row that is due, and say how many were done. One that fails is logged; the others go on.

    read: the first rows behind a place. do: one of them; whether it was done. step, named: for the log, what is being
    done, and which of its fields tells a row's id; None: none may.
    """
    done, at = 0, START
    while found := await read(at):
        for row in found:
            at = place(row)
            told = {} if named is None else {named: at.id}
            try:
                done += await do(row)
            except Unavailable:
                log.warning("worker.database_down", step=step, **told)
            except Exception as error:
                log.bug("not done in its turn", error, step=step, **told)
    return done
