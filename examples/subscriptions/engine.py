"""The subscriptions themselves: joining, billing, collecting, reminding, ending. It is told what day it is."""

import calendar
import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from subscriptions.komoju import Komoju, Result
from subscriptions.mail import Send
from subscriptions.store import Account, Invoice, Store

#: Days from one failed try to the next; after the last the subscription ends. Four tries in two weeks.
WAITS = (3, 4, 7)


@dataclass(frozen=True)
class Plan:
    """Prices in yen. A month is paid in advance, what was used beyond ``included`` a month later."""

    id: str
    name: str
    price: int
    included: int
    per_unit: int

    def for_usage(self, units: int) -> int:
        """What a month's usage costs."""
        return max(0, units - self.included) * self.per_unit


PLANS = {plan.id: plan for plan in (Plan("starter", "Starter", 980, 100, 5), Plan("pro", "Pro", 4_980, 2_000, 2))}


def start_of(first: date, period: int) -> date:
    """The day a period begins, counted from the first: from 31 January to 28 February to 31 March."""
    year, month = divmod(first.year * 12 + first.month - 1 + period, 12)
    return date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1]))


class Engine:
    """Everything may be done twice, or by two at once: the databases, ours and the payments server's, see to that."""

    def __init__(self, store: Store, komoju: Komoju, send: Send) -> None:
        self.store = store
        self._komoju = komoju
        self._send = send

    # Joining

    def join(self, email: str, plan: Plan, return_url: str) -> str:
        """A new subscriber. Where to send the browser: the page that takes the card, which never comes to us."""
        page, customer = self._komoju.card_page(email, return_url)
        self.store.add_account(secrets.token_urlsafe(16), email, plan.id, customer)
        return page

    def change_card(self, account: Account, return_url: str) -> str:
        """The same for a subscriber who wants another card, or needs one."""
        return self._komoju.card_page(account.email, return_url, account.customer)[0]

    def returned(self, session: str, today: date) -> Account | None:
        """Somebody is back from the card page. None: no card was stored there."""
        customer = self._komoju.customer_with_card(session)
        return None if customer is None else self.card_stored(customer, today)

    def card_stored(self, customer: str, today: date) -> Account | None:
        """A customer has a card, or another one. The first makes them a subscriber, and is charged."""
        account = self.store.account_of(customer)
        if account is None:
            return None
        if self.store.start(account, today):
            self._send(account.email, "Welcome", f"Your plan is {PLANS[account.plan].name}. Thank you for joining.")
        else:
            # It may be the one that pays what the last one could not.
            self.store.try_now(account.id, today)
        self._bill_one(account.id, today)
        return self.store.account(account.id)

    # Billing

    def use(self, account: Account, units: int, today: date) -> None:
        """Note what a subscriber used."""
        self.store.add_usage(account.id, today, units)

    def bill(self, today: date) -> None:
        """Write the invoices that are due, and collect what is open. Once a day, or as often as you like."""
        for account in self.store.active():
            self._invoice(account, today)
        for invoice in self.store.to_collect(today):
            self._collect(invoice, today)

    def _bill_one(self, account_id: str, today: date) -> None:
        account = self.store.account(account_id)
        if account is not None and account.status == "active":
            self._invoice(account, today)
        for invoice in self.store.to_collect(today, account_id):
            self._collect(invoice, today)

    def _invoice(self, account: Account, today: date) -> None:
        """One for each month that has begun. After days without a run there are several, in order."""
        assert account.started_on is not None
        plan, period = PLANS[account.plan], self.store.next_period(account.id)
        while (begins := start_of(account.started_on, period)) <= today:
            is_over = account.ends_on is not None and begins >= account.ends_on
            base = 0 if is_over else plan.price
            units = self.store.used(account.id, start_of(account.started_on, period - 1), begins) if period else 0
            self.store.add_invoice(account.id, period, begins, base, units, base + plan.for_usage(units))
            if is_over:
                if self.store.end(account.id, begins):
                    self._send(account.email, "Goodbye", "Your subscription has ended. You are welcome back any time.")
                return
            period += 1

    def _collect(self, invoice: Invoice, today: date) -> None:
        account = self.store.account(invoice.account)
        assert account is not None
        # A key for each try of each day: a run that is repeated repeats nothing, and tomorrow may have another answer.
        # That it is paid once at most is up to its number, whatever the key.
        key = f"{invoice.number}-{invoice.tries}-{today:%Y%m%d}"
        result = self._komoju.charge(account.customer, invoice.amount, invoice.number, key)
        self._settle(account, invoice, result, today)

    def _settle(self, account: Account, invoice: Invoice, result: Result, today: date) -> None:
        match result.status:
            case "captured":
                if self.store.pay(invoice):
                    self._send(account.email, "Receipt", f"We have received ¥{invoice.amount:,} for {invoice.due_on}.")
            case "failed":
                self._remind(account, invoice, result.reason, today)
            case "pending" if result.payment is not None:
                self.store.wait(invoice, result.payment)

    # Dunning

    def _remind(self, account: Account, invoice: Invoice, reason: str, today: date) -> None:
        """The bank said no: try again in a few days, a few times, then end it."""
        next_try = today + timedelta(WAITS[invoice.tries]) if invoice.tries < len(WAITS) else None
        if not self.store.fail(invoice, next_try):
            return
        owed = f"We could not charge ¥{invoice.amount:,} for {invoice.due_on} ({reason.replace('_', ' ')})."
        if next_try is not None:
            self._send(account.email, "Payment failed", f"{owed} We try again on {next_try}. Is your card still good?")
        elif self.store.end(account.id, today):
            self._send(account.email, "Subscription ended", f"{owed} We have tried {len(WAITS) + 1} times.")

    def cancel(self, account: Account, today: date) -> date | None:
        """End it with the month that is paid; its last day's morrow. None: it has an end already."""
        self._bill_one(account.id, today)
        assert account.started_on is not None
        ends_on = start_of(account.started_on, self.store.next_period(account.id))
        return ends_on if self.store.cancel(account, ends_on) else None

    # Webhooks

    def told(self, event: dict[str, Any], today: date) -> None:
        """What the payments server tells. It may tell everything twice, and late."""
        data = event["data"]
        match event["type"]:
            case "customer.updated" if data["source"] is not None:
                self.card_stored(data["id"], today)
            case "payment.captured" | "payment.failed" | "payment.cancelled" | "payment.expired":
                invoice = self.store.invoice(data["external_order_num"] or "")
                # Only what we wait for: the end of the others we had as the charge's answer.
                if invoice is not None and invoice.payment == data["id"]:
                    account = self.store.account(invoice.account)
                    assert account is not None
                    status = "captured" if event["type"] == "payment.captured" else "failed"
                    self._settle(account, invoice, Result(status, data["id"], "it was not completed"), today)
