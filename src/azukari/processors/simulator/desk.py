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
from azukari.processors.simulator.numbers import Mac, Numbers
from azukari.processors.simulator.orders import PREFIX, BankOrder, CardOrder, MethodFields, PageContext
from azukari.processors.simulator.shared import SharedLines
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
#: So many orders that have ended are kept when the book is shortened; all that still matter are kept besides.
REMEMBERED = 10_000


class Card(msgspec.Struct, frozen=True):
    """What was taken off a prepaid card. mark: a keyed hash of its number."""

    mark: str
    last4: str
    points: int


class SimulatedOrder(msgspec.Struct, kw_only=True):
    """An order as it stands: the latest of a ref counts. later: a further word about one that is in the book.

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
    guest: PageContext = msgspec.field(default_factory=PageContext)
    revoked: bool = False
    voided: bool = False
    held: bool = False
    later: bool = False
    told: bool = False

    @property
    def stands(self) -> bool:
        """Whether what was taken for it was not given back."""
        return not self.voided and self.state in ("short", "approved")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SimulatedOrder).decode


class OffsiteBackend:
    """Takes orders, hears what shoppers decide, says how things stand."""

    def __init__(self, path: Path, clock: Clock, mac: Mac, base_url: str) -> None:
        self._lines = SharedLines(path, self)
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

    def kept(self) -> Iterable[bytes]:
        """The orders that matter, as they stand: the latest, and of older ones those that wait, that others are made
        by, and that took something off a prepaid card.
        """
        slips = list(self._by_ref.values())
        for at, slip in enumerate(slips):
            if at >= len(slips) - REMEMBERED or slip.state in ("waiting", "short") or self._matters(slip):
                yield _encode(msgspec.structs.replace(slip, told=True))

    def _matters(self, slip: SimulatedOrder) -> bool:
        return self.agreement_of(slip) is not None or (slip.stands and slip.card is not None)

    def take(self, ref: str, order: BankOrder) -> SimulatedOrder:
        """Carry out an order, once."""
        with self._lines.held():
            known = self._by_ref.get(ref)
            return known or self._write(self._new(ref, order))

    def look_up(self, ref: str, now: int | None = None) -> SimulatedOrder | None:
        """How an order stands; one that nobody paid in time has lapsed.

        now: the merchant's time; None: the machine's.
        """
        with self._lines.held():
            slip = self._by_ref.get(ref)
            if slip is not None and slip.state in ("waiting", "short") and self._late(slip, now):
                slip = self._amend(slip, state="lapsed")
            return slip

    def decide(self, ref: str, decision: Decision, now: int | None = None) -> SimulatedOrder | None:
        """A shopper's decision about an order that waits; one that does not stays as it is."""
        with self._lines.held():
            slip = self._by_ref.get(ref)
            if slip is None or slip.voided or slip.state not in ("waiting", "short"):
                return slip
            if decision in ("paid", "approved") and not self._late(slip, now):
                details = {**slip.details, "short_amount": 0} if slip.short else slip.details
                return self._amend(slip, state="approved", short=0, details=details)
            if decision in _DECLINED:
                return self._amend(slip, state="declined", code=_DECLINED[decision])
            return self._amend(slip, state="lapsed")

    def void(self, ref: str) -> None:
        """Give everything back that was done for an order, or is still to be done."""
        with self._lines.held():
            slip = self._by_ref.get(ref)
            if slip is not None and not slip.voided:
                self._amend(slip, voided=True)

    def revoke(self, agreement: str) -> None:
        """The shopper takes an agreement back: nothing is charged by it any more."""
        with self._lines.held():
            made_by = self._agreements.get(self._mark(agreement))
            if made_by is not None:
                self._amend(self._by_ref[made_by], revoked=True)

    def agreement_of(self, slip: SimulatedOrder) -> str | None:
        """What came of an order that asked for one: it is made anew each time, and written down nowhere."""
        if slip.state != "approved" or not (slip.kind == "agree" or slip.guest.store):
            return None
        return "agr_" + Numbers(self._mac, slip.ref).word("agreement")

    def _new(self, ref: str, order: BankOrder) -> SimulatedOrder:
        parent = self._by_id.get(order.parent or "")
        asked = order.method
        slip = SimulatedOrder(
            ref=ref,
            kind=order.kind,
            type=asked.type if asked else parent.type if parent else "",
            amount=order.amount,
            currency=order.currency,
            id=PREFIX + Numbers(self._mac, ref).word("id")[:22],
            state="approved",
            created_at=self._time(order.now),
            parent=order.parent,
            guest=order.visit or PageContext(),
        )
        if order.orders.scenario is not None:
            return _declined(slip, order.orders.scenario)
        if order.agreement is not None:
            return self._by_agreement(slip, order.agreement)
        if order.kind == "cancel":
            return self._cancelled(slip, parent)
        if asked is None:
            return slip if parent is not None and parent.stands else _declined(slip, "other_error")
        if asked.type == TERMINAL:
            return (
                self._finalized(slip, parent, asked) if slip.kind == "finalize" else self._read(slip, asked, order.card)
            )
        if asked.type in PREPAID:
            return self._from_card(slip, parent, asked.prepaid_number or "")
        if asked.type in PASSWORD:
            return _declined(slip, "invalid_password") if asked.password == _WRONG_PASSWORD else slip
        return self._waiting(slip, asked)

    def _waiting(self, slip: SimulatedOrder, asked: MethodFields) -> SimulatedOrder:
        own = Numbers(self._mac, slip.ref)
        slip.state = "waiting"
        if asked.type not in CASH:
            slip.deadline = end_of_japanese_day(slip.created_at, _DAYS_ON_A_PAGE)
            slip.redirect_url = f"{self._base_url}/offsite/{slip.ref}"
            slip.details = numbers.of_page(asked.type, own, slip.redirect_url, slip.amount)
            return slip
        days = asked.expiry_days if asked.expiry_days is not None else _DAYS[asked.type]
        slip.deadline = end_of_japanese_day(slip.created_at, days)
        match asked.type:
            case "konbini":
                slip.details = numbers.of_store(asked.store or "", own)
            case "bank_transfer":
                slip.details = numbers.of_bank(own, slip.deadline)
            case _:
                slip.details = numbers.of_pay_easy(own)
        return slip

    def _read(self, slip: SimulatedOrder, asked: MethodFields, card: CardOrder | None) -> SimulatedOrder:
        """A card at a terminal: a stripe's is paid at once, a chip has the last word."""
        code = None if card is None else DECLINED.get(card.number)
        if code is not None:
            return _declined(slip, code)
        slip.details = numbers.of_terminal(Numbers(self._mac, slip.ref))
        if asked.flow == CHIP:
            slip.state, slip.deadline = "waiting", end_of_japanese_day(slip.created_at, _DAYS_ON_A_PAGE)
        return slip

    def _finalized(self, slip: SimulatedOrder, parent: SimulatedOrder | None, asked: MethodFields) -> SimulatedOrder:
        if parent is None or parent.voided or parent.state != "waiting" or asked.ac_type is None:
            return _declined(slip, "other_error")
        said, slip.held = asked.ac_type.upper(), (asked.capture or str(parent.kind == "sale").lower()) == "false"
        return slip if said == _APPROVES else _declined(slip, "card_declined" if said == _REFUSES else "other_error")

    def _by_agreement(self, slip: SimulatedOrder, agreement: str) -> SimulatedOrder:
        slip.agreement = self._mark(agreement)
        made_by = self._by_ref.get(self._agreements.get(slip.agreement, ""))
        if made_by is None or made_by.revoked or made_by.voided:
            return _declined(slip, "invalid_account")
        slip.type = made_by.type
        return slip

    def _cancelled(self, slip: SimulatedOrder, parent: SimulatedOrder | None) -> SimulatedOrder:
        if parent is None:
            return _declined(slip, "other_error")
        if parent.state == "approved" and parent.kind != "authorize":
            return _declined(slip, "not_cancellable")
        return slip

    def _from_card(self, slip: SimulatedOrder, parent: SimulatedOrder | None, number: str) -> SimulatedOrder:
        """Take what is needed off a prepaid card, or all there is."""
        mark = self._mark(number)
        left = self._left(number, mark, parent)
        if number in _BAD_NUMBERS or left <= 0:
            return _declined(slip, _BAD_NUMBERS.get(number, "used_number"))
        if slip.kind == "top_up" and (parent is None or parent.voided or parent.state != "short"):
            return _declined(slip, "other_error")
        slip.card = Card(mark, number[-4:], min(left, slip.amount))
        slip.short = slip.amount - slip.card.points
        slip.state = "short" if slip.short else "approved"
        if parent is None:
            slip.deadline = end_of_japanese_day(slip.created_at, _DAYS_TO_TOP_UP)
            slip.details = _of_cards(slip.short, [slip.card])
        else:
            slip.deadline = parent.deadline
            slip.details = _of_cards(slip.short, [*self._cards_of(parent), slip.card])
        return slip

    def _cards_of(self, first: SimulatedOrder) -> list[Card]:
        """All cards of an order that count: its own, and what was added."""
        slips = [first, *(self._by_ref[ref] for ref in self._top_ups.get(first.id, ()))]
        return [slip.card for slip in slips if slip.card is not None and slip.stands]

    def _left(self, number: str, mark: str, parent: SimulatedOrder | None) -> int:
        """What is on a prepaid card."""
        if number not in _BALANCES:
            return _BALANCE - self._spent(mark)
        taken = [] if parent is None else self._cards_of(parent)
        return _BALANCES[number] - sum(card.points for card in taken if card.mark == mark)

    def _spent(self, mark: str) -> int:
        spent = 0
        for ref in self._uses.get(mark, ()):
            slip = self._by_ref[ref]
            first = self._by_id.get(slip.parent or "", slip)
            spent += slip.card.points if slip.card is not None and slip.stands and first.stands else 0
        return spent

    def _late(self, slip: SimulatedOrder, now: int | None) -> bool:
        return slip.deadline is not None and self._time(now) > slip.deadline + _LATE

    def _time(self, now: int | None) -> int:
        return self._clock.now() if now is None else now

    def _mark(self, secret: str) -> str:
        return self._mac(b"secret " + secret.encode()).hex()[:32]

    def _amend(self, slip: SimulatedOrder, **changes: object) -> SimulatedOrder:
        return self._write(msgspec.structs.replace(slip, later=True, told=False, **changes))

    def _write(self, slip: SimulatedOrder) -> SimulatedOrder:
        self._lines.append(_encode(slip))
        return self._by_ref[slip.ref]

    def take_in(self, line: bytes) -> None:
        """Learn what stands in a line of the book."""
        try:
            slip = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # cut short by a crash
        self._by_ref[slip.ref] = self._by_id[slip.id] = slip
        agreement = self.agreement_of(slip)
        if agreement is not None:
            self._agreements[self._mark(agreement)] = slip.ref
        if slip.card is not None:
            self._uses.setdefault(slip.card.mark, set()).add(slip.ref)
        parent = self._by_id.get(slip.parent or "")
        if parent is None:
            return
        # One line says all that an order did, to the one it is about too: no crash leaves the one without the other.
        if slip.told:
            if slip.kind == "top_up" and slip.state != "declined":
                self._top_ups.setdefault(parent.id, {})[slip.ref] = None
        elif slip.kind == "cancel" and slip.state == "approved" and parent.state in ("waiting", "short", "approved"):
            parent.state = "cancelled"
        elif slip.kind == "finalize" and slip.voided and (slip.state, parent.state) == ("approved", "approved"):
            parent.state = "waiting"  # what was undone has not been said
        elif slip.kind == "finalize" and not slip.voided and parent.state == "waiting":
            parent.state, parent.code = ("approved" if slip.state == "approved" else "declined"), slip.code
            parent.kind = "authorize" if slip.held else "sale"
        elif slip.kind == "top_up" and slip.state != "declined" and parent.state in ("short", "approved"):
            self._top_ups.setdefault(parent.id, {})[slip.ref] = None
            cards = self._cards_of(parent)
            parent.short = parent.amount - sum(card.points for card in cards)
            parent.details = _of_cards(parent.short, cards)
            parent.state = "short" if parent.short else "approved"


def _of_cards(short: int, cards: list[Card]) -> dict[str, object]:
    taken = [{"last_four_digits": card.last4, "points": card.points} for card in cards]
    return {"short_amount": short, "prepaid_cards": taken}


def _declined(slip: SimulatedOrder, code: str) -> SimulatedOrder:
    slip.state, slip.code = "declined", code
    return slip
