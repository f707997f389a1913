"""Subscriptions: what a reader of ``docs/subscriptions.md`` would say, and what is done with them.

The mixin is part of the machine where there is a room of subscriptions.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import hypothesis.strategies as st

from tests.machine.base import Base, way
from tests.machine.choices import AMOUNTS, KEYS, SCENARIOS, WHICH, WHOSE
from tests.machine.model import Shop
from tests.machine.things import DAY, JAPAN, NOT_FOUND, SECOND, Customer, Payment, Said, Thing, iso, japanese, refused

RETRY_DAYS = (1, 4, 8, 14)
#: Declines after which a customer's details are let alone, and for how long.
CAPS = ((10, DAY), (15, 30 * DAY))
#: Answers that the same details would get again.
FINAL = {"fraudulent", "card_expired", "invalid_account"}


def falls_due(anchor: int, period: str, number: int) -> int:
    """Counted from the anchor on Japan's calendar; a day the month lacks is its last."""
    began = datetime.fromtimestamp(anchor // SECOND, JAPAN)
    if period == "weekly":
        return int((began + timedelta(weeks=number)).timestamp()) * SECOND
    months = began.year * 12 + began.month - 1 + number * (12 if period == "yearly" else 1)
    year, month = divmod(months, 12)
    day = min(began.day, monthrange(year, month + 1)[1])
    return int(began.replace(year=year, month=month + 1, day=day).timestamp()) * SECOND


@dataclass(eq=False)
class Subscription(Thing):
    """A subscription. number: of its latest period, which is ``open`` until it is paid or given up, and began then."""

    shop: Shop
    customer: Customer
    amount: int
    period: str
    created_at: int
    type: str
    status: str = "pending"
    number: int = 0
    open: bool = True
    began: int = 0
    declines: int = 0
    retry_count: int = 0
    retry_at: int | None = None
    due_at: int | None = None
    ended_at: int | None = None
    payments: list[Payment] = field(default_factory=list)
    id: str = ""

    @property
    def path(self) -> str:
        return "/subscriptions/" + self.id

    def learn(self, shown: dict[str, Any]) -> None:
        """The names of payments that were not heard before."""
        for payment, id in zip(self.payments, shown["payments"], strict=True):
            payment.id = payment.id or id

    def shown(self) -> dict[str, Any]:
        began = datetime.fromtimestamp(self.created_at // SECOND, JAPAN)
        kept = self.customer.kept
        details: dict[str, Any] = {"type": kept.means.type if kept else self.type, "email": self.customer.email}
        if kept is not None and kept.means.type == "credit_card":
            details |= {"month": "12", "year": "2099"}
        return {
            "resource": "subscription",
            "status": self.status,
            "amount": self.amount,
            "currency": "JPY",
            "period": self.period,
            "day": began.isoweekday() % 7 if self.period == "weekly" else began.day,
            "retry_count": self.retry_count,
            "retry_at": iso(self.retry_at),
            "created_at": iso(self.created_at),
            "next_capture_at": iso(falls_due(self.created_at, self.period, self.number + 1)),
            "ended_at": iso(self.ended_at),
            "metadata": {},
            "payment_details": details,
            "payments": [Named(payment) for payment in self.payments],
            "customer": {
                "uuid": self.customer.id,
                "created_at": japanese(self.customer.created_at),
                "currency": "JPY",
                "email": self.customer.email,
            },
        }


class Named:
    """Stands for the id of something that may not have been seen yet."""

    def __init__(self, thing: Thing) -> None:
        self._thing: Any = thing

    def __eq__(self, other: object) -> bool:
        return bool(self._thing.id) and self._thing.id == other

    def __hash__(self) -> int:
        return hash(self._thing.id)

    def __repr__(self) -> str:
        return repr(self._thing.id)


class Book:
    """A merchant's subscriptions."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.all: list[Subscription] = []
        shop.on_deletion.append(self._end_with)

    def make(self, customer: Customer, amount: int, period: str, scenario: str | None) -> Said:
        shop = self.shop
        if customer.gone or customer.shop is not shop:
            return NOT_FOUND
        if customer.kept is None:
            return refused(422, "unprocessable_entity", "customer")
        made = Subscription(shop, customer, amount, period, shop.now, customer.kept.means.type, began=shop.now)
        self.all.append(made)
        shop.record("subscription.created", made)
        created = shop.events[-1]
        said = self._charge(made, scenario)
        # It names the payment that is about to be charged.
        created.data["payments"] = [Named(made.payments[0])]
        if said.status == 200:
            return Said(thing=made)
        return said

    def _charge(self, due: Subscription, scenario: str | None = None) -> Said:
        """One charge, and what it does to the subscription."""
        shop, now = self.shop, self.shop.now
        said = shop.pay(due.customer, due.amount, scenario=scenario)
        due.payments.append(shop.payments[-1])
        due.due_at = due.retry_at = None
        if said.status == 200:
            due.status, due.open, due.retry_count = "active", False, 0
            due.due_at = falls_due(due.created_at, due.period, due.number + 1)
            shop.record("subscription.captured", due)
            return said
        due.declines += 1
        types = ["subscription.failed"]
        if due.status == "pending":
            due.status, due.ended_at, due.open = "deleted", now, False
            types.append("subscription.deleted")
        else:
            due.retry_count = due.declines - 1
            if said.code in FINAL or due.declines > len(RETRY_DAYS):
                due.status, due.open = "suspended", False
                types.append("subscription.suspended")
            else:
                due.status = "retrying"
                due.due_at = due.retry_at = max(due.began + RETRY_DAYS[due.declines - 1] * DAY, now + DAY)
        for type in types:
            shop.record(type, due)
        return said

    def end(self, subscription: Subscription) -> Said:
        if subscription.shop is not self.shop:
            return NOT_FOUND
        if subscription.ended_at is None:
            subscription.status, subscription.ended_at = "deleted", self.shop.now
            subscription.retry_at = subscription.due_at = None
            self.shop.record("subscription.deleted", subscription)
        return Said(thing=subscription)

    def _end_with(self, customer: Customer) -> None:
        for subscription in self.all:
            if subscription.customer is customer:
                self.end(subscription)

    def renew(self) -> int:
        """One period of each that is due; how many were charged."""
        now, charged = self.shop.now, 0
        due = [each for each in self.all if each.due_at is not None and each.due_at <= now]
        for each in sorted(due, key=lambda each: each.due_at or 0):
            until = self._let_alone_until(each.customer)
            if until is not None:
                each.due_at = until
                each.retry_at = until if each.status == "retrying" else None
                continue
            if not each.open:
                each.number, each.open, each.began, each.declines = each.number + 1, True, now, 0
                each.retry_count = 0
            self._charge(each)
            charged += 1
        return charged

    def _let_alone_until(self, customer: Customer) -> int | None:
        now = self.shop.now
        declined = sorted(
            (
                payment.created_at
                for payment in self.shop.payments
                if payment.customer is customer and payment.session is None and payment.status == "failed"
            ),
            reverse=True,
        )
        ends = [declined[count - 1] + time for count, time in CAPS if len(declined) >= count]
        return max((end for end in ends if end > now), default=None)


class Subscriptions(Base):
    """Subscriptions, their renewals and their end."""

    happens: ClassVar = {
        ("POST /subscriptions", 200, None), ("POST /subscriptions", 404, "not_found"),
        ("POST /subscriptions", 422, "unprocessable_entity"), ("POST /subscriptions", 502, "insufficient_funds"),
        ("DELETE /subscriptions/{id}", 200, None), ("renewal", 200, None),
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.books = {shop.name: Book(shop) for shop in self.shops}

    def things(self, kind: str) -> list[Any]:
        if kind == "subscriptions":
            return [each for book in self.books.values() for each in book.all]
        return super().things(kind)

    @way(
        times=3,
        whose=WHOSE,
        which=WHICH,
        amount=AMOUNTS,
        key=KEYS,
        scenario=SCENARIOS,
        period=st.sampled_from(["monthly", "weekly", "yearly"]),
        when=lambda self: self.things("customers"),
    )
    def subscribe(
        self, whose: int, which: int, amount: int, key: str | None, scenario: str | None, period: str
    ) -> None:
        customer: Customer = self.pick("customers", which)
        book = self.books[customer.shop.name]
        body = {"customer": customer.id, "amount": amount, "currency": "JPY", "period": period}
        self.ask(
            customer.shop,
            "/subscriptions",
            body,
            lambda: book.make(customer, amount, period, customer.scenario or scenario),
            key=key,
            scenario=scenario,
        )

    @way(which=WHICH, when=lambda self: self.things("subscriptions"))
    def end_a_subscription(self, which: int) -> None:
        subscription: Subscription = self.pick("subscriptions", which)
        shop = subscription.shop
        self.ask(shop, subscription.path, None, lambda: self.books[shop.name].end(subscription), method="DELETE")

    @way(which=WHICH, when=lambda self: self.things("subscriptions"))
    def look_at_anothers_subscription(self, which: int) -> None:
        subscription: Subscription = self.pick("subscriptions", which)
        other = next(shop for shop in self.shops if shop is not subscription.shop)
        for key in (self.key_of(other), self.house.keys.live):
            for method in ("GET", "DELETE"):
                reply = self.run(self.house.front.call(method, subscription.path, key))
                assert (reply.status, reply.code) == (404, "not_found")

    def work_model(self, shop: Shop) -> None:
        super().work_model(shop)
        for _ in range(self.books[shop.name].renew()):
            self.tally["renewal", 200, None] += 1

    def hold_more(self, shop: Shop) -> None:
        super().hold_more(shop)
        self.hold_list(shop, "/subscriptions", self.books[shop.name].all)
        for each in self.books[shop.name].all:
            taken = [payment for payment in each.payments if payment.captured]
            assert len(taken) <= each.number + 1, "a period was charged twice"
