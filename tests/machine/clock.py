"""The merchant's test clock: set, advanced, frozen, set free, reset; what falls due on the way is done in its order.

The mixin is part of the machine where there is a room for travelling through time.
"""

from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis import note

from tests.machine.base import Base, way
from tests.machine.choices import WHOSE
from tests.machine.model import Shop
from tests.machine.subscriptions import Subscriptions
from tests.machine.things import DAY, HOUR, SECOND, Agreement, Payment, Session, iso

SPANS = {"PT1H": HOUR, "P1D": DAY, "P3D": 3 * DAY, "P1W": 7 * DAY, "P31D": 31 * DAY, "P62D": 62 * DAY}


class Hand:
    """What a merchant's clock shows: so much ahead of the machine's, or always the same."""

    def __init__(self) -> None:
        self.ahead = 0
        self.frozen_at: int | None = None

    def at(self, system_now: int) -> int:
        return system_now + self.ahead if self.frozen_at is None else self.frozen_at

    def set_to(self, moment: int, system_now: int) -> None:
        if self.frozen_at is None:
            self.ahead = moment - system_now
        else:
            self.ahead, self.frozen_at = 0, moment


class Clocks(Base):
    """Each merchant's own time."""

    happens: ClassVar = {("POST /test/clock", 200, None), ("GET /test/clock", 200, None)}

    def __init__(self) -> None:
        super().__init__()
        self.hands = {shop.name: Hand() for shop in self.shops}
        for shop in self.shops:
            shop.clock = self.hands[shop.name].at

    @way(whose=WHOSE, what=st.sampled_from(["freeze", "run", "reset", "back", "look"]))
    def set_the_clock(self, whose: int, what: str) -> None:
        self.tick()
        shop = self.shops[whose]
        hand, system_now = self.hands[shop.name], self.world.now
        now = hand.at(system_now)
        match what:
            case "freeze":
                body: dict[str, Any] | None = {"freeze": True}
                hand.ahead, hand.frozen_at = 0, now
            case "run":
                body = {"freeze": False}
                hand.ahead, hand.frozen_at = now - system_now, None
            case "reset":
                body = {"reset": True}
                hand.ahead, hand.frozen_at = 0, None
            case "back":
                body = {"now": iso(now - DAY)}
                hand.set_to((now - DAY) // SECOND * SECOND, system_now)
            case _:
                body = None
        self._hold_clock(shop, body)

    @way(times=3, whose=WHOSE, span=st.sampled_from(sorted(SPANS)), exactly=st.booleans())
    def advance_the_clock(self, whose: int, span: str, exactly: bool) -> None:
        self.tick()
        shop = self.shops[whose]
        to = shop.now + SPANS[span]
        if exactly:
            to = to // SECOND * SECOND
        self._travel(shop, to)
        self._hold_clock(shop, {"now": iso(to)} if exactly else {"advance": span})

    def _hold_clock(self, shop: Shop, body: dict[str, Any] | None) -> None:
        hand = self.hands[shop.name]
        method = "GET" if body is None else "POST"
        reply = self.call(shop, method, "/test/clock", body)
        note(f"{shop.name}: {method} /test/clock {body or ''}: {reply.body.decode()}")
        self.tally[f"{method} /test/clock", reply.status, reply.code] += 1
        assert reply.status == 200, reply.body
        assert reply.json == {
            "resource": "test_clock",
            "now": iso(shop.now),
            "frozen": hand.frozen_at is not None,
            "real": hand.ahead == 0 and hand.frozen_at is None,
        }

    def _travel(self, shop: Shop, to: int) -> None:
        """From one due moment to the next."""
        hand = self.hands[shop.name]
        while True:
            self.do_due(shop)
            ahead = min((due for due in self.dues(shop) if due > shop.now), default=to)
            if ahead >= to:
                break
            hand.set_to(ahead, self.world.now)
        hand.set_to(to, self.world.now)
        self.do_due(shop)

    def decide_far_away(self, waiting: Payment | Agreement, decision: Any) -> bool:
        """The far side goes by the merchant's clock too."""
        decide: Any = self.house.services.processors.simulator.decide
        return bool(decide(waiting.ref, decision, waiting.shop.now))

    def wind_up(self) -> None:
        """The journal is read by the machine's clock."""
        super().wind_up()
        self.tick()
        for shop in self.shops:
            hand = self.hands[shop.name]
            hand.ahead, hand.frozen_at = 0, None
            self._hold_clock(shop, {"reset": True})

    def dues(self, shop: Shop) -> list[int]:
        """When something falls due."""
        payments = [
            payment.deadline
            for payment in shop.payments
            if payment.deadline is not None and payment.status in ("pending", "authorized")
        ]
        sessions = [
            session.expires_at for session in shop.sessions if session.status == "pending" and not session.ended
        ]
        renewals: list[int] = []
        if isinstance(self, Subscriptions):
            renewals = [each.due_at for each in self.books[shop.name].all if each.due_at is not None]
        return payments + sessions + renewals

    def do_due(self, shop: Shop) -> None:
        """What is due by now, and what falls due by that."""
        for payment in shop.payments:
            self._end(payment)
        for session in shop.sessions:
            self._end_session(session)
        if isinstance(self, Subscriptions):
            while renewed := self.books[shop.name].renew():
                self.tally["renewal", 200, None] += renewed

    def _end(self, payment: Payment) -> None:
        shop = payment.shop
        if payment.deadline is None or payment.deadline > shop.now or payment.status not in ("pending", "authorized"):
            return
        if payment.waits:
            shop.hear(payment)
        else:
            payment.status, payment.deadline = "expired", None
            shop.record("payment.expired", payment)

    def _end_session(self, session: Session) -> None:
        if session.is_expired and not session.ended:
            session.shop.end_session(session)
