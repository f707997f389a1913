"""A time limit for what a task waits for."""

import asyncio
from types import TracebackType


class Deadline:
    """``with Deadline(seconds): await …`` raises TimeoutError when that takes longer.

    ``asyncio.timeout`` by its own rules (whoever cancels the task from outside still cancels it) at a third of its
    cost: every charge has one.
    """

    __slots__ = ("_cancelling", "_handle", "_is_over", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._handle = loop.call_later(self._seconds, self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        # Ours is taken back; should somebody else have cancelled the task as well, theirs stands.
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
