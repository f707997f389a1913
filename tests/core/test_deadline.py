"""A time limit for what a task waits for."""

import asyncio

import pytest

from azukari.core.deadline import Deadline


async def test_what_ends_in_time_is_not_touched() -> None:
    with Deadline(60):
        await asyncio.sleep(0)

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_what_takes_longer_is_given_up() -> None:
    with pytest.raises(TimeoutError), Deadline(0):
        await asyncio.Event().wait()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    await asyncio.sleep(0)


async def test_an_error_of_its_own_is_not_taken_for_a_timeout() -> None:
    async def break_down() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError from None

    with pytest.raises(KeyError), Deadline(0):
        await break_down()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_a_task_that_is_cancelled_stays_cancelled() -> None:
    async def work() -> None:
        with Deadline(60):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_in_the_moment_its_time_ends_stays_cancelled() -> None:
    async def twice() -> None:
        deadline = Deadline(60)
        with deadline:
            deadline._end()
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(twice())

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_limits_the_one_that_ended_is_told() -> None:
    async def inner() -> None:
        with Deadline(60):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError), Deadline(0):
        await inner()
