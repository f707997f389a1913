"""The far side of all that is not a card: wallets, tills, banks, prepaid cards.

What was decided there is true whatever becomes of us. Every server process works on the one file, so what a shopper
does at one of them the others know.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from azukari.core.clock import DAY, Clock, end_of_japanese_day
from azukari.processors.methods import CASH, PASSWORD, PREPAID
from azukari.processors.simulator import numbers
from azukari.processors.simulator.cards import DECLINED
from azukari.processors.simulator.journal import Journal
from azukari.processors.simulator.numbers import Mac, Numbers
from azukari.processors.simulator.orders import PREFIX, BankOrder, CardOrder, MethodFields, PageContext
from azukari.vault import CHIP, TERMINAL

State = Literal["waiting", "short", "approved", "declined", "lapsed", "cancelled"]
#: What a shopper, or a test, can make of an order that waits.
Decision = Literal["paid", "approved", "declined", "insufficient", "expired", "failed", "cancelled"]

#: Until the end of which day in Japan a payment may be made, unless the request says.
_DAYS = {"konbini": 3, "bank_transfer": 14, "pay_easy": 3}
_DAYS_ON_A_PAGE, _DAYS_TO_TOP_UP = 1, 7
#: What a chip says in the end: a transaction certificate, or the cryptogram of a refusal. Anything else is a fault.
_APPROVES, _REFUSES = "TC", "AAC"
#: A till that heard of the deadline late may still have taken the money.
_LATE = DAY

_DECLINED: dict[str, str] = {
    "declined": "card_declined", "insufficient": "insufficient_funds", "failed": "other_error",
    "cancelled": "request_failed",
}  # fmt: skip
#: Published prepaid numbers: everybody's test types them again and again, so each payment finds them full.
#: Source: contract 16.3.
_BALANCES = {"1111111111111111": 2_000}
_BAD_NUMBERS = {
    "e111111111111112": "invalid_number", "e111111111111113": "used_number", "e111111111111114": "other_error",
}  # fmt: skip
_BALANCE = 100_000
_WRONG_PASSWORD = "wrong"  # noqa: S105 - what a test types to be refused
#: Bytes up to which no shorter file takes the place of one.
FULL_AT = 16 * 1024 * 1024
#: So many orders that have ended are kept when the journal is shortened; all that still matter are kept besides.
REMEMBERED = 10_000


class Card(msgspec.Struct, frozen=True):
    """What was taken off a prepaid card. number_hash: keyed."""

    number_hash: str = msgspec.field(name="mark")
    last4: str
    points: int


class SimulatedOrder(msgspec.Struct, kw_only=True):
    """An order as it stands: the latest of a ref counts. later: a further word about one that is in the journal.

    parent: the id of the order it is about. card: the prepaid card it came with; short: what is still missing.
    agreement: a keyed hash of the one it is made by. held: the word of a chip that leaves the money where it is.
    told: what it did to the order it is about stands in that one's line.
    """

    ref: str
    kind: str
    type: str
    amount: int
    currency: str
    id: str
    state: State
    created_at: int
    parent: str | None = None
    code: str | None = None
    details: dict[str, object] = {}
    deadline: int | None = None
    redirect_url: str | None = None
    short: int = 0
    card: Card | None = None
    agreement: str | None = None
    page: PageContext = msgspec.field(name="guest", default_factory=PageContext)
    revoked: bool = False
    voided: bool = False
    held: bool = False
    later: bool = False
    told: bool = False

    @property
    def stands(self) -> bool:
        """Whether what was taken for it was not given back."""
        return not self.voided and self.state in ("short", "approved")


class OffsiteBackend:
    """Takes orders, hears what shoppers decide, says how things stand."""

    def __init__(self, path: Path, clock: Clock, mac: Mac, base_url: str) -> None:
        self._journal = Journal(path, SimulatedOrder, FULL_AT, reader=self)
        self._clock = clock
        self._mac = mac
        self._base_url = base_url
        self.forget()

    def forget(self) -> None:
        """Know of no order."""
        self._by_ref: dict[str, SimulatedOrder] = {}
        self._by_id: dict[str, SimulatedOrder] = {}
        self._agreements: dict[str, str] = {}
        self._uses: dict[str, set[str]] = {}
        self._top_ups: dict[str, dict[str, None]] = {}

    def kept(self) -> Iterable[SimulatedOrder]:
        """The orders that matter, as they stand: the latest, and of older ones those that wait, that others are made
        by, and that took something off a prepaid card.
        """
        orders = list(self._by_ref.values())
        for at, order in enumerate(orders):
            if at >= len(orders) - REMEMBERED or order.state in ("waiting", "short") or self._matters(order):
                yield msgspec.structs.replace(order, told=True)

    def _matters(self, order: SimulatedOrder) -> bool:
        return self.agreement_of(order) is not None or (order.stands and order.card is not None)

    def take(self, ref: str, body: BankOrder) -> SimulatedOrder:
        """Carry out an order, once."""
        with self._journal.held():
            known = self._by_ref.get(ref)
            return known or self._write(self._new(ref, body))

    def look_up(self, ref: str, now: int | None = None) -> SimulatedOrder | None:
        """How an order stands; one that nobody paid in time has lapsed.

        now: the merchant's time; None: the machine's.
        """
        with self._journal.held():
            order = self._by_ref.get(ref)
            if order is not None and order.state in ("waiting", "short") and self._late(order, now):
                order = self._amend(order, state="lapsed")
            return order

    def decide(self, ref: str, decision: Decision, now: int | None = None) -> SimulatedOrder | None:
        """A shopper's decision about an order that waits; one that does not stays as it is."""
        with self._journal.held():
            order = self._by_ref.get(ref)
            if order is None or order.voided or order.state not in ("waiting", "short"):
                return order
            if decision in ("paid", "approved") and not self._late(order, now):
                details = {**order.details, "short_amount": 0} if order.short else order.details
                return self._amend(order, state="approved", short=0, details=details)
            if decision in _DECLINED:
                return self._amend(order, state="declined", code=_DECLINED[decision])
            return self._amend(order, state="lapsed")

    def void(self, ref: str) -> None:
        """Give everything back that was done for an order, or is still to be done."""
        with self._journal.held():
            order = self._by_ref.get(ref)
            if order is not None and not order.voided:
                self._amend(order, voided=True)

    def revoke(self, agreement: str) -> None:
        """The shopper takes an agreement back: nothing is charged by it any more."""
        with self._journal.held():
            made_by = self._agreements.get(self._hash(agreement))
            if made_by is not None:
                self._amend(self._by_ref[made_by], revoked=True)

    def agreement_of(self, order: SimulatedOrder) -> str | None:
        """What came of an order that fields for one: it is made anew each time, and written down nowhere."""
        if order.state != "approved" or not (order.kind == "agree" or order.page.store):
            return None
        return "agr_" + Numbers(self._mac, order.ref).word("agreement")

    def _new(self, ref: str, body: BankOrder) -> SimulatedOrder:
        parent = self._by_id.get(body.parent or "")
        fields = body.method
        order = SimulatedOrder(
            ref=ref,
            kind=body.kind,
            type=fields.type if fields else parent.type if parent else "",
            amount=body.amount,
            currency=body.currency,
            id=PREFIX + Numbers(self._mac, ref).word("id")[:22],
            state="approved",
            created_at=self._time(body.now),
            parent=body.parent,
            page=body.visit or PageContext(),
        )
        if body.directives.scenario is not None:
            return _declined(order, body.directives.scenario)
        if body.agreement is not None:
            return self._by_agreement(order, body.agreement)
        if body.kind == "cancel":
            return self._cancelled(order, parent)
        if fields is None:
            return order if parent is not None and parent.stands else _declined(order, "other_error")
        if fields.type == TERMINAL:
            return (
                self._finalized(order, parent, fields)
                if order.kind == "finalize"
                else self._read(order, fields, body.card)
            )
        if fields.type in PREPAID:
            return self._from_card(order, parent, fields.prepaid_number or "")
        if fields.type in PASSWORD:
            return _declined(order, "invalid_password") if fields.password == _WRONG_PASSWORD else order
        return self._waiting(order, fields)

    def _waiting(self, order: SimulatedOrder, fields: MethodFields) -> SimulatedOrder:
        own = Numbers(self._mac, order.ref)
        order.state = "waiting"
        if fields.type not in CASH:
            order.deadline = end_of_japanese_day(order.created_at, _DAYS_ON_A_PAGE)
            order.redirect_url = f"{self._base_url}/offsite/{order.ref}"
            order.details = numbers.of_page(fields.type, own, order.redirect_url, order.amount)
            return order
        days = fields.expiry_days if fields.expiry_days is not None else _DAYS[fields.type]
        order.deadline = end_of_japanese_day(order.created_at, days)
        match fields.type:
            case "konbini":
                order.details = numbers.of_store(fields.store or "", own)
            case "bank_transfer":
                order.details = numbers.of_bank(own, order.deadline)
            case _:
                order.details = numbers.of_pay_easy(own)
        return order

    def _read(self, order: SimulatedOrder, fields: MethodFields, card: CardOrder | None) -> SimulatedOrder:
        """A card at a terminal: a stripe's is paid at once, a chip has the last word."""
        code = None if card is None else DECLINED.get(card.number)
        if code is not None:
            return _declined(order, code)
        order.details = numbers.of_terminal(Numbers(self._mac, order.ref))
        if fields.flow == CHIP:
            order.state, order.deadline = "waiting", end_of_japanese_day(order.created_at, _DAYS_ON_A_PAGE)
        return order

    def _finalized(self, order: SimulatedOrder, parent: SimulatedOrder | None, fields: MethodFields) -> SimulatedOrder:
        if parent is None or parent.voided or parent.state != "waiting" or fields.ac_type is None:
            return _declined(order, "other_error")
        said, order.held = fields.ac_type.upper(), (fields.capture or str(parent.kind == "sale").lower()) == "false"
        return order if said == _APPROVES else _declined(order, "card_declined" if said == _REFUSES else "other_error")

    def _by_agreement(self, order: SimulatedOrder, agreement: str) -> SimulatedOrder:
        order.agreement = self._hash(agreement)
        made_by = self._by_ref.get(self._agreements.get(order.agreement, ""))
        if made_by is None or made_by.revoked or made_by.voided:
            return _declined(order, "invalid_account")
        order.type = made_by.type
        return order

    def _cancelled(self, order: SimulatedOrder, parent: SimulatedOrder | None) -> SimulatedOrder:
        if parent is None:
            return _declined(order, "other_error")
        if parent.state == "approved" and parent.kind != "authorize":
            return _declined(order, "not_cancellable")
        return order

    def _from_card(self, order: SimulatedOrder, parent: SimulatedOrder | None, number: str) -> SimulatedOrder:
        """Take what is needed off a prepaid card, or all there is."""
        number_hash = self._hash(number)
        left = self._left(number, number_hash, parent)
        if number in _BAD_NUMBERS or left <= 0:
            return _declined(order, _BAD_NUMBERS.get(number, "used_number"))
        if order.kind == "top_up" and (parent is None or parent.voided or parent.state != "short"):
            return _declined(order, "other_error")
        order.card = Card(number_hash, number[-4:], min(left, order.amount))
        order.short = order.amount - order.card.points
        order.state = "short" if order.short else "approved"
        if parent is None:
            order.deadline = end_of_japanese_day(order.created_at, _DAYS_TO_TOP_UP)
            order.details = _of_cards(order.short, [order.card])
        else:
            order.deadline = parent.deadline
            order.details = _of_cards(order.short, [*self._cards_of(parent), order.card])
        return order

    def _cards_of(self, first: SimulatedOrder) -> list[Card]:
        """All cards of an order that count: its own, and what was added."""
        orders = [first, *(self._by_ref[ref] for ref in self._top_ups.get(first.id, ()))]
        return [order.card for order in orders if order.card is not None and order.stands]

    def _left(self, number: str, number_hash: str, parent: SimulatedOrder | None) -> int:
        """What is on a prepaid card."""
        if number not in _BALANCES:
            return _BALANCE - self._spent(number_hash)
        taken = [] if parent is None else self._cards_of(parent)
        return _BALANCES[number] - sum(card.points for card in taken if card.number_hash == number_hash)

    def _spent(self, number_hash: str) -> int:
        spent = 0
        for ref in self._uses.get(number_hash, ()):
            order = self._by_ref[ref]
            first = self._by_id.get(order.parent or "", order)
            spent += order.card.points if order.card is not None and order.stands and first.stands else 0
        return spent

    def _late(self, order: SimulatedOrder, now: int | None) -> bool:
        return order.deadline is not None and self._time(now) > order.deadline + _LATE

    def _time(self, now: int | None) -> int:
        return self._clock.now() if now is None else now

    def _hash(self, secret: str) -> str:
        return self._mac(b"secret " + secret.encode()).hex()[:32]

    def _amend(self, order: SimulatedOrder, **changes: object) -> SimulatedOrder:
        return self._write(msgspec.structs.replace(order, later=True, told=False, **changes))

    def _write(self, order: SimulatedOrder) -> SimulatedOrder:
        self._journal.append(order)
        return self._by_ref[order.ref]

    def take_in(self, order: SimulatedOrder) -> None:
        """Learn what an entry of the journal says."""
        self._by_ref[order.ref] = self._by_id[order.id] = order
        agreement = self.agreement_of(order)
        if agreement is not None:
            self._agreements[self._hash(agreement)] = order.ref
        if order.card is not None:
            self._uses.setdefault(order.card.number_hash, set()).add(order.ref)
        parent = self._by_id.get(order.parent or "")
        if parent is None:
            return
        # One line says all that an order did, to the one it is about too: no crash leaves the one without the other.
        if order.told:
            if order.kind == "top_up" and order.state != "declined":
                self._top_ups.setdefault(parent.id, {})[order.ref] = None
        elif order.kind == "cancel" and order.state == "approved" and parent.state in ("waiting", "short", "approved"):
            parent.state = "cancelled"
        elif order.kind == "finalize" and order.voided and (order.state, parent.state) == ("approved", "approved"):
            parent.state = "waiting"  # what was undone has not been said
        elif order.kind == "finalize" and not order.voided and parent.state == "waiting":
            parent.state, parent.code = ("approved" if order.state == "approved" else "declined"), order.code
            parent.kind = "authorize" if order.held else "sale"
        elif order.kind == "top_up" and order.state != "declined" and parent.state in ("short", "approved"):
            self._top_ups.setdefault(parent.id, {})[order.ref] = None
            cards = self._cards_of(parent)
            parent.short = parent.amount - sum(card.points for card in cards)
            parent.details = _of_cards(parent.short, cards)
            parent.state = "short" if parent.short else "approved"


def _of_cards(short: int, cards: list[Card]) -> dict[str, object]:
    taken = [{"last_four_digits": card.last4, "points": card.points} for card in cards]
    return {"short_amount": short, "prepaid_cards": taken}


def _declined(order: SimulatedOrder, code: str) -> SimulatedOrder:
    order.state, order.code = "declined", code
    return order
