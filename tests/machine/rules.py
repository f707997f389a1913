"""What is done: everything a merchant, a shopper, time and a stranger do with tokens, customers, payments, sessions."""

from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize

from tests.machine.base import Base, way
from tests.machine.front import Reply
from tests.machine.model import (
    DAY,
    FULL,
    HOUR,
    REFUSED,
    SECOND,
    Agreement,
    Customer,
    Means,
    Payment,
    Said,
    Session,
    Shop,
    Token,
)

GOOD = ("4111111111111111", "5555555555554444", "3530111333300000")
GOOD_CARDS = [Means("credit_card", number) for number in GOOD]
CARDS = [*GOOD_CARDS, *GOOD_CARDS, *(Means("credit_card", number) for number in REFUSED)]
KONBINI, PAYPAY = Means("konbini"), Means("paypay")
#: One that everybody types, two that nobody has used, and one that is refused.
PREPAID = [
    Means("web_money", number) for number in (FULL, FULL, "abcd1234efgh5678", "efgh1234abcd9999", "e111111111111112")
]
MEANS = [*CARDS, *[KONBINI, PAYPAY] * 5, *PREPAID]
#: What a session is paid with, or that it is cancelled.
FOR_SESSIONS = [*GOOD_CARDS, *[PAYPAY, PAYPAY, KONBINI] * 3, *["cancel", "token"] * 2, *CARDS, *PREPAID]
AMOUNTS = st.sampled_from([1000, 300, 2500, 5000, 1])
PARTS = st.sampled_from([None, None, 300, 1000, 1, 5000])
CURRENCIES = st.sampled_from(["JPY"] * 5 + ["USD"])
KEYS = st.sampled_from([None, None, None, None, "key-1", "key-2"])
NUMBERS = st.sampled_from([None, None, "order-1", "order-2"])
SCENARIOS = st.sampled_from([None] * 6 + ["insufficient_funds", "fraudulent"])
WHOSE = st.sampled_from([0, 0, 0, 1])
WORDS = st.sampled_from(["Tea", "二つ"])
MODES = st.sampled_from(["payment", "payment", "customer", "customer_payment"])
#: Mostly what was made last.
WHICH = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, 8])
KINDS = ["payments", "customers", "sessions"]
ACCOUNT = {
    "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001", "account_type": "normal",
    "account_number": "1234567",
}  # fmt: skip

Given = Means | Token


def wire(given: Given) -> object:
    """As ``payment_details`` says it."""
    return given.id if isinstance(given, Token) else given.wire


class Tokens(Base):
    """Tokens, which are good once and for a day."""

    @way(
        times=2,
        whose=WHOSE,
        means=st.sampled_from(MEANS),
        key=KEYS,
        publishable=st.booleans(),
        currency=st.sampled_from([None, None, "JPY", "USD"]),
    )
    def make_a_token(self, whose: int, means: Means, currency: str | None, key: str | None, publishable: bool) -> None:
        shop = self.shops[whose]
        body: dict[str, Any] = {"payment_details": means.wire}
        if currency:
            body["currency"] = currency
        if means.type == "web_money":
            key = None  # refused as it is read, before any key is looked at
        self.ask(shop, "/tokens", body, lambda: shop.make_token(means, currency), key=key, publishable=publishable)

    def token_of(self, shop: Shop, which: int) -> Token | None:
        """One of the merchant's."""
        return shop.tokens[-1 - which % len(shop.tokens)] if shop.tokens else None


