"""What each operation on tokens, customers and payments changes and answers."""

from collections.abc import Callable
from typing import Any

from tests.machine.things import (
    BALANCE,
    CASH,
    DAY,
    FULL,
    INVALID_TOKEN,
    NOT_FOUND,
    NOT_KEPT,
    PREPAID,
    Agreement,
    Customer,
    Event,
    Kept,
    Means,
    Payment,
    Said,
    Session,
    Token,
    World,
    declined,
    end_of_day,
    refused,
)


class Merchant:
    """A merchant's tokens, customers and payments."""

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
