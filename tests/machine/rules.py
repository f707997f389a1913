"""What is done with sessions, by shoppers at their wallets, by strangers and by time; with what a run begins."""

from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize

from tests.machine.base import Base, way
from tests.machine.choices import (
    AMOUNTS,
    FOR_SESSIONS,
    GOOD_CARDS,
    KEYS,
    KINDS,
    KONBINI,
    MODES,
    NUMBERS,
    PAYPAY,
    PREPAID,
    SCENARIOS,
    WHICH,
    WHOSE,
    Given,
    remember_page,
    wire,
)
from tests.machine.front import Reply
from tests.machine.model import Shop
from tests.machine.payment_rules import Payments
from tests.machine.things import DAY, HOUR, SECOND, Agreement, Customer, Means, Payment, Session


class Sessions(Payments):
    """Sessions of all modes, and what their shoppers do."""

    @way(
        times=3,
        whose=WHOSE,
        mode=MODES,
        amount=AMOUNTS,
        order_num=NUMBERS,
        key=KEYS,
        manual=st.booleans(),
        which=WHICH,
        lives=st.sampled_from([86_400, 3_600, 60, 86_400]),
        scenario=SCENARIOS,
        known=st.booleans(),
    )
    def make_a_session(
        self,
        whose: int,
        mode: str,
        amount: int,
        order_num: str | None,
        lives: int,
        manual: bool,
        key: str | None,
        scenario: str | None,
        known: bool,
        which: int,
    ) -> None:
        shop = self.shops[whose]
        body: dict[str, Any] = {"mode": mode, "amount": amount, "currency": "JPY", "expires_in_seconds": lives}
        body["payment_data"] = {"capture": "manual" if manual else "auto"}
        if order_num:
            body["payment_data"]["external_order_num"] = order_num
        customer = None
        if known and shop.customers and mode != "payment":
            customer = shop.customers[-1 - which % len(shop.customers)]
            body["customer_id"] = customer.id
        self.ask(
            shop,
            "/sessions",
            body,
            lambda: shop.make_session(
                mode,
                amount,
                customer=customer,
                order_num=order_num,
                lives=lives * SECOND,
                manual=manual,
                scenario=scenario,
            ),
            key=key,
            scenario=scenario,
        )

    @way(
        times=6,
        when=lambda self: self.things("sessions"),
        which=WHICH,
        given=st.sampled_from(FOR_SESSIONS),
        token=WHICH,
        publishable=st.booleans(),
        capture=st.sampled_from([None, None, "manual"]),
    )
    def use_a_session(self, which: int, given: Means | str, token: int, publishable: bool, capture: str | None) -> None:
        session: Session = self.pick("sessions", which)
        shop = session.shop
        if given == "cancel":
            self.ask(shop, session.path + "/cancel", None, lambda: shop.cancel_session(session))
            return
        used = self.token_of(shop, token) or PAYPAY if isinstance(given, str) else given
        self._pay(session, used, publishable=publishable, capture=capture)

    def _pay(self, session: Session, used: Given, *, publishable: bool = False, capture: str | None = None) -> None:
        shop = session.shop
        body = {"payment_details": wire(used)} | ({"capture": capture} if capture else {})
        before = len(shop.payments)
        reply, said = self.ask(
            shop,
            session.path + "/pay",
            body,
            lambda: shop.pay_session(session, used, capture=None if publishable else capture),
            publishable=publishable,
        )
        assert said is not None
        if said.status != 200:
            assert reply.json["status"] == "error"
            return
        self._hold_result(session, reply, tried=len(shop.payments) > before)

    def _hold_result(self, session: Session, reply: Reply, *, tried: bool) -> None:
        assert reply.json["status"] == session.status
        assert reply.json["redirect_url"]
        if isinstance(session.waiting, Agreement):
            session.waiting.ref = reply.json["redirect_url"].rpartition("/")[2]
        if tried:
            payment = session.shop.payments[-1]
            payment.id = reply.json["payment"]["id"]
            remember_page(payment, reply.json["payment"])


class Shoppers(Base):
    """What happens at the far side, and who hears of it."""

    def at_a_page(self) -> list[Payment | Agreement]:
        """What waits there for a decision."""
        return [waiting for shop in self.shops for waiting in shop.waiting() if waiting.ref]

    def decide_far_away(self, waiting: Payment | Agreement, decision: Any) -> bool:
        """The shopper's decision at the wallet's own page."""
        return self.house.services.processors.simulator.decide(waiting.ref, decision)

    @way(
        times=4,
        when=lambda self: self.at_a_page(),
        which=WHICH,
        decision=st.sampled_from(["approved", "approved", "declined", None]),
        back=st.booleans(),
    )
    def decide_at_the_wallet(self, which: int, decision: Any, back: bool) -> None:
        found = self.at_a_page()
        self.decide(found[-1 - which % len(found)], decision, back=back)

    def decide(self, waiting: Payment | Agreement, decision: Any, *, back: bool) -> None:
        """Decide about one of them, and perhaps come back to the shop."""
        self.tick()
        self.tally["at the wallet", 200, decision] += 1
        if decision is not None:
            assert self.decide_far_away(waiting, decision)
            waiting.shop.decide(waiting, decision)
        if back:
            reply = self.run(self.house.front.call("GET", f"/return/{waiting.ref}"))
            assert reply.status in (200, 302, 303), reply.body
            waiting.shop.hear(waiting)


#: What a run may find there when it begins.
BEGINNINGS = [
    "customer", "customer", "hold", "sale", "cash", "paid", "wallet", "short", "session", "storing", "both", "token",
    "stored",
]  # fmt: skip