class Customers(Tokens):
    """Customers, with what they keep and without."""

    @way(
        times=2,
        whose=WHOSE,
        given=st.sampled_from([*GOOD_CARDS, None, "token", *CARDS, KONBINI]),
        key=KEYS,
        which=WHICH,
        scenario=SCENARIOS,
        email=st.sampled_from([None, "a@example.com"]),
    )
    def make_a_customer(
        self,
        whose: int,
        given: Means | str | None,
        email: str | None,
        key: str | None,
        scenario: str | None,
        which: int,
    ) -> None:
        shop = self.shops[whose]
        if isinstance(given, Means) and given.type != "credit_card":
            key = None  # refused as it is read
        used = self.token_of(shop, which) if isinstance(given, str) else given
        body: dict[str, Any] = {"email": email}
        if used is not None:
            body["payment_details"] = wire(used)
        self.ask(
            shop, "/customers", body, lambda: shop.make_customer(email, used, scenario), key=key, scenario=scenario
        )

    @way(
        times=3,
        when=lambda self: self.things("customers"),
        which=WHICH,
        card=st.sampled_from(CARDS),
        word=WORDS,
        token=WHICH,
        what=st.sampled_from(["describe", "card", "card", "token", "wallet", "revoke", "delete"]),
    )
    def use_a_customer(self, which: int, what: str, card: Means, word: str, token: int) -> None:
        customer: Customer = self.pick("customers", which)
        shop = customer.shop
        if what == "delete":
            self.ask(shop, customer.path, None, lambda: shop.delete_customer(customer), method="DELETE")
            return
        if what == "revoke":
            self.ask(shop, "/test" + customer.path + "/revoke", None, lambda: shop.revoke(customer))
            return
        given = {"card": card, "wallet": PAYPAY, "token": self.token_of(shop, token)}.get(what)
        body: dict[str, Any] = {"email": "b@example.com", "metadata": {"word": word}}
        if given is not None:
            body["payment_details"] = wire(given)
        self.ask(
            shop,
            customer.path,
            body,
            lambda: shop.change_customer(customer, "b@example.com", {"word": word}, given),
            method="PATCH",
        )

    def with_a_wallet(self) -> list[Customer]:
        """Customers whose wallet may be charged, or might be until they revoked it."""
        return [each for each in self.things("customers") if each.kept and each.kept.means == PAYPAY]

    @way(times=2, when=lambda self: self.with_a_wallet(), which=WHICH, amount=AMOUNTS, revoked=st.booleans())
    def charge_a_wallet(self, which: int, amount: int, revoked: bool) -> None:
        found = self.with_a_wallet()
        customer = found[-1 - which % len(found)]
        shop = customer.shop
        if revoked:
            self.ask(shop, "/test" + customer.path + "/revoke", None, lambda: shop.revoke(customer))
        body = {"amount": amount, "currency": "JPY", "customer": customer.id}
        self.ask(shop, "/payments", body, lambda: shop.pay(customer, amount))


