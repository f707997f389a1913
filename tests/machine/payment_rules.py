"""What is done with tokens, customers and payments."""

from typing import Any

import hypothesis.strategies as st

from tests.machine.base import Base, way
from tests.machine.choices import (
    ACCOUNT,
    AMOUNTS,
    CARDS,
    CURRENCIES,
    GOOD_CARDS,
    KEYS,
    KONBINI,
    MEANS,
    MESSAGES,
    NUMBERS,
    PARTS,
    PAYPAY,
    PREPAID,
    SCENARIOS,
    WHICH,
    WHOSE,
    remember_page,
    wire,
)
from tests.machine.model import Shop
from tests.machine.things import Customer, Means, Payment, Said, Token


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
        word=MESSAGES,
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
        words=MESSAGES,
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
