"""What is done: everything a merchant, a shopper, time and a stranger do with tokens, customers, payments, sessions."""

import hypothesis.strategies as st
from hypothesis.stateful import multiple, precondition, rule

from tests.machine.base import Base, customers, payments, sessions, tokens
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
    Session,
    Token,
)

GOOD = ("4111111111111111", "5555555555554444", "3530111333300000")
CARDS = st.sampled_from([Means("credit_card", number) for number in (*GOOD, *GOOD, *REFUSED)])
GOOD_CARDS = st.sampled_from([Means("credit_card", number) for number in GOOD])
#: Two cards nobody has used, one that everybody types, and one that is refused.
PREPAID = st.sampled_from(
    [Means("web_money", number) for number in (FULL, "abcd1234efgh5678", "abcd1234efgh9999", "e111111111111112")]
)
KONBINI, PAYPAY = st.just(Means("konbini")), st.just(Means("paypay"))
MEANS = st.one_of(CARDS, KONBINI, PAYPAY, PREPAID)
AMOUNTS = st.sampled_from([1, 300, 1000, 2000, 2500, 5000])
PARTS = st.sampled_from([None, 1, 300, 1000, 5000])
CURRENCIES = st.sampled_from(["JPY", "JPY", "JPY", "USD"])
KEYS = st.sampled_from([None, None, None, "key-1", "key-2"])
NUMBERS = st.sampled_from([None, None, "order-1", "order-2"])
SCENARIOS = st.sampled_from([None, None, None, None, "insufficient_funds", "fraudulent"])
WHOSE = st.sampled_from([0, 0, 0, 1])
WORDS = st.sampled_from(["Tea", "二つ"])
MODES = ["payment", "payment", "customer", "customer_payment"]

Given = Means | Token


def wire(given: Given | None) -> object:
    """As ``payment_details`` says it."""
    return given.id if isinstance(given, Token) else given and given.wire


class Tokens(Base):
    """Tokens, which are good once and for a day."""

    @rule(target=tokens, whose=WHOSE, means=st.one_of(CARDS, CARDS, KONBINI, PAYPAY, PREPAID), key=KEYS,
          currency=st.sampled_from([None, None, "JPY", "USD"]), publishable=st.booleans())  # fmt: skip
    def make_a_token(self, whose, means, currency, key, publishable):
        shop = self.shops[whose]
        body = {"payment_details": means.wire}
        if currency:
            body["currency"] = currency
        key = None if means.type == "web_money" else key  # refused as it is read
        _, said = self.ask(
            shop, "/tokens", body, lambda: shop.make_token(means, currency), key=key, publishable=publishable
        )
        return made(said)


class Customers(Base):
    """Customers, with what they keep and without."""

    @rule(target=customers, whose=WHOSE, given=st.one_of(st.none(), CARDS, GOOD_CARDS, KONBINI), key=KEYS,
          scenario=SCENARIOS, email=st.sampled_from([None, "a@example.com"]))  # fmt: skip
    def make_a_customer(self, whose, given, email, key, scenario):
        if given is not None and given.type != "credit_card":
            key = None  # refused as it is read, before any key is looked at
        return self._make_customer(self.shops[whose], given, email, key, scenario)

    @rule(target=customers, token=tokens, key=KEYS)
    def make_a_customer_of_a_token(self, token, key):
        return self._make_customer(token.shop, token, None, key, None)

    def _make_customer(self, shop, given, email, key, scenario):
        body = {"email": email}
        if given is not None:
            body["payment_details"] = wire(given)
        _, said = self.ask(
            shop, "/customers", body, lambda: shop.make_customer(email, given, scenario), key=key, scenario=scenario
        )
        return made(said)

    @rule(customer=customers, given=st.one_of(st.none(), CARDS, PAYPAY, tokens), word=WORDS)
    def change_a_customer(self, customer, given, word):
        shop = customer.shop
        body = {"email": "b@example.com", "metadata": {"word": word}}
        if given is not None:
            body["payment_details"] = wire(given)
        self.ask(
            shop, customer.path, body,
            lambda: shop.change_customer(customer, "b@example.com", {"word": word}, given), method="PATCH",
        )  # fmt: skip

    @rule(customer=customers)
    def delete_a_customer(self, customer):
        self.ask(
            customer.shop, customer.path, None, lambda: customer.shop.delete_customer(customer), method="DELETE"
        )  # fmt: skip

    @rule(customer=customers)
    def revoke_a_wallet(self, customer):
        self.ask(customer.shop, "/test" + customer.path + "/revoke", None, lambda: customer.shop.revoke(customer))


