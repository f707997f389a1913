"""Units run step by step: each ``await tx.…`` hands the engine a statement and sleeps until it has the rows.

No event loop is asked: whatever else a unit waits for comes to the engine instead of a step, and is refused.
"""

from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from azukari.db.jobs import Job, Outcome
from azukari.db.postgres.bulk import ORDINAL
from azukari.db.statements import Statement
from azukari.db.units import Owner, fill, name_of, waits

R = TypeVar("R")


class Step:
    """One statement a unit waits for.

    params: the values of its binds, by name.
    counts: the unit wants the number of changed rows, not the rows.
    """

    __slots__ = ("counts", "params", "statement")

    def __init__(self, statement: Statement[Any], params: dict[str, Any], *, counts: bool) -> None:
        self.statement = statement
        self.params = params
        self.counts = counts

    def __await__(self) -> Generator["Step", Any, Any]:
        return (yield self)


class StepTx:
    """A unit's transaction, alone or on a seat of a batch: its rows come back under the seat's number."""

    __slots__ = ("_seat",)

    def __init__(self, seat: int | None = None) -> None:
        self._seat = seat

    def _step(self, statement: Statement[Any], owner: Owner | None, params: dict[str, Any], counts: bool) -> Step:
        fill(statement, owner, params)
        if self._seat is not None:
            params[ORDINAL] = self._seat
        return Step(statement, params, counts=counts)

    async def one(self, statement: Statement[R], owner: Owner | None, /, **params: Any) -> R | None:
        rows = await self._step(statement, owner, params, False)
        return statement.into(*rows[0]) if rows else None  # type: ignore[misc]

    async def all(self, statement: Statement[R], owner: Owner | None, /, **params: Any) -> list[R]:
        into = statement.into
        return [into(*row) for row in await self._step(statement, owner, params, False)]  # type: ignore[misc]

    async def run(self, statement: Statement[Any], owner: Owner | None, /, **params: Any) -> int:
        count: int = await self._step(statement, owner, params, True)
        return count


class Running:
    """A unit between its first step and its end.

    step: what it waits for; None once it has ended, with ``value`` or with ``error``.
    adds: on a seat, its plain inserts that are not sent yet: it went on as if they were.
    wrote: it has changed a row.
    """

    __slots__ = ("_coroutine", "_seat", "adds", "error", "rows", "step", "value", "waiting", "wrote")

    def __init__(self, waiting: Job, seat: int | None = None) -> None:
        self.waiting = waiting
        self.step: Step | None = None
        self.adds: list[Step] = []
        self._seat = seat
        self.rows: list[Any] = []
        self.wrote = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        try:
            self._coroutine = waiting.start(StepTx(seat))
        except BaseException as error:  # arguments that do not fit the unit
            self.error = error
        else:
            self.advance(None)

    def advance(self, answer: Any) -> None:
        """Run on to the next step, or to the end. answer: rows or a count, for the step before."""
        assert self._coroutine is not None
        self.step = None
        try:
            step = self._coroutine.send(answer)
        except StopIteration as end:
            self.value = end.value
        except BaseException as error:
            self.error = error
        else:
            if isinstance(step, Step):
                if self._seat is not None and step.counts and step.statement.adds:
                    self.adds.append(step)
                    self.advance(1)
                else:
                    self.step = step
            else:
                self.fail(waits(name_of(self.waiting.unit), step))

    def fail(self, error: BaseException) -> None:
        """End it with an error that is not its own."""
        self.close()
        self.error = self.error or error

    def close(self) -> None:
        """Let go of a unit, at its end or before."""
        self.step = None
        try:
            if self._coroutine is not None:
                self._coroutine.close()
        except BaseException as error:  # it clings to its tx
            self.error = error

    @property
    def outcome(self) -> Outcome:
        return self.waiting.answer, self.value, self.error
