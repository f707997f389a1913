"""The simulator's desk: one book for all processes, prepaid cards with balances, decisions that stand."""

from pathlib import Path

import pytest

from azukari.core.clock import DAY
from azukari.processors.base import SimulatorDirectives
from azukari.processors.simulator import desk as desks
from azukari.processors.simulator import shared
from azukari.processors.simulator.desk import OffsiteBackend, SimulatedOrder
from azukari.processors.simulator.orders import BankOrder, MethodFields, PageContext
from azukari.vault import CHIP, TERMINAL
from tests.house import TestClock


def mac(text: bytes) -> bytes:
    """Good enough for a desk."""
    import hashlib

    return hashlib.blake2b(text, digest_size=32, key=b"k").digest()


class Office:
    """Desks of several processes over one book."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = TestClock()
        self.refs = 0

    def desk(self) -> OffsiteBackend:
        return OffsiteBackend(self.path, self.clock, mac, "https://azukari.example")

    def ref(self) -> str:
        self.refs += 1
        return f"{self.refs:032x}"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "desk.jsonl")


KONBINI = MethodFields("konbini", store="lawson")


def order(asked: MethodFields | None, kind: str = "sale", amount: int = 1000, parent: str | None = None) -> BankOrder:
    return BankOrder(kind, amount, "JPY", parent=parent, method=asked, visit=PageContext("https://shop.example"))


def card(number: str) -> MethodFields:
    return MethodFields("web_money", prepaid_number=number)


def test_what_one_process_hears_the_others_know(office: Office) -> None:
    first, second = office.desk(), office.desk()
    ref = office.ref()
    slip = first.take(ref, order(KONBINI))
    assert slip.state == "waiting"

    decided = second.decide(ref, "paid")

    assert decided is not None
    found = first.look_up(ref)
    assert found is not None
    assert (found.state, found.details) == ("approved", slip.details)
    assert office.desk().look_up(ref) == found


def test_a_decision_stands(office: Office) -> None:
    desk, other, ref = office.desk(), office.desk(), office.ref()
    desk.take(ref, order(MethodFields("paypay")))
    other.decide(ref, "insufficient")

    again = desk.decide(ref, "paid")

    assert again is not None
    assert (again.state, again.code) == ("declined", "insufficient_funds")


def test_an_order_is_taken_once(office: Office) -> None:
    desk, other, ref = office.desk(), office.desk(), office.ref()
    first = desk.take(ref, order(card("abcd1234efgh5678")))

    assert other.take(ref, order(card("abcd1234efgh5678"), amount=2)) == first
    assert len(office.path.read_bytes().splitlines()) == 1


def test_nobody_pays_long_after_the_deadline(office: Office) -> None:
    desk, ref = office.desk(), office.ref()
    desk.take(ref, order(KONBINI))
    office.clock.advance(10 * DAY)

    late = desk.decide(ref, "paid")

    assert late is not None
    assert late.state == "lapsed"


def test_a_cancellation_and_a_payment_exclude_each_other(office: Office) -> None:
    desk, refs = office.desk(), [office.ref() for _ in range(4)]
    for ref in refs[:2]:
        desk.take(ref, order(KONBINI))
    desk.decide(refs[0], "paid")
    parents = [slip.id for slip in map(desk.look_up, refs[:2]) if slip is not None]

    refused, done = (
        desk.take(ref, order(None, "cancel", parent=parent)) for ref, parent in zip(refs[2:], parents, strict=True)
    )

    assert (refused.state, refused.code) == ("declined", "not_cancellable")
    assert done.state == "approved"
    after = office.desk().decide(refs[1], "paid")
    assert after is not None
    assert after.state == "cancelled"


def test_a_prepaid_card_has_what_is_left_on_it(office: Office) -> None:
    desk, number = office.desk(), "abcd1234efgh5678"
    first = desk.take(office.ref(), order(card(number), amount=99_500))
    assert (first.state, first.short) == ("approved", 0)

    short_ref = office.ref()
    short = office.desk().take(short_ref, order(card(number), amount=1000))
    assert (short.state, short.short) == ("short", 500)
    assert desk.take(office.ref(), order(card(number), amount=1)).code == "used_number"

    desk.void(short_ref)
    again = office.desk().take(office.ref(), order(card(number), amount=500))
    assert again.state == "approved"


def test_the_published_card_is_full_for_every_payment_and_good_once_for_each(office: Office) -> None:
    desk, number = office.desk(), "1111111111111111"
    for _ in range(3):
        assert desk.take(office.ref(), order(card(number), amount=2000)).state == "approved"
        parent = office.desk().take(office.ref(), order(card(number), amount=3000))
        assert (parent.state, parent.short) == ("short", 1000)
        assert desk.take(office.ref(), order(card(number), "top_up", 1000, parent.id)).code == "used_number"


def test_a_top_up_that_is_undone_leaves_the_order_short_again(office: Office) -> None:
    desk, first, added = office.desk(), office.ref(), office.ref()
    parent = desk.take(first, order(card("1111111111111111"), amount=3000))
    desk.take(added, order(card("abcd1234efgh5678"), "top_up", 1000, parent.id))
    complete = desk.look_up(first)
    assert complete is not None
    assert (complete.state, complete.short) == ("approved", 0)

    desk.void(added)

    found = office.desk().look_up(first)
    assert found is not None
    assert (found.state, found.short) == ("short", 1000)
    assert found.details["prepaid_cards"] == [{"last_four_digits": "1111", "points": 2000}]


def test_a_line_that_a_crash_cut_short_spoils_no_other(office: Office) -> None:
    desk, first, second = office.desk(), office.ref(), office.ref()
    desk.take(first, order(KONBINI))
    with office.path.open("ab") as file:
        file.write(b'{"ref":"half')

    office.desk().take(second, order(KONBINI))

    for each in (desk, office.desk()):
        assert each.look_up(first) is not None
        assert each.look_up(second) is not None


def test_neither_a_number_nor_an_agreement_is_in_the_book(office: Office) -> None:
    desk, ref = office.desk(), office.ref()
    desk.take(office.ref(), order(card("abcd1234efgh5678")))
    desk.take(ref, order(MethodFields("paypay"), "agree", 0))
    agreed = desk.decide(ref, "approved")
    assert agreed is not None
    agreement = desk.agreement_of(agreed)
    assert agreement is not None
    charge = BankOrder("sale", 700, "JPY", agreement=agreement)
    assert office.desk().take(office.ref(), charge).state == "approved"

    desk.revoke(agreement)

    refused = office.desk().take(office.ref(), charge)
    assert (refused.state, refused.code) == ("declined", "invalid_account")
    book = office.path.read_text()
    for secret in ("abcd1234", agreement.removeprefix("agr_")):
        assert secret not in book


def test_a_scenario_is_followed_at_once(office: Office) -> None:
    ordered = BankOrder("sale", 1, "JPY", method=KONBINI, orders=SimulatorDirectives(scenario="fraudulent"))
    slip = office.desk().take(office.ref(), ordered)
    assert (slip.state, slip.code) == ("declined", "fraudulent")


# A book that is full


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books that are shortened often, to five orders that have ended."""
    monkeypatch.setattr(shared, "ROTATE", 8_000)
    monkeypatch.setattr(desks, "REMEMBERED", 5)


