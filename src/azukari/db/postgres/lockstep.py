"""Lock step: many units advance together in one transaction, and their equal statements travel together.

What keeps this sound:

1. Every update of such a unit is guarded and its row count looked at, for it may see the rows of its neighbours.
2. A unit that ends with an error before it changed a row just leaves. One that changed a row spoils the batch, as any
   error of the database does: all is rolled back, and the batch starts again without it.
3. Rows come home by the number of the unit's seat, also when a statement finds none or many.
4. Writes go in the order of their keys, so two batches that meet in the same rows wait for each other in turn.

Equal statements are one statement for many sets of parameters (``bulk.py``), unless two sets mean the same row: then
they go one after another. Nobody waits for a plain insert: those of a batch go together, before the next statement of
their unit or at the end, and where they are all there is to write, as one statement that is its own transaction.

No unit is answered before the commit, not even one that left: what it saw may not come to be.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from azukari.db.jobs import Job, Outcome
from azukari.db.postgres.bulk import ORDINAL
from azukari.db.postgres.stepping import Running, Step
from azukari.db.statements import Pick, Statement, together

#: Told what ends the transaction, and who ended well.
Commit = Callable[[Callable[[], Awaitable[str]], list[Job]], Awaitable[None]]


class BatchFailed(Exception):
    """Some units of the batch ended with an error after they had changed rows."""

    def __init__(self, spoilers: list[Job]) -> None:
        super().__init__("a batch was spoiled")
        self.spoilers = spoilers


class _Transaction:
    """A transaction that begins with the first write that has to be waited for."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._begun = False

    async def send(self, statement: Statement[Any], sets: list[dict[str, Any]]) -> list[Any]:
        """The rows of a statement for many sets of parameters, each with its set's number at its end."""
        if statement.writes:
            await self._begin()
        compiled = statement.postgres
        bulk = statement.bulk if len(sets) > 1 else None
        if bulk is None or not _apart(compiled.row, sets):
            args = [compiled.batch_args(each) for each in sets]
            return await self._connection.fetchmany(compiled.batch_sql, args)  # type: ignore[no-any-return]
        found = await self._connection.fetch(bulk.sql, *bulk.args(sets))
        if bulk.key is None:
            return found  # type: ignore[no-any-return]
        seats = {bulk.key(each): each[ORDINAL] for each in sets}
        return [(seats[tuple(key)],) for key in found]

    async def add(self, steps: list[Step], *, last: bool = False) -> None:
        """Send plain inserts, all of them as one statement; the last one of all needs no other transaction."""
        if not steps:
            return
        if not last:
            await self._begin()
        groups = _groups(steps)
        many = together(tuple(statement for statement, _ in groups))
        await self._connection.fetch(many.sql, *many.args(*([step.params for step in group] for _, group in groups)))

    async def end(self, steps: list[Step], *, well: bool) -> str:
        """Add what is left and commit, or roll back; the server's word for it."""
        await self.add(steps, last=True)
        if not self._begun:
            return "COMMIT"
        return await self._connection.execute("COMMIT" if well else "ROLLBACK")  # type: ignore[no-any-return]

    async def _begin(self) -> None:
        if not self._begun:
            await self._connection.execute("BEGIN")
            self._begun = True


async def lock_step(connection: Any, batch: list[Job], commit: Commit) -> list[Outcome]:
    """Run a batch on an asyncpg connection.

    Raises BatchFailed, and what the driver raises; both leave the transaction open.
    """
    transaction = _Transaction(connection)
    units = [Running(waiting, seat) for seat, waiting in enumerate(batch)]
    try:
        while moving := [unit for unit in units if unit.step is not None]:
            await _round(transaction, units, moving)
        well = [unit for unit in units if unit.error is None]
        end = partial(transaction.end, [step for unit in well for step in unit.adds], well=bool(well))
        await commit(end, [unit.waiting for unit in well])
    finally:
        for unit in units:
            unit.close()
    return [unit.outcome for unit in units]


async def _round(transaction: _Transaction, units: list[Running], moving: list[Running]) -> None:
    # Whoever goes on is to see what it has added.
    await transaction.add([step for unit in moving for step in unit.adds])
    for unit in moving:
        unit.wrote = unit.wrote or bool(unit.adds)
        unit.adds.clear()
    for statement, steps in _groups([unit.step for unit in moving if unit.step is not None]):
        for row in await transaction.send(statement, [step.params for step in steps]):
            units[row[-1]].rows.append(row[:-1])
    for unit in moving:
        step, rows, unit.rows = unit.step, unit.rows, []
        assert step is not None
        unit.wrote = unit.wrote or (step.statement.writes and bool(rows))
        unit.advance(len(rows) if step.counts else rows)
    if spoilers := [unit.waiting for unit in moving if unit.error is not None and unit.wrote]:
        raise BatchFailed(spoilers)


def _apart(row: Pick | None, sets: list[dict[str, Any]]) -> bool:
    """Whether each set is of another row: one statement changes a row once."""
    return row is None or len({row(each) for each in sets}) == len(sets)


def _groups(steps: list[Step]) -> list[tuple[Statement[Any], list[Step]]]:
    """Equal statements together: reads before writes, writes by their text and, within it, by their keys."""
    reads: dict[Statement[Any], list[Step]] = {}
    writes: dict[Statement[Any], list[Step]] = {}
    for step in steps:
        (writes if step.statement.writes else reads).setdefault(step.statement, []).append(step)
    for statement, group in writes.items():
        key = statement.postgres.key
        group.sort(key=lambda step, key=key: key(step.params))  # type: ignore[misc]
    return [*reads.items(), *sorted(writes.items(), key=lambda group: group[0].postgres.sql)]