class Payments(Base):
    """Payments, by every way in, and everything that can be done with one."""

    @rule(target=payments, customer=customers, amount=AMOUNTS, capture=st.booleans(), order_num=NUMBERS, key=KEYS,
          scenario=SCENARIOS, tax=st.sampled_from([0, 0, 100]), currency=CURRENCIES)  # fmt: skip
    def charge_a_customer(self, customer, amount, capture, order_num, key, scenario, tax, currency):
        return self._pay(customer.shop, customer, amount, capture, order_num, key, scenario, tax, currency)

    @rule(target=payments, token=tokens, amount=AMOUNTS, capture=st.booleans(), order_num=NUMBERS, key=KEYS,
          currency=CURRENCIES)  # fmt: skip
    def charge_a_token(self, token, amount, capture, order_num, key, currency):
        return self._pay(token.shop, token, amount, capture, order_num, key, None, 0, currency)

    @rule(target=payments, whose=WHOSE, means=MEANS, amount=AMOUNTS, capture=st.booleans(), order_num=NUMBERS, key=KEYS,
          scenario=SCENARIOS, tax=st.sampled_from([0, 0, 100]), currency=CURRENCIES)  # fmt: skip
    def pay(self, whose, means, amount, capture, order_num, key, scenario, tax, currency):
        return self._pay(self.shops[whose], means, amount, capture, order_num, key, scenario, tax, currency)

    @rule(target=payments, whose=WHOSE, means=st.one_of(PAYPAY, KONBINI, PREPAID), amount=AMOUNTS,
          capture=st.booleans(), order_num=NUMBERS)  # fmt: skip
    def begin_to_pay_elsewhere(self, whose, means, amount, capture, order_num):
        return self._pay(self.shops[whose], means, amount, capture, order_num, None, None, 0, "JPY")

    def _pay(self, shop, source, amount, capture, order_num, key, scenario, tax, currency):
        body = {"amount": amount, "currency": currency, "capture": capture, "tax": tax, "description": "Tea"}
        if order_num:
            body["external_order_num"] = order_num
        if isinstance(source, Customer):
            body["customer"] = source.id
        else:
            body["payment_details"] = wire(source)
        reply, said = self.ask(
            shop, "/payments", body,
            lambda: shop.pay(
                source, amount, tax=tax, currency=currency, capture=capture, order_num=order_num, scenario=scenario,
                description="Tea",
            ),
            key=key, scenario=scenario,
        )  # fmt: skip
        if said is None or said.status != 200:
            return multiple()
        remember_page(said.thing, reply.json)
        return said.thing

    @rule(whose=WHOSE, customer=st.booleans())
    def pay_with_nothing_or_both(self, whose, customer):
        shop, body = self.shops[whose], {"amount": 1000, "currency": "JPY"}
        if customer:
            body |= {"payment_details": Means("paypay").wire, "customer": "x" * 25}
        self.tick()
        reply = self.call(shop, "POST", "/payments", body)
        expected = ("invalid_parameter", "customer") if customer else ("missing_parameter", "payment_details")
        assert (reply.status, reply.code, reply.param) == (422, *expected)

    @rule(payment=payments, amount=PARTS, key=KEYS)
    def capture(self, payment, amount, key):
        body = {} if amount is None else {"amount": amount}
        self.ask(
            payment.shop, payment.path + "/capture", body, lambda: payment.shop.capture(payment, amount), key=key
        )  # fmt: skip

    @rule(payment=payments, key=KEYS)
    def cancel(self, payment, key):
        self.ask(payment.shop, payment.path + "/cancel", None, lambda: payment.shop.cancel(payment), key=key)

    @rule(payment=payments, amount=PARTS, words=st.sampled_from([None, "Broken"]), key=KEYS)
    def refund(self, payment, amount, words, key):
        body = {} if amount is None else {"amount": amount}
        if words:
            body["description"] = words
        self.ask(
            payment.shop, payment.path + "/refund", body, lambda: payment.shop.refund(payment, amount, words), key=key
        )  # fmt: skip

    @rule(payment=payments, amount=AMOUNTS, fee_too=st.booleans(), key=KEYS)
    def request_a_refund(self, payment, amount, fee_too, key):
        body = {
            "amount": amount, "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001",
            "account_type": "normal", "account_number": "1234567", "include_payment_method_fee": fee_too,
        }  # fmt: skip
        self.ask(
            payment.shop, payment.path + "/refund_request", body,
            lambda: payment.shop.request_refund(payment, amount, fee_too=fee_too), key=key,
        )  # fmt: skip

    @rule(payment=payments, description=st.one_of(st.none(), WORDS), word=WORDS)
    def describe(self, payment, description, word):
        body = {"description": description, "metadata": {"word": word}}
        self.ask(
            payment.shop, payment.path, body, lambda: payment.shop.describe(payment, description, {"word": word}),
            method="PATCH",
        )  # fmt: skip

    @rule(payment=payments, means=PREPAID)
    def add_a_prepaid_card(self, payment, means):
        self.ask(
            payment.shop, payment.path, {"payment_details": means.wire}, lambda: payment.shop.top_up(payment, means),
            method="PATCH",
        )  # fmt: skip

    @rule(payment=payments, outcome=st.sampled_from(["paid", "paid", "expired", "failed"]))
    def simulate(self, payment, outcome):
        self.ask(
            payment.shop, f"/test{payment.path}/simulate", {"outcome": outcome},
            lambda: payment.shop.simulate(payment, outcome),
        )  # fmt: skip

    @rule(whose=WHOSE, page=st.integers(1, 4), per_page=st.integers(1, 4),
          status=st.sampled_from([None, "captured", "failed,pending", "authorized"]), number=NUMBERS)  # fmt: skip
    def look_through_a_list(self, whose, page, per_page, status, number):
        shop, query = self.shops[whose], {"page": page, "per_page": per_page}
        if status:
            query["status"] = status
        if number:
            query["external_order_num"] = number
        expected = [
            payment
            for payment in reversed(shop.payments)
            if (status is None or payment.status in status.split(",")) and number in (None, payment.order_num)
        ]
        shown = self.call(shop, "GET", "/payments", query=query).json
        assert (shown["total"], shown["last_page"]) == (len(expected), -(-len(expected) // per_page))
        there = expected[(page - 1) * per_page : page * per_page]
        assert [payment["id"] for payment in shown["data"]] == [payment.id for payment in there]


class Sessions(Base):
    """Sessions of all modes, and what their shoppers do."""

    @rule(target=sessions, whose=WHOSE, mode=st.sampled_from(MODES), amount=AMOUNTS, order_num=NUMBERS, key=KEYS,
          lives=st.sampled_from([60, 3_600, 86_400, 86_400]), manual=st.booleans(), scenario=SCENARIOS)  # fmt: skip
    def make_a_session(self, whose, mode, amount, order_num, lives, manual, key, scenario):
        return self._make_session(self.shops[whose], mode, amount, None, order_num, lives, manual, key, scenario)

    @rule(target=sessions, customer=customers, mode=st.sampled_from(["customer", "customer_payment"]), amount=AMOUNTS,
          order_num=NUMBERS)  # fmt: skip
    def make_a_session_for_a_customer(self, customer, mode, amount, order_num):
        return self._make_session(customer.shop, mode, amount, customer, order_num, 86_400, False, None, None)

    def _make_session(self, shop, mode, amount, customer, order_num, lives, manual, key, scenario):
        body = {"mode": mode, "amount": amount, "currency": "JPY", "expires_in_seconds": lives}
        body["payment_data"] = {"capture": "manual" if manual else "auto"}
        if order_num:
            body["payment_data"]["external_order_num"] = order_num
        if customer is not None:
            body["customer_id"] = customer.id
        _, said = self.ask(
            shop, "/sessions", body,
            lambda: shop.make_session(
                mode, amount, customer=customer, order_num=order_num, lives=lives * SECOND, manual=manual,
                scenario=scenario,
            ),
            key=key, scenario=scenario,
        )  # fmt: skip
        return made(said)

    @rule(target=payments, session=sessions, given=st.one_of(CARDS, GOOD_CARDS, PAYPAY, PAYPAY, KONBINI, PREPAID, tokens),
          publishable=st.booleans(), capture=st.sampled_from([None, None, "manual"]))  # fmt: skip
    def pay_a_session(self, session, given, publishable, capture):
        shop = session.shop
        body = {"payment_details": wire(given)} | ({"capture": capture} if capture else {})
        if isinstance(given, Token) and not given.id:
            return multiple()
        before = len(shop.payments)
        reply, said = self.ask(
            shop, session.path + "/pay", body,
            lambda: shop.pay_session(session, given, capture=None if publishable else capture),
            publishable=publishable,
        )  # fmt: skip
        assert said is not None
        if said.status != 200:
            assert reply.json["status"] == "error"
            return multiple()
        assert reply.json["status"] == session.status
        assert reply.json["redirect_url"]
        if isinstance(session.waiting, Agreement):
            session.waiting.ref = reply.json["redirect_url"].rpartition("/")[2]
        if len(shop.payments) == before:
            return multiple()
        payment = shop.payments[-1]
        payment.id = reply.json["payment"]["id"]
        remember_page(payment, reply.json["payment"])
        return payment

    @rule(session=sessions)
    def cancel_a_session(self, session):
        self.ask(session.shop, session.path + "/cancel", None, lambda: session.shop.cancel_session(session))


class Shoppers(Base):
    """What happens at the far side, and who hears of it."""

    def _at_a_page(self):
        return [waiting for shop in self.shops for waiting in shop.waiting() if waiting.ref]

    @precondition(lambda self: self._at_a_page())
    @rule(which=st.integers(0, 9), decision=st.sampled_from(["approved", "approved", "declined"]), back=st.booleans())
    def decide_at_the_wallet(self, which, decision, back):
        there = self._at_a_page()
        waiting = there[which % len(there)]
        self.tick()
        assert self.house.parts.processors.simulator.decide(waiting.ref, decision)
        waiting.shop.decide(waiting, decision)
        if back:
            self._come_back(waiting)

    @precondition(lambda self: self._at_a_page())
    @rule(which=st.integers(0, 9))
    def come_back_from_the_wallet(self, which):
        there = self._at_a_page()
        self.tick()
        self._come_back(there[which % len(there)])

    def _come_back(self, waiting):
        reply = self.run(self.house.front.call("GET", f"/return/{waiting.ref}"))
        assert reply.status in (200, 302, 303), reply.body
        waiting.shop.hear(waiting)


class Strangers(Base):
    """Other merchants, the other mode, and keys that may not."""

    def _poke(self, thing, live):
        """Every road to a thing, with a key that is not its owner's: there is no such thing."""
        others = [shop for shop in self.shops if shop is not thing.shop]
        key = self.house.keys.live if live else self.key_of(others[0])
        missing = thing.path.rpartition("/")[0] + "/" + "0" * 25
        roads = {
            Payment: [("GET", ""), ("PATCH", ""), ("POST", "/capture"), ("POST", "/refund"), ("POST", "/cancel")],
            Customer: [("GET", ""), ("PATCH", ""), ("DELETE", "")],
            Session: [("GET", ""), ("POST", "/cancel"), ("POST", "/pay")],
        }[type(thing)]
        for method, road in roads:
            body = {} if method == "PATCH" else {"payment_details": Means("paypay").wire} if road == "/pay" else None
            found, nothing = (
                self.run(self.house.front.call(method, path + road, key, body)) for path in (thing.path, missing)
            )
            assert (found.status, found.code) == (404, "not_found"), f"{method} {road}: {found.status} {found.body!r}"
            assert found.body == nothing.body

    @rule(thing=st.one_of(payments, customers, sessions), live=st.booleans())
    def poke_at_anothers(self, thing, live):
        self.tick()
        self._poke(thing, live)

    @rule(token=tokens, spend=st.booleans())
    def use_anothers_token(self, token, spend):
        if not token.id:
            return
        self.tick()
        other = next(shop for shop in self.shops if shop is not token.shop)
        path, more = ("/payments", {"amount": 300, "currency": "JPY"}) if spend else ("/customers", {})
        reply = self.call(other, "POST", path, {"payment_details": token.id, **more})
        assert (reply.status, reply.code) == (422, "invalid_token")

    @rule(customer=customers)
    def charge_anothers_customer(self, customer):
        self.tick()
        other = next(shop for shop in self.shops if shop is not customer.shop)
        reply = self.call(other, "POST", "/payments", {"amount": 300, "currency": "JPY", "customer": customer.id})
        assert (reply.status, reply.code) == (404, "not_found")

    @rule(thing=st.one_of(payments, customers))
    def look_with_a_publishable_key(self, thing):
        reply = self.call(thing.shop, "GET", thing.path, publishable=True)
        assert (reply.status, reply.code) == (403, "forbidden")


class Time(Base):
    """Time passes, with the worker and without."""

    @rule(span=st.sampled_from([60 * SECOND, 2 * HOUR, DAY]))
    def time_passes(self, span):
        self.tick(span)

    @rule(days=st.sampled_from([0, 0, 1, 2, 4, 31]))
    def the_worker_works(self, days):
        self.tick(days * DAY)
        self.work()


def made(said):
    """What a rule adds to its bundle."""
    return said.thing if said is not None and said.status == 200 else multiple()


def remember_page(payment, shown):
    """Where a shopper decides about a payment."""
    payment.ref = (shown["payment_details"].get("redirect_url") or "").rpartition("/")[2]

