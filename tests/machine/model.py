"""What a reader of the contract would say: the state of two merchants, and what each operation answers.

Plain Python, one merchant after another, nothing in flight. An operation changes the state and returns what is to be
answered; the machine asks the server the same and compares. What a shopper decides at the far side is ``far`` of what
waits there, until somebody asks: then it is *heard*.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any, Self

SECOND, HOUR = 1_000, 3_600_000
DAY = 24 * HOUR
JAPAN = timezone(timedelta(hours=9))

#: Test card numbers the bank refuses, by what it says. Source: contract 16.1.
REFUSED = {
    "4123111111111000": "insufficient_funds", "4123111111111018": "exceeds_limit", "4123111111111042": "card_expired",
    "4123111111111059": "card_declined", "4123111111111083": "fraudulent",
}  # fmt: skip
BRANDS = {"4": "visa", "5": "master", "35": "jcb"}
#: What is on the published prepaid number, whoever types it, and what the bad ones are refused with. Source: 16.3.
FULL, BALANCE = "1111111111111111", 2_000
BAD_PREPAID = {"e111111111111112": "invalid_number", "e111111111111113": "used_number"}
STATUS_OF = {"fraudulent": 422, "request_failed": 402, "not_cancellable": 422}
CASH, PREPAID, WALLETS = ("konbini",), ("web_money",), ("paypay",)
FEES = {"konbini": 190}
STORABLE = ("credit_card", *WALLETS)
MOST_DECLINES = 5


def iso(moment: int | None) -> str | None:
    """As payments show times."""
    return None if moment is None else datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def japanese(moment: int | None) -> str | None:
    """As sessions show times."""
    return (
        None if moment is None else datetime.fromtimestamp(moment // SECOND, JAPAN).isoformat(timespec="milliseconds")
    )


def end_of_day(moment: int, days: int) -> int:
    """The last second of the day in Japan so many days later."""
    there = datetime.fromtimestamp(moment // SECOND, JAPAN) + timedelta(days=days)
    return int(there.replace(hour=23, minute=59, second=59).timestamp()) * SECOND


@dataclass(frozen=True)
class Means:
    """Payment details. number: of a card or a prepaid card."""

    type: str
    number: str = ""

    @property
    def wire(self) -> dict[str, Any]:
        match self.type:
            case "credit_card":
                return {"type": self.type, "number": self.number, "month": "12", "year": "2099"}
            case "konbini":
                return {"type": self.type, "store": "lawson", "email": "a@example.com"}
            case "web_money":
                return {"type": self.type, "prepaid_number": self.number}
            case _:
                return {"type": self.type}

    @property
    def refusal(self) -> str | None:
        """What its bank says whatever is asked of it."""
        return REFUSED.get(self.number) if self.type == "credit_card" else BAD_PREPAID.get(self.number)

    @property
    def source(self) -> dict[str, Any]:
        """As a customer shows it."""
        if self.type != "credit_card":
            return {"type": self.type}
        brand = BRANDS.get(self.number[:2]) or BRANDS[self.number[0]]
        return {
            "type": self.type,
            "brand": brand,
            "last_four_digits": self.number[-4:],
            "month": 12,
            "year": 2099,
        }

    def takes(self, currency: str) -> bool:
        return self.type == "credit_card" or currency == "JPY"


@dataclass(frozen=True)
class Said:
    """An answer. thing: what a 200 is about. kept: a repeat under the same idempotency key gets it again."""

    status: int = 200
    code: str | None = None
    param: str | None = None
    thing: Any = None
    kept: bool = True


def refused(status: int, code: str, param: str | None = None) -> Said:
    """Before anything was tried: nothing is kept of it."""
    return Said(status, code, param, kept=False)


def declined(code: str) -> Said:
    """The far side's no."""
    return Said(STATUS_OF.get(code, 502), code)


NOT_FOUND = refused(404, "not_found")
INVALID_TOKEN = refused(422, "invalid_token", "payment_details")
NOT_KEPT = refused(422, "invalid_payment_type", "payment_details[type]")


