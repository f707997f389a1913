"""What all stands on: one house and its model, a request that both answer, and the comparison after each step."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from azukari import worker
from tests.machine.bank import Bank
from tests.machine.front import Reply
from tests.machine.houses import House, Houses
from tests.machine.model import Shop
from tests.machine.things import DAY, HOUR, SECOND, Agreement, Event, Payment, Said, Session, Token, World, iso

#: Half past eleven in the evening in Japan, the day before the last one of a January in a leap year.
START = 1_832_855_400_000
PAGE = {"per_page": 100}
ASK_AGAIN = "x-komoju-idempotency"


@dataclass(frozen=True)
class Known:
    """A request under an idempotency key, and its answer."""

    request: tuple[str, Any]
    at: int
    reply: Reply


@dataclass(frozen=True)
class Way:
    """Something that can be done. times: how often it is among the choices. when: whether it can be done now."""

    name: str
    does: Callable[..., None]
    times: int
    when: Callable[[Any], Any]
    given: st.SearchStrategy[dict[str, Any]]


def way(
    times: int = 1, when: Callable[[Any], Any] = lambda self: True, **given: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A method of the machine that is one of the things it may do, with arguments drawn from ``given``."""

    def mark(does: Callable[..., None]) -> Callable[..., None]:
        does.way = Way(does.__name__, does, times, when, st.fixed_dictionaries(given))  # type: ignore[attr-defined]
        return does

    return mark


def _nothing() -> Said:
    raise AssertionError("a repeat does nothing")


