"""What the shop keeps: subscribers, what they used, their invoices. Of a card it has only the customer's id."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, email TEXT NOT NULL, plan TEXT NOT NULL, customer TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'joining', started_on TEXT, ends_on TEXT
);
CREATE TABLE IF NOT EXISTS usage (account TEXT NOT NULL REFERENCES accounts, day TEXT NOT NULL, units INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS usage_of ON usage (account, day);
CREATE TABLE IF NOT EXISTS invoices (
    number TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts, period INTEGER NOT NULL,
    due_on TEXT NOT NULL, base INTEGER NOT NULL, units INTEGER NOT NULL, amount INTEGER NOT NULL,
    status TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_try TEXT NOT NULL, payment TEXT,
    UNIQUE (account, period)
);
"""


@dataclass(frozen=True)
class Account:
    """A subscriber. status: "joining" (no card yet), "active", "ended". ends_on: the first day it is over."""

    id: str
    email: str
    plan: str
    customer: str
    status: str
    started_on: date | None
    ends_on: date | None


@dataclass(frozen=True)
class Invoice:
    """One month of an account. status: "open", "paid", "unpaid" (given up). payment: one whose end we wait for."""

    number: str
    account: str
    period: int
    due_on: date
    base: int
    units: int
    amount: int
    status: str
    tries: int
    next_try: date
    payment: str | None


class Store:
    """A SQLite file. Changes that two runs could make at once say what they expect, and tell whether they were made."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._db:
            yield self._db

    # Accounts

    def add_account(self, id: str, email: str, plan: str, customer: str) -> None:
        with self._change() as db:
            db.execute(
                "INSERT INTO accounts (id, email, plan, customer) VALUES (?, ?, ?, ?)", (id, email, plan, customer)
            )

    def account(self, id: str) -> Account | None:
        row = self._db.execute("SELECT * FROM accounts WHERE id = ?", (id,)).fetchone()
        return None if row is None else _account(row)

    def account_of(self, customer: str) -> Account | None:
        row = self._db.execute("SELECT * FROM accounts WHERE customer = ?", (customer,)).fetchone()
        return None if row is None else _account(row)

    def active(self) -> list[Account]:
        return [_account(row) for row in self._db.execute("SELECT * FROM accounts WHERE status = 'active' ORDER BY id")]

    def start(self, account: Account, today: date) -> bool:
        """Whether it was only joining until now."""
        with self._change() as db:
            asked = "UPDATE accounts SET status = 'active', started_on = ? WHERE id = ? AND status = 'joining'"
            return db.execute(asked, (today.isoformat(), account.id)).rowcount == 1

    def cancel(self, account: Account, ends_on: date) -> bool:
        """Whether it had no end yet."""
        with self._change() as db:
            asked = "UPDATE accounts SET ends_on = ? WHERE id = ? AND status = 'active' AND ends_on IS NULL"
            return db.execute(asked, (ends_on.isoformat(), account.id)).rowcount == 1

    def end(self, account: str, today: date) -> bool:
        """Whether it was active until now."""
        with self._change() as db:
            asked = "UPDATE accounts SET status = 'ended', ends_on = ? WHERE id = ? AND status = 'active'"
            return db.execute(asked, (today.isoformat(), account)).rowcount == 1

    # Usage

    def add_usage(self, account: str, day: date, units: int) -> None:
        with self._change() as db:
            db.execute("INSERT INTO usage VALUES (?, ?, ?)", (account, day.isoformat(), units))

    def used(self, account: str, start: date, end: date) -> int:
        """Units from a day to before another."""
        asked = "SELECT coalesce(sum(units), 0) FROM usage WHERE account = ? AND day >= ? AND day < ?"
        return int(self._db.execute(asked, (account, start.isoformat(), end.isoformat())).fetchone()[0])

    # Invoices

    def add_invoice(self, account: str, period: int, due_on: date, base: int, units: int, amount: int) -> None:
        """One for each period, however often it is said. What costs nothing is paid."""
        status, day = ("open" if amount else "paid"), due_on.isoformat()
        values = (f"{account}-{period}", account, period, day, base, units, amount, status, day)
        with self._change() as db:
            db.execute(
                "INSERT INTO invoices (number, account, period, due_on, base, units, amount, status, next_try)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                values,
            )

    def invoice(self, number: str) -> Invoice | None:
        row = self._db.execute("SELECT * FROM invoices WHERE number = ?", (number,)).fetchone()
        return None if row is None else _invoice(row)

    def invoices(self, account: str) -> list[Invoice]:
        """An account's, oldest first."""
        asked = "SELECT * FROM invoices WHERE account = ? ORDER BY period"
        return [_invoice(row) for row in self._db.execute(asked, (account,))]

    def to_collect(self, today: date, account: str | None = None) -> list[Invoice]:
        """Those that are to be tried by now, of one account or of all, oldest first."""
        asked = (
            "SELECT * FROM invoices WHERE status = 'open' AND next_try <= ? AND account = coalesce(?, account)"
            " ORDER BY due_on, number"
        )
        return [_invoice(row) for row in self._db.execute(asked, (today.isoformat(), account))]

    def next_period(self, account: str) -> int:
        asked = "SELECT coalesce(max(period) + 1, 0) FROM invoices WHERE account = ?"
        return int(self._db.execute(asked, (account,)).fetchone()[0])

    def pay(self, invoice: Invoice) -> bool:
        """Whether it was open until now."""
        with self._change() as db:
            asked = "UPDATE invoices SET status = 'paid', payment = NULL WHERE number = ? AND status = 'open'"
            return db.execute(asked, (invoice.number,)).rowcount == 1

    def wait(self, invoice: Invoice, payment: str) -> None:
        """A payment of it has begun, and its end comes later."""
        with self._change() as db:
            db.execute(
                "UPDATE invoices SET payment = ? WHERE number = ? AND status = 'open'", (payment, invoice.number)
            )

    def fail(self, invoice: Invoice, next_try: date | None) -> bool:
        """A try came to nothing; None: there is no other. Whether nobody else has said so."""
        with self._change() as db:
            asked = (
                "UPDATE invoices SET tries = tries + 1, payment = NULL, next_try = coalesce(?, next_try), status = ?"
                " WHERE number = ? AND status = 'open' AND tries = ?"
            )
            day, status = (next_try.isoformat(), "open") if next_try else (None, "unpaid")
            return db.execute(asked, (day, status, invoice.number, invoice.tries)).rowcount == 1

    def try_now(self, account: str, today: date) -> None:
        """Do not wait with what is open."""
        with self._change() as db:
            asked = "UPDATE invoices SET next_try = ? WHERE account = ? AND status = 'open' AND next_try > ?"
            db.execute(asked, (today.isoformat(), account, today.isoformat()))


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _account(row: sqlite3.Row) -> Account:
    return Account(**dict(row) | {"started_on": _day(row["started_on"]), "ends_on": _day(row["ends_on"])})


def _invoice(row: sqlite3.Row) -> Invoice:
    days = {name: date.fromisoformat(row[name]) for name in ("due_on", "next_try")}
    return Invoice(**dict(row) | days)
