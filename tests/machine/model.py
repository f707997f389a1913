"""What a reader of the contract would say: the state of two merchants, and what each operation answers.

Plain Python, one merchant after another, nothing in flight. An operation changes the state and returns what is to be
answered; the machine asks the server the same and compares. What a shopper decides at the far side is ``far`` of what
waits there, until somebody asks: then it is *heard*.
"""

from collections.abc import Iterator
from dataclasses import replace

from tests.machine.merchant import Merchant
from tests.machine.things import (
    DAY,
    MOST_DECLINES,
    NOT_FOUND,
    NOT_KEPT,
    STORABLE,
    WALLETS,
    Agreement,
    Customer,
    Means,
    Payment,
    Said,
    Session,
    Token,
    declined,
    end_of_day,
    refused,
)


class Shop(Merchant):
    """A merchant in test mode, with its sessions, and what time does."""

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