class Base(RuleBasedStateMachine):
    """Opens a house for the run. Its one rule does one of the ways, and after each the two are compared.

    Rules of their own Hypothesis would leave out of most runs, half of them each time; the life of a payment needs
    nearly all.
    """

    runner: ClassVar[asyncio.Runner]
    houses: ClassVar[Houses]
    #: How often each operation was answered how, over all runs.
    tally: ClassVar[Counter[tuple[str, int, str | None]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._open = AsyncExitStack()
        self.house: House = self.run(self._open.enter_async_context(self.houses.fresh(START)))
        self.world = World(START)
        self.shops = [Shop(self.world, name) for name in ("ours", "theirs")]
        self.bank = Bank(self.house.services.settings.data)
        self._known: dict[tuple[str, bool, str], Known] = {}
        self._sound = True
        #: Sessions as they were shown last: there is no list of them, and those that stay as they were are looked at
        #: once more at the end.
        self._held: dict[str, dict[str, Any]] = {}
        #: Whose requests there were since the last look.
        self._touched: list[Shop] = []

    def run(self, work: Any) -> Any:
        """Wait for it, on the machine's one loop."""
        return self.runner.get_loop().run_until_complete(work)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """One of all the ways there are."""
        found = [getattr(getattr(type(self), name), "way", None) for name in dir(type(self))]
        every: dict[str, Way] = {each.name: each for each in found if each is not None}
        open_now = [each.name for each in every.values() for _ in range(each.times) if each.when(self)]
        chosen = every[data.draw(st.sampled_from(open_now), label="way")]
        chosen.does(self, **data.draw(chosen.given, label="with"))

    # Asking

    def key_of(self, shop: Shop, *, publishable: bool = False) -> str:
        keys = self.house.keys.publishable if publishable else self.house.keys.secret
        return keys[self.shops.index(shop)]

    def call(self, shop: Shop, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """A request of a merchant, or of a page of theirs."""
        key = self.key_of(shop, publishable=more.pop("publishable", False))
        reply: Reply = self.run(self.house.front.call(method, path, key, body, **more))
        return reply

    def ask(
        self,
        shop: Shop,
        path: str,
        body: Any,
        act: Callable[[], Said],
        *,
        method: str = "POST",
        key: str | None = None,
        scenario: str | None = None,
        publishable: bool = False,
    ) -> tuple[Reply, Said | None]:
        """The same of the server and of the model.

        act: what the model does. key: for idempotency; those of a publishable key are names of its own.
        Returns what the model says too: None when it was a repeat.
        """
        self.tick()
        self._touched = [shop]
        headers = {}
        if scenario is not None:
            headers["komoju-scenario"] = scenario
        if key is not None:
            headers[ASK_AGAIN] = key
        known = self._known.get((shop.name, publishable, key or ""))
        if known is not None and shop.now - known.at >= DAY:
            known = None
        said = None if known is not None else act()
        reply = self.call(shop, method, path, body, headers=headers, publishable=publishable)
        if known is not None:
            note(f"{shop.name}: {method} {path} {body} {headers}, again: {reply.status} {reply.code or ''}")
            self.tally["again", reply.status, reply.code] += 1
            self._hold_repeat(known, (path, body), reply)
            return reply, None
        assert said is not None
        found = (reply.status, reply.code)
        note(f"{shop.name}: {method} {path} {body} {headers or ''}: {reply.status} {reply.code or ''}")
        self.tally[f"{method} {_template(path)}", *found] += 1
        assert found == (said.status, said.code), f"{method} {path}: {found}, not {said.status, said.code}"
        if said.param is not None:
            assert reply.param == said.param, f"{method} {path}: {reply.param}, not {said.param}"
        if key is not None and said.kept:
            self._known[shop.name, publishable, key] = Known((path, body), shop.now, reply)
        if said.status == 200:
            self._hold_thing(said.thing, reply)
        return reply, said

    def repeatable(self) -> list[tuple[Shop, bool, str, Known]]:
        """Requests whose key is still known: merchant, publishable, key."""
        shops = {shop.name: shop for shop in self.shops}
        found = [(shops[name], *rest, known) for (name, *rest), known in self._known.items()]
        return [each for each in found if each[0].now - each[-1].at < DAY - HOUR]

    @way(when=lambda self: self.repeatable(), which=st.integers(0, 8))
    def send_again(self, which: int) -> None:
        found = self.repeatable()
        shop, publishable, key, known = found[which % len(found)]
        self.ask(shop, *known.request, _nothing, key=key, publishable=publishable)

    def _hold_repeat(self, known: Known, request: tuple[str, Any], reply: Reply) -> None:
        if known.request != request:
            found = (reply.status, reply.code, reply.param)
            assert found == (422, "invalid_parameter", "X-KOMOJU-IDEMPOTENCY"), f"a key of {known}: {found}"
            return
        assert (reply.status, reply.body) == (known.reply.status, known.reply.body), f"{known}: {reply}"
        assert reply.headers["x-idempotent-replayed"] == "true"

    def _hold_thing(self, thing: Any, reply: Reply) -> None:
        """What an answer is about is what the model has."""
        if isinstance(thing, dict):
            hold(thing, reply.json)
        elif hasattr(thing, "id") and reply.json.get("resource") is not None:
            thing.id = thing.id or reply.json["id"]
            if isinstance(thing, Session) and thing.customer is not None:
                thing.customer.id = thing.customer.id or reply.json["customer_id"]
            assert reply.json["id"] == thing.id
            if hasattr(thing, "learn"):
                thing.learn(reply.json)
            if not isinstance(thing, Token):
                hold(thing.shown(), reply.json)

    def things(self, kind: str) -> list[Any]:
        """All of a kind, both merchants'."""
        return [thing for shop in self.shops for thing in getattr(shop, kind)]

    def pick(self, kind: str, which: int) -> Any:
        """One of them: 0 is the one that was made last."""
        found = sorted(self.things(kind), key=lambda thing: thing.born)
        return found[-1 - which % len(found)]

    # Time

    def tick(self, milliseconds: int = SECOND) -> None:
        """Move the machine's clock on."""
        self.world.now += milliseconds
        self.house.clock.time = self.world.now

    def work(self) -> None:
        """A round of everything the worker does, after a pause in which everything that waits has become due."""
        self.tick(HOUR + SECOND)
        self.run(self._rounds())
        for shop in self.shops:
            self.work_model(shop)

    def work_model(self, shop: Shop) -> None:
        """The same of the model. What has lived its day is gone for good, wherever a clock may go."""
        shop.work()
        for whose, known in list(self._known.items()):
            if whose[0] == shop.name and shop.now - known.at >= DAY:
                del self._known[whose]

    async def _rounds(self) -> None:
        for work, _ in worker.ROUNDS:
            await work(self.house.services)

    # Comparing

    @invariant()
    def agrees(self) -> None:
        """What is shown is what the model has, and the sums are the bank's. Both merchants' where nobody was named."""
        self._sound = False
        for shop in self._touched or self.shops:
            self.hold_shop(shop)
        self._touched = []
        self.hold_sums()
        self._sound = True

    def hold_shop(self, shop: Shop) -> None:
        """Everything of a merchant's."""
        self.hold_list(shop, "/customers", shop.live_customers())
        self.hold_list(shop, "/payments", shop.payments)
        self.hold_more(shop)
        for session in shop.sessions:
            expected = session.shown()
            if self._held.get(session.id) != expected:
                reply = self.call(shop, "GET", session.path)
                assert reply.status == 200
                hold(expected, reply.json)
                self._held[session.id] = expected
        self._hold_events(shop)

    def hold_more(self, shop: Shop) -> None:
        """What else there is."""

    def hold_list(self, shop: Shop, path: str, expected: list[Any]) -> None:
        """A whole list, newest first; what has no name yet gets the one it has there."""
        listed = self.call(shop, "GET", path, query=PAGE).json
        assert listed["total"] == len(expected), f"{path}: {listed['total']}, not {len(expected)}"
        for place, shown in enumerate(reversed(listed["data"])):
            thing = expected[place]
            if not thing.id:
                self._name(expected, place, shown)
                thing = expected[place]
            assert thing.id == shown["id"]
            hold(thing.shown(), shown)

    def _name(self, expected: list[Any], place: int, shown: dict[str, Any]) -> None:
        """What has no name yet gets this one: what fell due at one moment was done in any order."""
        for other, thing in enumerate(expected[place:], place):
            if thing.id:
                continue
            thing.id = shown["id"]
            with suppress(AssertionError):
                hold(thing.shown(), shown)
                expected[place], expected[other] = thing, expected[place]
                return
            thing.id = ""
        expected[place].id = shown["id"]

    def _hold_events(self, shop: Shop) -> None:
        """Exactly the model's: those of one thing in its order, those of several in any."""
        fresh = [event for event in shop.events if not event.id]
        listed = self.call(shop, "GET", "/events", query={"per_page": 100 if len(fresh) > 20 else 25}).json
        assert listed["total"] == len(shop.events), (
            f"{listed['total']} events, not {len(shop.events)}: {[event['type'] for event in listed['data']]} "
            f"against {[event.type for event in reversed(shop.events)]}"
        )
        seen = {event.id for event in shop.events if event.id}
        for shown in reversed(listed["data"][: len(fresh)]):
            assert shown["id"] not in seen
            event = next(event for event in fresh if event.about.id == shown["data"]["id"] and not event.id)
            event.id = shown["id"]
            self._hold_event(event, shown)

    def _hold_event(self, event: Event, shown: dict[str, Any]) -> None:
        assert (shown["type"], shown["created_at"], shown["reason"]) == (event.type, iso(event.at), None)
        hold(event.data, shown["data"])

    def hold_sums(self) -> None:
        """No row of ours against another of ours: what the far side has taken and given back, charge by charge."""
        ours = Counter[tuple[int, int]]()
        for shop in self.shops:
            for payment in shop.payments:
                assert 0 <= payment.refunded + sum(payment.requests) <= payment.captured <= payment.total
                # What a shopper has paid a moment ago nobody may have heard of.
                taken = payment.total if payment.far == "approved" and not payment.hold else payment.captured
                if taken:
                    ours[taken, payment.refunded] += 1
        theirs = self.bank.sums()
        assert theirs == ours, f"the bank has {theirs}, not {ours}"

    def ref_of(self, waiting: Payment | Agreement) -> str:
        """Of the page where its shopper decides."""
        return waiting.ref

    def wind_up(self) -> None:
        """Before the books are compared at the end of a run."""

    def teardown(self) -> None:
        try:
            if self._sound:
                self.wind_up()
                self.work()
                self._held = {}
                self.agrees()
                self.tick(HOUR)
                self.run(self._rounds())  # what was ended is given back at the far side too
                self.run(self.house.hold_against_book())
        finally:
            self.run(self._open.aclose())


def _template(path: str) -> str:
    return "/".join("{id}" if len(part) == 25 else part for part in path.split("/"))


def hold(expected: Any, shown: Any, where: str = "") -> None:
    """Raise AssertionError unless everything that is expected is shown; more may be."""
    if isinstance(expected, dict) and isinstance(shown, dict):
        for name, value in expected.items():
            assert name in shown, f"{where}.{name} is not shown"
            hold(value, shown[name], f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(shown, list):
        assert len(expected) == len(shown), f"{where}: {len(shown)}, not {len(expected)}: {shown}"
        for number, value in enumerate(expected):
            hold(value, shown[number], f"{where}[{number}]")
    else:
        assert expected == shown, f"{where}: {shown!r}, not {expected!r}"