class Beginning(Sessions, Shoppers):
    """Each run begins with something: whichever rules it then does without, the others have something to do."""

    @initialize(kinds=st.lists(st.sampled_from(BEGINNINGS), min_size=2, max_size=5))
    def begin(self, kinds: list[str]) -> None:
        for kind in kinds:
            self._begin(self.shops[0], kind)

    def _begin(self, shop: Shop, kind: str) -> None:
        card, yen = GOOD_CARDS[0], {"amount": 2500, "currency": "JPY"}
        match kind:
            case "customer":
                body: dict[str, Any] = {"payment_details": card.wire}
                self.ask(shop, "/customers", body, lambda: shop.make_customer(None, card, None))
            case "token":
                self.ask(shop, "/tokens", {"payment_details": card.wire}, lambda: shop.make_token(card, None))
            case "session" | "storing" | "both":
                mode = {"session": "payment", "storing": "customer", "both": "customer_payment"}[kind]
                self.ask(shop, "/sessions", {"mode": mode, **yen}, lambda: shop.make_session(mode, 2500))
            case "paid":
                payment = self._pay_by(KONBINI)
                outcome = {"outcome": "paid"}
                self.ask(shop, f"/test{payment.path}/simulate", outcome, lambda: shop.simulate(payment, "paid"))
            case "stored":
                said = self.ask(
                    shop, "/sessions", {"mode": "customer", **yen}, lambda: shop.make_session("customer", 2500)
                )[1]
                assert said is not None
                self._pay(said.thing, PAYPAY)
                self.decide(said.thing.waiting, "approved", back=True)
            case _:
                self._pay_by(
                    {"cash": KONBINI, "wallet": PAYPAY, "short": PREPAID[0]}.get(kind, card), hold=kind == "hold"
                )

    def _pay_by(self, means: Means, *, hold: bool = False) -> Payment:
        shop = self.shops[0]
        body = {"payment_details": means.wire, "capture": not hold, "amount": 2500, "currency": "JPY"}
        reply, said = self.ask(shop, "/payments", body, lambda: shop.pay(means, 2500, capture=not hold))
        assert said is not None
        payment: Payment = said.thing
        remember_page(payment, reply.json)
        return payment


class Strangers(Base):
    """Other merchants, the other mode, and keys that may not."""

    @way(
        when=lambda self: any(self.things(kind) for kind in KINDS),
        kind=st.sampled_from(KINDS),
        which=WHICH,
        key=st.sampled_from(["another", "live", "publishable"]),
    )
    def come_without_the_right(self, kind: str, which: int, key: str) -> None:
        if not self.things(kind):
            return
        thing = self.pick(kind, which)
        self.tick()
        if key != "publishable":
            self._poke(thing, live=key == "live")
        elif kind != "sessions":
            reply = self.call(thing.shop, "GET", thing.path, publishable=True)
            assert (reply.status, reply.code) == (403, "forbidden")

    def _poke(self, thing: Any, *, live: bool) -> None:
        """Every road to a thing, with a key that is not its owner's: there is no such thing."""
        key = self.house.keys.live if live else self.key_of(self.other_than(thing.shop))
        missing = thing.path.rpartition("/")[0] + "/" + "0" * 25
        roads = {
            Payment: [("GET", ""), ("PATCH", ""), ("POST", "/capture"), ("POST", "/refund"), ("POST", "/cancel")],
            Customer: [("GET", ""), ("PATCH", ""), ("DELETE", "")],
            Session: [("GET", ""), ("POST", "/cancel"), ("POST", "/pay")],
        }[type(thing)]
        for method, road in roads:
            body = {} if method == "PATCH" else {"payment_details": PAYPAY.wire} if road == "/pay" else None
            found, nothing = (
                self.run(self.house.front.call(method, path + road, key, body)) for path in (thing.path, missing)
            )
            assert (found.status, found.code) == (404, "not_found"), f"{method} {road}: {found.status} {found.body!r}"
            assert found.body == nothing.body

    def other_than(self, shop: Shop) -> Shop:
        """The other merchant."""
        return next(other for other in self.shops if other is not shop)

    @way(what=st.sampled_from(["token", "token kept", "customer", "nothing", "both"]), which=WHICH)
    def pay_with_what_is_not_theirs(self, what: str, which: int) -> None:
        kind = "customers" if what == "customer" else "tokens"
        if what not in ("nothing", "both") and not self.things(kind):
            return
        self.tick()
        body: dict[str, Any] = {"amount": 300, "currency": "JPY"}
        shop, path = self.shops[0], "/payments"
        match what:
            case "nothing":
                expected = (422, "missing_parameter")
            case "both":
                body, expected = (
                    body | {"payment_details": PAYPAY.wire, "customer": "x" * 25},
                    (422, "invalid_parameter"),
                )
            case "customer":
                customer = self.pick(kind, which)
                shop, body, expected = self.other_than(customer.shop), body | {"customer": customer.id}, NOT_THERE
            case _:
                token = self.pick(kind, which)
                shop, body, expected = self.other_than(token.shop), {**body, "payment_details": token.id}, NOT_GOOD
                path = "/customers" if what == "token kept" else path
        reply = self.call(shop, "POST", path, body)
        assert (reply.status, reply.code) == expected


NOT_THERE, NOT_GOOD = (404, "not_found"), (422, "invalid_token")


class Time(Base):
    """Time passes, with the worker and without."""

    @way(times=2, days=st.sampled_from([0, 0, 0, 1, 2, 4, 31]), works=st.sampled_from([True, True, False]))
    def time_passes(self, days: int, works: bool) -> None:
        self.tick(days * DAY + 2 * HOUR)
        if works:
            self.work()