class Thing:
    """Something a merchant has. born: how many there were before it."""

    _count = count()
    born: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made.born = next(Thing._count)
        return made


@dataclass(eq=False)
class Token(Thing):
    """A token."""

    shop: "Shop"
    means: Means
    currency: str | None
    expires_at: int
    used: bool = False
    id: str = ""

    @property
    def path(self) -> str:
        return "/tokens/" + self.id


@dataclass(eq=False)
class Kept:
    """What a customer keeps. revoked: the shopper has taken the wallet's agreement back."""

    means: Means
    revoked: bool = False


@dataclass(eq=False)
class Customer(Thing):
    """A customer. scenario: what each payment ends in."""

    shop: "Shop"
    email: str | None
    created_at: int
    scenario: str | None = None
    kept: Kept | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    gone: bool = False
    id: str = ""

    @property
    def path(self) -> str:
        return "/customers/" + self.id

    def shown(self) -> dict[str, Any]:
        return {
            "resource": "customer",
            "email": self.email,
            "metadata": dict(self.metadata),
            "created_at": iso(self.created_at),
            "source": None if self.kept is None else self.kept.means.source,
        }


@dataclass(eq=False)
class Payment(Thing):
    """A payment. far: how it stands at the far side, while it waits for its shopper there.

    held: money is only held. refunds: amount and words of each. taken: off prepaid cards, by their last four digits.
    ref: of the page where the shopper decides.
    """

    shop: "Shop"
    means: Means
    amount: int
    tax: int
    currency: str
    created_at: int
    status: str = "pending"
    customer: Customer | None = None
    session: "Session | None" = None
    order_num: str | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    captured: int = 0
    captured_at: int | None = None
    deadline: int | None = None
    hold: bool = False
    far: str | None = None
    taken: list[tuple[str, int]] = field(default_factory=list)
    refunds: list[tuple[int, str | None, int]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    ref: str = ""
    id: str = ""

    @property
    def path(self) -> str:
        return "/payments/" + self.id

    @property
    def fee(self) -> int:
        return FEES.get(self.means.type, 0) if self.currency == "JPY" else 0

    @property
    def total(self) -> int:
        return self.amount + self.tax + self.fee

    @property
    def refunded(self) -> int:
        return sum(amount for amount, _, _ in self.refunds)

    @property
    def waits(self) -> bool:
        return self.far is not None

    @property
    def short(self) -> int:
        """What is missing of one that is paid with prepaid cards."""
        if not self.taken or self.captured:
            return 0
        return self.total - sum(points for _, points in self.taken)

    @property
    def uses_up_number(self) -> bool:
        """Whether its order number is taken by it."""
        return self.status != "failed" and not (self.session and self.status in ("cancelled", "expired"))

    def shown(self) -> dict[str, Any]:
        return {
            "resource": "payment",
            "status": self.status,
            "amount": self.amount,
            "tax": self.tax,
            "customer": self.customer and self.customer.id,
            "payment_deadline": iso(self._deadline()),
            "payment_method_fee": self.fee,
            "total": self.total,
            "currency": self.currency,
            "description": self.description,
            "captured_at": iso(self.captured_at),
            "external_order_num": self.order_num,
            "metadata": dict(self.metadata),
            "created_at": iso(self.created_at),
            "amount_refunded": self.refunded,
            "session": self.session and self.session.id,
            "refunds": [
                {
                    "amount": amount,
                    "description": words,
                    "currency": self.currency,
                    "created_at": iso(at),
                    "chargeback": False,
                }
                for amount, words, at in self.refunds
            ],
            "refund_requests": [{"amount": amount, "status": "pending"} for amount in self.requests],
            "payment_details": self._details(),
        }

    def _deadline(self) -> int | None:
        if self.captured_at is not None and self.means.type == "credit_card":
            return end_of_day(self.created_at, 2)
        return self.deadline

    def _details(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"type": self.means.type}
        if self.means.type == "credit_card":
            shown |= self.means.source
        if self.taken:
            cards = [{"last_four_digits": last4, "points": points} for last4, points in self.taken]
            shown |= {"short_amount": self.short, "prepaid_cards": cards}
        return shown


@dataclass(eq=False)
class Agreement:
    """A wallet whose shopper is asked to allow later charges, without a payment."""

    session: "Session"
    means: Means
    deadline: int
    far: str | None = "waiting"
    ref: str = ""

    @property
    def shop(self) -> "Shop":
        return self.session.shop


@dataclass(eq=False)
class Session(Thing):
    """A session. waiting: the try whose shopper has to act elsewhere. order_num: while it keeps the number."""

    shop: "Shop"
    mode: str
    amount: int
    created_at: int
    expires_at: int
    customer: Customer | None
    number: str | None
    manual: bool
    order_num: str | None = None
    status: str = "pending"
    completed_at: int | None = None
    cancelled_at: int | None = None
    declines: int = 0
    payment: Payment | None = None
    waiting: Payment | Agreement | None = None
    scenario: str | None = None
    ended: bool = False
    id: str = ""

    @property
    def path(self) -> str:
        return "/sessions/" + self.id

    @property
    def keeps(self) -> bool:
        """Whether a customer's details come of it."""
        return self.mode != "payment"

    @property
    def is_expired(self) -> bool:
        return self.status == "pending" and self.expires_at <= self.shop.now

    def shown(self) -> dict[str, Any]:
        shown = {
            "resource": "session",
            "mode": self.mode,
            "status": self.status,
            "amount": self.amount,
            "currency": "JPY",
            "expired": self.is_expired,
            "created_at": japanese(self.created_at),
            "completed_at": japanese(self.completed_at),
            "cancelled_at": japanese(self.cancelled_at),
            "payment": self.payment and {"id": self.payment.id, **self.payment.shown()},
        }
        if self.customer is not None:
            shown["customer_id"] = self.customer.id
        return shown


@dataclass(eq=False)
class Event:
    """A fact about a thing, as it was then. id: once it has been seen."""

    type: str
    about: Any
    data: dict[str, Any]
    at: int
    id: str = ""


@dataclass
class World:
    """The machine's time, and who is there."""

    now: int
    shops: list["Shop"] = field(default_factory=list)


class Shop:
    """A merchant in test mode."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.tokens: list[Token] = []
        self.customers: list[Customer] = []
        self.payments: list[Payment] = []
        self.sessions: list[Session] = []
        self.events: list[Event] = []
        #: The merchant's time at a moment of the machine's.
        self.clock: Callable[[int], int] = lambda now: now
        #: What is done when a customer goes.
        self.on_deletion: list[Callable[[Customer], None]] = []

    @property
    def now(self) -> int:
        return self.clock(self.world.now)

    def record(self, type: str, about: Any, **changes: Any) -> None:
        """Something has happened."""
        self.events.append(Event(type, about, about.shown() | changes, self.now))

    # Tokens

    def make_token(self, means: Means, currency: str | None) -> Said:
        if means.type in PREPAID:
            return refused(422, "missing_parameter", "payment_details[number]")
        token = Token(self, means, currency, self.now + DAY)
        self.tokens.append(token)
        return Said(thing=token)

    def _look_at(self, given: Means | Token, currency: str | None) -> Said | None:
        """What is wrong with what is given; None: nothing."""
        if isinstance(given, Means):
            return None
        if given.shop is not self or given.used or given.expires_at <= self.now:
            return INVALID_TOKEN
        if given.currency is not None and currency is not None and given.currency != currency:
            return refused(422, "invalid_currency", "currency")
        return None

    # Customers

    def live_customers(self) -> list[Customer]:
        return [customer for customer in self.customers if not customer.gone]

    def make_customer(self, email: str | None, given: Means | Token | None, scenario: str | None) -> Said:
        wrong, kept = self._keep(given)
        if wrong is not None:
            return wrong
        customer = Customer(self, email, self.now, scenario, kept)
        self.customers.append(customer)
        self.record("customer.created", customer)
        return Said(thing=customer)

    def change_customer(
        self, customer: Customer, email: str | None, metadata: dict[str, str], given: Means | Token | None
    ) -> Said:
        if customer.gone or customer.shop is not self:
            return NOT_FOUND
        wrong, kept = self._keep(given)
        if wrong is not None:
            return wrong
        customer.email = email
        customer.metadata = customer.metadata | metadata
        customer.kept = kept or customer.kept
        self.record("customer.updated", customer)
        return Said(thing=customer)

    def _keep(self, given: Means | Token | None) -> tuple[Said | None, Kept | None]:
        """A card is checked before it is kept."""
        if given is None:
            return None, None
        wrong = self._look_at(given, None)
        if wrong is not None:
            return wrong, None
        means = given.means if isinstance(given, Token) else given
        if means.type != "credit_card":
            return NOT_KEPT, None
        if isinstance(given, Token):
            given.used = True
        if means.refusal:
            return declined(means.refusal), None
        return None, Kept(means)

    def delete_customer(self, customer: Customer) -> Said:
        if customer.gone or customer.shop is not self:
            return NOT_FOUND
        before = customer.shown()
        customer.gone, customer.kept, customer.email, customer.metadata = True, None, None, {}
        for follow in self.on_deletion:
            follow(customer)
        self.record("customer.deleted", customer)
        return Said(thing=before)

    def revoke(self, customer: Customer) -> Said:
        if customer.gone or customer.shop is not self:
            return NOT_FOUND
        if customer.kept is None or customer.kept.means.type == "credit_card":
            return refused(422, "unprocessable_entity")
        customer.kept.revoked = True
        return Said(thing=customer)

    # Payments

    def number_taken(self, number: str | None) -> bool:
        return number is not None and any(
            payment.order_num == number and payment.uses_up_number for payment in self.payments
        )

    def pay(
        self,
        source: Means | Token | Customer,
        amount: int,
        *,
        tax: int = 0,
        currency: str = "JPY",
        capture: bool = True,
        order_num: str | None = None,
        description: str | None = None,
        scenario: str | None = None,
    ) -> Said:
        customer = source if isinstance(source, Customer) else None
        if isinstance(source, Customer):
            if source.gone or source.shop is not self:
                return NOT_FOUND
            if source.kept is None:
                return refused(422, "unprocessable_entity", "customer")
            means = source.kept.means
            scenario = source.scenario or scenario
        else:
            wrong = self._look_at(source, currency)
            if wrong is not None:
                return wrong
            means = source.means if isinstance(source, Token) else source
        if not means.takes(currency):
            return refused(422, "invalid_currency", "currency")
        if self.number_taken(order_num):
            return refused(422, "invalid_parameter", "external_order_num")
        payment = Payment(
            self,
            means,
            amount,
            tax,
            currency,
            self.now,
            customer=customer,
            order_num=order_num,
            description=description,
            hold=not capture,
        )
        return self._charge(payment, source, scenario)

    def _charge(self, payment: Payment, source: Means | Token | Customer, scenario: str | None) -> Said:
        """The call to the bank, the wallet, the till."""
        self.payments.append(payment)
        means = payment.means
        if isinstance(source, Token):
            source.used = True
        code = scenario or means.refusal
        if code is None and isinstance(source, Customer) and source.kept is not None and source.kept.revoked:
            code = "invalid_account"
        if code is not None:
            payment.status = "failed"
            self.record("payment.failed", payment)
            return declined(code)
        match means.type:
            case "konbini":
                payment.hold, payment.far, payment.status = False, "waiting", "authorized"
                payment.deadline = end_of_day(self.now, 3)
                self.record("payment.authorized", payment)
            case "paypay" if not isinstance(source, Customer):
                payment.far, payment.deadline = "waiting", end_of_day(self.now, 1)
            case "web_money":
                payment.hold, payment.far = False, "waiting"
                payment.deadline = end_of_day(self.now, 7)
                self._take_off(payment, means.number)
                if not payment.short:
                    self._paid(payment)
            case _:
                self._paid(payment)
        return Said(thing=payment)

    def _take_off(self, payment: Payment, number: str) -> bool:
        """Off a prepaid card, as much as is needed or there is; False: there is nothing."""
        last4 = number[-4:]
        missing = payment.total - sum(points for _, points in payment.taken)
        there = BALANCE - sum(points for of, points in payment.taken if of == last4) if number == FULL else 100_000
        if there > 0:
            payment.taken.append((last4, min(there, missing)))
        return there > 0

    def _paid(self, payment: Payment) -> None:
        payment.far = None
        if payment.hold:
            payment.status, payment.deadline = "authorized", end_of_day(self.now, 30)
            self.record("payment.authorized", payment)
            return
        payment.status, payment.deadline = "captured", None
        payment.captured, payment.captured_at = payment.total, self.now
        self.record("payment.captured", payment)

    def capture(self, payment: Payment, amount: int | None) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        if payment.status != "authorized" or payment.waits:
            return refused(422, "not_capturable")
        taken = payment.total if amount in (None, payment.amount) else amount
        assert taken is not None
        if taken > payment.total:
            return refused(422, "invalid_parameter", "amount")
        payment.status, payment.deadline = "captured", None
        payment.captured, payment.captured_at = taken, self.now
        self.record("payment.captured", payment)
        return Said(thing=payment)

    def cancel(self, payment: Payment) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        if payment.status not in ("pending", "authorized"):
            return refused(422, "not_cancellable")
        if payment.far == "approved" and not payment.hold:
            # Paid a moment ago: the far side has the last word.
            self.hear(payment)
            return declined("not_cancellable")
        payment.status, payment.far, payment.deadline = "cancelled", None, None
        self._let_go(payment, payment.session)
        self.record("payment.cancelled", payment)
        return Said(thing=payment)

    def refund(self, payment: Payment, amount: int | None, description: str | None) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        left = payment.captured - payment.refunded - sum(payment.requests)
        if payment.means.type in CASH or payment.status != "captured":
            return refused(422, "not_refundable")
        amount = amount or left
        if amount > left:
            return refused(422, "not_refundable", "amount")
        payment.refunds.append((amount, description, self.now))
        if payment.refunded == payment.captured:
            payment.status = "refunded"
        self.record("payment.refund.created", payment)
        if payment.status == "refunded":
            self.record("payment.refunded", payment)
        return Said(thing=payment)

    def request_refund(self, payment: Payment, amount: int, *, fee_too: bool) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        if payment.status != "captured" or payment.means.type not in CASH:
            return refused(422, "not_refundable")
        if amount > payment.captured - sum(payment.requests) - (0 if fee_too else payment.fee):
            return refused(422, "not_refundable", "amount")
        payment.requests.append(amount)
        self.record("payment.updated", payment)
        return Said(thing=payment)

    def describe(self, payment: Payment, description: str | None, metadata: dict[str, str]) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        payment.description = description
        payment.metadata = payment.metadata | metadata
        self.record("payment.updated", payment)
        return Said(thing=payment)

    def top_up(self, payment: Payment, means: Means) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        if payment.status != "pending":
            return refused(422, "unprocessable_entity", "payment_details")
        if payment.means.type != means.type:
            return refused(422, "invalid_parameter", "payment_details[type]")
        code = means.refusal
        if code is None and not self._take_off(payment, means.number):
            code = "used_number"
        if code is not None:
            if payment.session is not None and payment.session.waiting is payment:
                payment.session.declines += 1
            return declined(code)
        if payment.short:
            self.record("payment.updated", payment)
        else:
            self._paid(payment)
            self._completed(payment.session)
        return Said(thing=payment)

    def simulate(self, payment: Payment, outcome: str) -> Said:
        if payment.shop is not self:
            return NOT_FOUND
        if payment.waits:
            self.decide(payment, {"paid": "approved", "expired": "lapsed", "failed": "declined"}[outcome])
            self.hear(payment)
            return Said(thing=payment)
        came_about = {"paid": ("captured", "authorized"), "expired": ("expired",), "failed": ("failed",)}
        if payment.status not in came_about[outcome]:
            return refused(422, "unprocessable_entity")
        return Said(thing=payment)

    # What happens elsewhere

    def decide(self, waiting: Payment | Agreement, decision: str) -> None:
        """At the far side, where nobody has decided yet; whoever comes more than a day late does not pay."""
        if waiting.far != "waiting":
            return
        late = waiting.deadline is not None and self.now > waiting.deadline + DAY
        waiting.far = "lapsed" if decision == "approved" and late else decision

    def hear(self, waiting: Payment | Agreement) -> None:
        """Ask the far side; whoever has not decided by the deadline is waited for no longer."""
        if waiting.far == "waiting":
            if waiting.deadline is None or waiting.deadline > self.now:
                return
            waiting.far = "lapsed"
        far, session = waiting.far, waiting.session
        waiting.far = None
        if isinstance(waiting, Payment):
            self._moved(waiting, far)
        if session is None or session.waiting is not waiting:
            return
        if far == "approved":
            self._store(session, waiting.means)
            self._completed(session)
        else:
            session.declines += far == "declined"
            session.waiting = None

    def _moved(self, payment: Payment, far: str | None) -> None:
        if far == "approved":
            self._paid(payment)
            return
        payment.status = "expired" if far == "lapsed" else "failed"
        payment.deadline = None
        self.record(f"payment.{payment.status}", payment)

    def _let_go(self, waiting: Payment | Agreement, session: Session | None) -> None:
        if session is not None and session.waiting is waiting:
            session.waiting = None

    def _completed(self, session: Session | None) -> None:
        if session is None or session.status != "pending":
            return
        session.status, session.completed_at, session.waiting = "completed", self.now, None

    def _store(self, session: Session, means: Means) -> None:
        """The session's customer, unless it is gone, has these details now."""
        if session.customer is None or session.customer.gone:
            return
        session.customer.kept = Kept(means)
        self.record("customer.updated", session.customer)

    # Sessions

    def make_session(
        self,
        mode: str,
        amount: int,
        *,
        customer: Customer | None = None,
        order_num: str | None = None,
        lives: int = DAY,
        manual: bool = False,
        scenario: str | None = None,
    ) -> Said:
        if mode == "customer":
            amount, order_num, manual = 0, None, False
        if mode == "payment":
            customer = None
        if customer is not None and (customer.gone or customer.shop is not self):
            return refused(422, "invalid_parameter", "customer_id")
        if order_num is not None:
            former = next((session for session in self.sessions if session.order_num == order_num), None)
            if (former is not None and not former.is_expired) or self.number_taken(order_num):
                return refused(422, "invalid_parameter", "payment_data[external_order_num]")
            if former is not None:
                former.order_num, former.ended = None, True
        if mode != "payment" and customer is None:
            customer = Customer(self, None, self.now)
            self.customers.append(customer)
            self.record("customer.created", customer)
        session = Session(
            self, mode, amount, self.now, self.now + lives, customer, order_num, manual, order_num, scenario=scenario
        )
        self.sessions.append(session)
        return Said(thing=session)

    def _refuses(self, session: Session) -> Said | None:
        if session.status != "pending":
            return refused(422, f"session_{session.status}")
        if session.is_expired:
            return refused(422, "session_expired")
        if session.declines >= MOST_DECLINES:
            return refused(422, "locked")
        return None

    def pay_session(self, session: Session, given: Means | Token, *, capture: str | None = None) -> Said:
        if session.shop is not self:
            return NOT_FOUND
        wrong = self._refuses(session)
        if wrong is not None:
            return wrong
        waiting = session.waiting
        if waiting is not None:
            short = isinstance(waiting, Payment) and waiting.waits and waiting.short
            if short and isinstance(given, Means) and given.type == waiting.means.type:
                assert isinstance(waiting, Payment)
                said = self.top_up(waiting, given)
                return replace(said, thing=session) if said.status == 200 else said
            self._end_waiting(session)
            wrong = self._refuses(session)
            if wrong is not None:
                return wrong
        means = given.means if isinstance(given, Token) and given.shop is self else given
        if isinstance(means, Token):
            means = Means("credit_card")  # a token that is not there: nobody knows of what type
        if session.keeps and means.type not in STORABLE:
            return NOT_KEPT
        if session.keeps and (session.customer is None or session.customer.gone):
            return refused(422, "invalid_parameter", "customer_id")
        wrong = self._look_at(given, "JPY")
        if wrong is not None:
            return wrong
        if session.mode == "customer":
            return self._store_by_session(session, given, means)
        if self.number_taken(session.order_num):
            return refused(422, "invalid_parameter", "external_order_num")
        hold = (capture or ("manual" if session.manual else "auto")) == "manual"
        payment = Payment(
            self,
            means,
            session.amount,
            0,
            "JPY",
            self.now,
            customer=session.customer,
            session=session,
            order_num=session.order_num,
            hold=hold,
        )
        session.payment = payment
        said = self._charge(payment, given, session.scenario)
        if said.status != 200:
            session.declines += 1
            return said
        if payment.status == "pending":
            session.waiting = payment
        else:
            if session.keeps:
                self._store(session, means)
            self._completed(session)
        return replace(said, thing=session)

    def _store_by_session(self, session: Session, given: Means | Token, means: Means) -> Said:
        """Nothing is paid: a card is checked, a wallet's shopper asked."""
        session.payment = None
        if isinstance(given, Token):
            given.used = True
        code = session.scenario or means.refusal
        if code is not None:
            session.declines += 1
            return declined(code)
        if means.type in WALLETS:
            session.waiting = Agreement(session, means, end_of_day(self.now, 1))
        else:
            self._store(session, means)
            self._completed(session)
        return Said(thing=session)

    def _end_waiting(self, session: Session) -> None:
        """Something else is to happen: what waits is ended, unless the far side says that it is done."""
        waiting = session.waiting
        if isinstance(waiting, Payment):
            self.cancel(waiting)
        elif waiting is not None:
            self.hear(waiting)
            if session.waiting is waiting:
                waiting.far = session.waiting = None

    def cancel_session(self, session: Session) -> Said:
        if session.shop is not self:
            return NOT_FOUND
        if session.status == "pending":
            self._end_waiting(session)
        if session.status != "pending":
            return refused(422, "not_cancellable")
        session.status, session.cancelled_at, session.order_num = "cancelled", self.now, None
        return Said(thing=session)

    # Time

    def waiting(self) -> Iterator[Payment | Agreement]:
        """Everything that waits for its shopper elsewhere."""
        yield from [payment for payment in self.payments if payment.waits]
        for session in self.sessions:
            if isinstance(session.waiting, Agreement):
                yield session.waiting

    def work(self) -> None:
        """What the worker does, once it has had the time to ask after everything."""
        for token in self.tokens:
            token.used = token.used or token.expires_at <= self.now
        for waiting in list(self.waiting()):
            self.hear(waiting)
        for payment in self.payments:
            over = payment.deadline is not None and payment.deadline <= self.now
            if payment.status == "authorized" and over and not payment.waits:
                payment.status, payment.deadline = "expired", None
                self.record("payment.expired", payment)
        for session in self.sessions:
            if session.is_expired and not session.ended:
                self.end_session(session)

    def end_session(self, session: Session) -> None:
        """Its time has run out."""
        self._end_waiting(session)
        if session.status == "pending":
            session.ended, session.order_num = True, None
