"""Lock step: many units advance together in one transaction, and their equal statements travel together.

What keeps this sound:

1. Every update of such a unit is guarded and its row count looked at, for it may see the rows of its neighbours.
2. A unit that ends with an error before it changed a row just leaves. One that changed a row spoils the batch, as any
   error of the database does: all is rolled back, and the batch starts again without it.
3. Rows come home by the number of the unit's seat, also when a statement finds none or many.
4. Writes go in the order of their keys, so two batches that meet in the same rows wait for each other in turn.

No unit is answered before the commit, not even one that left: what it saw may not come to be.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from azukari.db.stepping import Running, Step
from azukari.db.waiting import Outcome, Waiting


class Spoiled(Exception):
    """Some units of the batch ended with an error after they had changed rows."""

    def __init__(self, spoilers: list[Waiting]) -> None:
        super().__init__("a batch was spoiled")
        self.spoilers = spoilers


async def lock_step(
    connection: Any, batch: list[Waiting], commit: Callable[[Any, list[Waiting]], Awaitable[None]]
) -> list[Outcome]:
    """Run a batch on an asyncpg connection.

    commit: called with those that ended well. Raises Spoiled, and what the driver raises; both leave the transaction
    open.
    """
    await connection.execute("BEGIN")
    units = [Running(waiting, seat) for seat, waiting in enumerate(batch)]
    try:
        while moving := [unit for unit in units if unit.step is not None]:
            await _round(connection, units, moving)
        await commit(connection, [unit.waiting for unit in units if unit.error is None])
    finally:
        for unit in units:
            unit.close()
    return [unit.outcome for unit in units]


async def _round(connection: Any, units: list[Running], moving: list[Running]) -> None:
    for sql, steps in _groups([unit.step for unit in moving if unit.step is not None]):
        for row in await connection.fetchmany(sql, [step.args for step in steps]):
            units[row[-1]].rows.append(row[:-1])
    for unit in moving:
        step, rows, unit.rows = unit.step, unit.rows, []
        assert step is not None
        unit.wrote = unit.wrote or (step.writes and bool(rows))
        unit.advance(len(rows) if step.counts else rows)
    if spoilers := [unit.waiting for unit in moving if unit.error is not None and unit.wrote]:
        raise Spoiled(spoilers)


def _groups(steps: list[Step]) -> list[tuple[str, list[Step]]]:
    """Equal statements together: reads before writes, writes by their text and, within it, by their keys."""
    reads: dict[str, list[Step]] = {}
    writes: dict[str, list[Step]] = {}
    for step in steps:
        (writes if step.writes else reads).setdefault(step.sql, []).append(step)
    for group in writes.values():
        group.sort(key=_key)
    return [*reads.items(), *sorted(writes.items())]


def _key(step: Step) -> tuple[str, ...]:
    return step.key
