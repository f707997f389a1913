"""What two merchants have, as a reader of the contract would keep it: tokens, customers, payments, sessions, events."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tests.machine.model import Shop

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
