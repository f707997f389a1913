"""Names, looked up by the system, with a share for each owner.

Only the system's own resolver knows ``/etc/hosts``, ``resolv.conf`` and whatever else the machine is set up with. It
can be neither hurried nor stopped: a thread that asks for a name whose servers are silent is gone for half a minute.
So an owner has two threads at most, and waits for itself alone; the end of the process waits for none.
"""

import asyncio
import functools
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress

#: The addresses of a name, as text. Raises OSError.
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

#: Threads of one owner, and of all.
SHARE, MOST = 2, 256
#: Seconds for which a name that was not answered in time is not asked for again. Less than passes before a delivery is
#: tried again, so that each try asks.
REMEMBERED = 45
_MOST_REMEMBERED = 10_000

_Answer = Sequence[str] | OSError


class _Question:
    """One name of one owner, and all who wait for it. asked: a thread has it."""

    def __init__(self, owner: Hashable, host: str, port: int) -> None:
        self.owner, self.host, self.port = owner, host, port
        self.waiting: list[asyncio.Future[Sequence[str]]] = []
        self.asked = False

    def ask(self) -> _Answer:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except OSError as error:
            return error
        except UnicodeError:
            return socket.gaierror(socket.EAI_NONAME, "no name")
        return list(dict.fromkeys(str(each[4][0]) for each in found))


class Names:
    """Looks names up. seconds: how long whoever asks waits for it."""

    def __init__(self, seconds: float, *, share: int = SHARE, most: int = MOST) -> None:
        self._seconds, self._share, self._most = seconds, share, most
        self._lock = threading.Lock()
        self._questions: dict[tuple[Hashable, str], _Question] = {}
        self._waiting: dict[Hashable, deque[_Question]] = {}
        self._busy: Counter[Hashable] = Counter()
        self._silent: dict[tuple[Hashable, str], float] = {}

    def of(self, owner: Hashable) -> Lookup:
        """Look-ups out of an owner's share."""
        return functools.partial(self.find, owner)

    async def find(self, owner: Hashable, host: str, port: int) -> Sequence[str]:
        """A name's addresses, the system's choice first. Raises OSError: there is no answer, or none in time."""
        if self._silent.get((owner, host), 0) > time.monotonic():
            raise TimeoutError
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        question = self._put(owner, host, port, answer)
        try:
            async with asyncio.timeout(self._seconds):
                return await answer
        except TimeoutError:
            if question.asked:
                self._remember(owner, host)
            raise

    def _remember(self, owner: Hashable, host: str) -> None:
        while len(self._silent) >= _MOST_REMEMBERED:
            del self._silent[next(iter(self._silent))]
        self._silent[owner, host] = time.monotonic() + REMEMBERED

    def _put(self, owner: Hashable, host: str, port: int, answer: asyncio.Future[Sequence[str]]) -> _Question:
        with self._lock:
            question = self._questions.get((owner, host))
            if question is None:
                question = self._questions[owner, host] = _Question(owner, host, port)
                self._waiting.setdefault(owner, deque()).append(question)
            question.waiting.append(answer)
            following = self._take()
        if following is not None:
            self._start(following)
        return question

    def _start(self, question: _Question) -> None:
        try:
            threading.Thread(target=self._work, args=(question,), name="resolve", daemon=True).start()
        except RuntimeError:
            self._end(question, OSError("the system has no thread left"))

    def _work(self, question: _Question | None) -> None:
        while question is not None:
            self._end(question, question.ask())
            with self._lock:
                question = self._take()

    def _take(self) -> _Question | None:
        """The next one to ask, under the lock: the oldest of the owner with the fewest threads."""
        while self._waiting and self._busy.total() < self._most:
            owner = min(self._waiting, key=self._busy.__getitem__)
            if self._busy[owner] >= self._share:
                return None
            question = self._waiting[owner].popleft()
            if not self._waiting[owner]:
                del self._waiting[owner]
            if not all(each.done() for each in question.waiting):
                question.asked = True
                self._busy[owner] += 1
                return question
            # They have given up.
            del self._questions[owner, question.host]
        return None

    def _end(self, question: _Question, answer: _Answer) -> None:
        with self._lock:
            self._busy[question.owner] -= 1
            if not self._busy[question.owner]:
                del self._busy[question.owner]
            del self._questions[question.owner, question.host]
        for each in question.waiting:
            with suppress(RuntimeError):  # its loop is closed
                each.get_loop().call_soon_threadsafe(_tell, each, answer)


def _tell(waiting: asyncio.Future[Sequence[str]], answer: _Answer) -> None:
    if waiting.done():
        return
    if isinstance(answer, OSError):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