class Payments(Customers):
    """Payments, by every way in, and everything that can be done with one."""

    @way(
        times=5,
        whose=WHOSE,
        source=st.sampled_from(["customer", "token", *MEANS, *["customer"] * 6, *["token"] * 4]),
        which=WHICH,
        amount=AMOUNTS,
        capture=st.booleans(),
        order_num=NUMBERS,
        key=KEYS,
        scenario=SCENARIOS,
        tax=st.sampled_from([0, 0, 100]),
        currency=CURRENCIES,
    )
    def pay(
        self,
        whose: int,
        source: Means | str,
        which: int,
        amount: int,
        capture: bool,
        order_num: str | None,
        key: str | None,
        scenario: str | None,
        tax: int,
        currency: str,
    ) -> None:
        shop = self.shops[whose]
        used: Means | Token | Customer | None = source if isinstance(source, Means) else None
        if source == "customer" and shop.customers:
            used = shop.customers[-1 - which % len(shop.customers)]
        used = used or self.token_of(shop, which) or PAYPAY
        body = {"amount": amount, "currency": currency, "capture": capture, "tax": tax, "description": "Tea"}
        if order_num:
            body["external_order_num"] = order_num
        if isinstance(used, Customer):
            body["customer"] = used.id
        else:
            body["payment_details"] = wire(used)
        reply, said = self.ask(
            shop,
            "/payments",
            body,
            lambda: shop.pay(
                used,
                amount,
                tax=tax,
                currency=currency,
                capture=capture,
                order_num=order_num,
                scenario=scenario,
                description="Tea",
            ),
            key=key,
            scenario=scenario,
        )
        if said is not None and said.status == 200:
            remember_page(said.thing, reply.json)

    @way(
        times=8,
        when=lambda self: self.things("payments"),
        which=WHICH,
        amount=PARTS,
        key=KEYS,
        words=WORDS,
        what=st.sampled_from(["capture", "refund", "simulate", "cancel", "refund", "request", "describe"]),
        outcome=st.sampled_from(["paid", "paid", "expired", "failed"]),
    )
    def use_a_payment(
        self, which: int, what: str, amount: int | None, key: str | None, words: str, outcome: str
    ) -> None:
        payment: Payment = self.pick("payments", which)
        shop, path = payment.shop, payment.path
        body: dict[str, Any] = {} if amount is None else {"amount": amount}
        match what:
            case "capture":
                self.ask(shop, path + "/capture", body, lambda: shop.capture(payment, amount), key=key)
            case "cancel":
                self.ask(shop, path + "/cancel", None, lambda: shop.cancel(payment), key=key)
            case "refund":
                body["description"] = words
                self.ask(shop, path + "/refund", body, lambda: shop.refund(payment, amount, words), key=key)
            case "request":
                self._request(payment, amount, key)
            case "describe":
                body = {"description": words, "metadata": {"word": words}}
                self.ask(shop, path, body, lambda: shop.describe(payment, words, {"word": words}), method="PATCH")
            case _:
                self.ask(shop, f"/test{path}/simulate", {"outcome": outcome}, lambda: shop.simulate(payment, outcome))

    def _request(self, payment: Payment, amount: int | None, key: str | None) -> None:
        shop, whole, fee_too = payment.shop, amount or payment.total, amount is None
        body = {"amount": whole, "include_payment_method_fee": fee_too, **ACCOUNT}
        self.ask(
            shop,
            payment.path + "/refund_request",
            body,
            lambda: shop.request_refund(payment, whole, fee_too=fee_too),
            key=key,
        )

    def paid_in_cash(self) -> list[Payment]:
        """Payments that are given back to a bank account."""
        return [each for each in self.things("payments") if each.means == KONBINI and each.captured]

    @way(when=lambda self: self.paid_in_cash(), which=WHICH, amount=PARTS)
    def ask_for_cash_back(self, which: int, amount: int | None) -> None:
        found = self.paid_in_cash()
        self._request(found[-1 - which % len(found)], amount, None)

    def held(self) -> list[Payment]:
        """Payments to be captured."""
        return [each for each in self.things("payments") if each.status == "authorized" and not each.waits]

    @way(when=lambda self: self.held(), which=WHICH, amount=PARTS)
    def take_what_is_held(self, which: int, amount: int | None) -> None:
        found = self.held()
        payment = found[-1 - which % len(found)]
        shop, body = payment.shop, {} if amount is None else {"amount": amount}
        self.ask(shop, payment.path + "/capture", body, lambda: shop.capture(payment, amount))

    @way(
        times=2,
        when=lambda self: any(payment.taken for payment in self.things("payments")),
        which=WHICH,
        means=st.sampled_from([*PREPAID, KONBINI]),
    )
    def add_a_prepaid_card(self, which: int, means: Means) -> None:
        prepaid = [payment for payment in self.things("payments") if payment.taken]
        payment = prepaid[-1 - which % len(prepaid)]
        shop = payment.shop
        wrong = Said(422, "invalid_parameter", "payment_details[type]")
        self.ask(
            shop,
            payment.path,
            {"payment_details": means.wire},
            lambda: shop.top_up(payment, means) if means.type == "web_money" else wrong,
            method="PATCH",
        )

    @way(
        whose=WHOSE,
        page=st.integers(1, 4),
        per_page=st.integers(1, 4),
        number=NUMBERS,
        status=st.sampled_from([None, "captured", "failed,pending", "authorized"]),
    )
    def look_through_the_list(
        self, whose: int, page: int, per_page: int, status: str | None, number: str | None
    ) -> None:
        shop = self.shops[whose]
        query: dict[str, Any] = {"page": page, "per_page": per_page}
        query |= {name: value for name, value in (("status", status), ("external_order_num", number)) if value}
        expected = [
            payment
            for payment in reversed(shop.payments)
            if (status is None or payment.status in status.split(",")) and number in (None, payment.order_num)
        ]
        shown = self.call(shop, "GET", "/payments", query=query).json
        assert (shown["total"], shown["last_page"]) == (len(expected), -(-len(expected) // per_page))
        on_page = expected[(page - 1) * per_page : page * per_page]
        assert [payment["id"] for payment in shown["data"]] == [payment.id for payment in on_page]


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


def remember_page(payment: Payment, shown: dict[str, Any]) -> None:
    """Where a shopper decides about a payment."""
    payment.ref = (shown["payment_details"].get("redirect_url") or "").rpartition("/")[2]