def fill(office: Office, *desks: OffsiteBackend, times: int = 60) -> None:
    """Orders that end at once, at each of the desks by turns."""
    for number in range(times):
        slip = desks[number % len(desks)].take(
            office.ref(), order(MethodFields("bit_cash", prepaid_number="e111111111111114"))
        )
        assert slip.state == "declined"


def standing(desk: OffsiteBackend, *refs: str) -> list[SimulatedOrder]:
    found = [desk.look_up(ref) for ref in refs]
    assert None not in found
    return [slip for slip in found if slip is not None]


@pytest.mark.usefixtures("small")
def test_a_full_book_is_shortened_for_all_who_work_on_it(office: Office) -> None:
    one, two, late = office.desk(), office.desk(), office.desk()
    late.take(office.ref(), order(KONBINI))

    fill(office, one, two, times=200)

    assert office.path.stat().st_size < 9_000
    newest = f"{office.refs:032x}"
    assert [desk.look_up(newest) for desk in (two, late)] == [one.look_up(newest)] * 2
    assert one.look_up(newest) is not None
    assert late.look_up(f"{2:032x}") is None
    again = late.take(newest, order(KONBINI))
    assert again == one.look_up(newest)
    assert sorted(path.name for path in office.path.parent.iterdir()) == ["desk.jsonl"]


@pytest.mark.usefixtures("small")
def test_what_still_matters_outlives_a_full_book(office: Office) -> None:
    desk, number = office.desk(), "abcd1234efgh5678"
    waiting, agreed, spent, short, added, refunded = (office.ref() for _ in range(6))
    desk.take(waiting, order(KONBINI))
    desk.take(agreed, order(MethodFields("paypay"), "agree", 0))
    desk.decide(agreed, "approved")
    desk.take(spent, order(card(number), amount=99_500))
    first = desk.take(short, order(card("1111111111111111"), amount=3000))
    desk.take(added, order(card("wxyz1234efgh5678"), "top_up", 400, first.id))
    before = standing(desk, waiting, agreed, spent, short, added)
    agreement = desk.agreement_of(before[1])

    fill(office, desk, office.desk())

    for each in (desk, office.desk()):
        found = standing(each, waiting, agreed, spent, short, added)
        assert [(slip.state, slip.short, slip.details) for slip in found] == [
            (slip.state, slip.short, slip.details) for slip in before
        ]
    assert desk.take(office.ref(), order(card(number), amount=1000)).short == 500
    assert office.desk().take(office.ref(), order(card(number), amount=1)).code == "used_number"
    assert office.desk().take(refunded, BankOrder("sale", 700, "JPY", agreement=agreement)).state == "approved"
    paid = office.desk().decide(waiting, "paid")
    assert paid is not None
    assert paid.state == "approved"
    desk.void(added)
    assert (standing(office.desk(), short)[0].short, standing(desk, short)[0].short) == (1000, 1000)


@pytest.mark.usefixtures("small")
def test_what_was_said_of_an_order_is_not_said_again_by_a_shortened_book(office: Office) -> None:
    desk, chip = office.desk(), office.ref()
    slip = desk.take(chip, order(MethodFields(TERMINAL, flow=CHIP)))
    first = desk.take(office.ref(), order(MethodFields(TERMINAL, ac_type="TC"), "finalize", parent=slip.id))
    desk.void(first.ref)
    assert standing(desk, chip)[0].state == "waiting"
    desk.take(office.ref(), order(MethodFields(TERMINAL, ac_type="TC"), "finalize", parent=slip.id))
    assert standing(desk, chip)[0].state == "approved"
    office.clock.advance(1)

    for path in (office.path, office.path):
        lines = list(desk.kept())
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        assert standing(office.desk(), chip)[0].state == "approved"


@pytest.mark.usefixtures("small")
def test_a_process_that_died_while_it_shortened_the_book_leaves_it_whole(office: Office) -> None:
    desk, ref = office.desk(), office.ref()
    desk.take(ref, order(KONBINI))
    office.path.with_name("desk.jsonl.new").write_bytes(b'{"ref":"half')

    fill(office, desk)

    assert standing(office.desk(), ref)[0].state == "waiting"
