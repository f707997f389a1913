"""The off-site backend: one journal for all processes, prepaid cards with balances, decisions that stand."""

from pathlib import Path

import msgspec
import pytest

from azukari.core.clock import DAY
from azukari.processors.base import SimulatorDirectives
from azukari.processors.simulator import offsite
from azukari.processors.simulator.offsite import OffsiteBackend, SimulatedOrder
from azukari.processors.simulator.orders import BankOrder, MethodFields, PageContext
from azukari.vault import CHIP, TERMINAL
from tests.house import TestClock


def mac(text: bytes) -> bytes:
    """Good enough for a test."""
    import hashlib

    return hashlib.blake2b(text, digest_size=32, key=b"k").digest()


class Backends:
    """Backends of several processes over one journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = TestClock()
        self.refs = 0

    def open(self) -> OffsiteBackend:
        return OffsiteBackend(self.path, self.clock, mac, "https://azukari.example")

    def ref(self) -> str:
        self.refs += 1
        return f"{self.refs:032x}"


@pytest.fixture
def backends(tmp_path: Path) -> Backends:
    return Backends(tmp_path / "desk.jsonl")


KONBINI = MethodFields("konbini", store="lawson")


def body(fields: MethodFields | None, kind: str = "sale", amount: int = 1000, parent: str | None = None) -> BankOrder:
    return BankOrder(kind, amount, "JPY", parent=parent, method=fields, visit=PageContext("https://shop.example"))


def card(number: str) -> MethodFields:
    return MethodFields("web_money", prepaid_number=number)


def test_what_one_process_hears_the_others_know(backends: Backends) -> None:
    first, second = backends.open(), backends.open()
    ref = backends.ref()
    order = first.take(ref, body(KONBINI))
    assert order.state == "waiting"

    decided = second.decide(ref, "paid")

    assert decided is not None
    found = first.look_up(ref)
    assert found is not None
    assert (found.state, found.details) == ("approved", order.details)
    assert backends.open().look_up(ref) == found


def test_a_decision_stands(backends: Backends) -> None:
    backend, other, ref = backends.open(), backends.open(), backends.ref()
    backend.take(ref, body(MethodFields("paypay")))
    other.decide(ref, "insufficient")

    again = backend.decide(ref, "paid")

    assert again is not None
    assert (again.state, again.code) == ("declined", "insufficient_funds")


def test_an_order_is_taken_once(backends: Backends) -> None:
    backend, other, ref = backends.open(), backends.open(), backends.ref()
    first = backend.take(ref, body(card("abcd1234efgh5678")))

    assert other.take(ref, body(card("abcd1234efgh5678"), amount=2)) == first
    assert len(backends.path.read_bytes().splitlines()) == 1


def test_nobody_pays_long_after_the_deadline(backends: Backends) -> None:
    backend, ref = backends.open(), backends.ref()
    backend.take(ref, body(KONBINI))
    backends.clock.advance(10 * DAY)

    late = backend.decide(ref, "paid")

    assert late is not None
    assert late.state == "lapsed"


def test_a_cancellation_and_a_payment_exclude_each_other(backends: Backends) -> None:
    backend, refs = backends.open(), [backends.ref() for _ in range(4)]
    for ref in refs[:2]:
        backend.take(ref, body(KONBINI))
    backend.decide(refs[0], "paid")
    parents = [order.id for order in map(backend.look_up, refs[:2]) if order is not None]

    refused, done = (
        backend.take(ref, body(None, "cancel", parent=parent)) for ref, parent in zip(refs[2:], parents, strict=True)
    )

    assert (refused.state, refused.code) == ("declined", "not_cancellable")
    assert done.state == "approved"
    after = backends.open().decide(refs[1], "paid")
    assert after is not None
    assert after.state == "cancelled"


def test_a_prepaid_card_has_what_is_left_on_it(backends: Backends) -> None:
    backend, number = backends.open(), "abcd1234efgh5678"
    first = backend.take(backends.ref(), body(card(number), amount=99_500))
    assert (first.state, first.short) == ("approved", 0)

    short_ref = backends.ref()
    short = backends.open().take(short_ref, body(card(number), amount=1000))
    assert (short.state, short.short) == ("short", 500)
    assert backend.take(backends.ref(), body(card(number), amount=1)).code == "used_number"

    backend.void(short_ref)
    again = backends.open().take(backends.ref(), body(card(number), amount=500))
    assert again.state == "approved"


def test_the_published_card_is_full_for_every_payment_and_good_once_for_each(backends: Backends) -> None:
    backend, number = backends.open(), "1111111111111111"
    for _ in range(3):
        assert backend.take(backends.ref(), body(card(number), amount=2000)).state == "approved"
        parent = backends.open().take(backends.ref(), body(card(number), amount=3000))
        assert (parent.state, parent.short) == ("short", 1000)
        assert backend.take(backends.ref(), body(card(number), "top_up", 1000, parent.id)).code == "used_number"


def test_a_top_up_that_is_undone_leaves_the_order_short_again(backends: Backends) -> None:
    backend, first, added = backends.open(), backends.ref(), backends.ref()
    parent = backend.take(first, body(card("1111111111111111"), amount=3000))
    backend.take(added, body(card("abcd1234efgh5678"), "top_up", 1000, parent.id))
    complete = backend.look_up(first)
    assert complete is not None
    assert (complete.state, complete.short) == ("approved", 0)

    backend.void(added)

    found = backends.open().look_up(first)
    assert found is not None
    assert (found.state, found.short) == ("short", 1000)
    assert found.details["prepaid_cards"] == [{"last_four_digits": "1111", "points": 2000}]


def test_a_line_that_a_crash_cut_short_spoils_no_other(backends: Backends) -> None:
    backend, first, second = backends.open(), backends.ref(), backends.ref()
    backend.take(first, body(KONBINI))
    with backends.path.open("ab") as file:
        file.write(b'{"ref":"half')

    backends.open().take(second, body(KONBINI))

    for each in (backend, backends.open()):
        assert each.look_up(first) is not None
        assert each.look_up(second) is not None


def test_neither_a_number_nor_an_agreement_is_in_the_journal(backends: Backends) -> None:
    backend, ref = backends.open(), backends.ref()
    backend.take(backends.ref(), body(card("abcd1234efgh5678")))
    backend.take(ref, body(MethodFields("paypay"), "agree", 0))
    agreed = backend.decide(ref, "approved")
    assert agreed is not None
    agreement = backend.agreement_of(agreed)
    assert agreement is not None
    charge = BankOrder("sale", 700, "JPY", agreement=agreement)
    assert backends.open().take(backends.ref(), charge).state == "approved"

    backend.revoke(agreement)

    refused = backends.open().take(backends.ref(), charge)
    assert (refused.state, refused.code) == ("declined", "invalid_account")
    journal = backends.path.read_text()
    for secret in ("abcd1234", agreement.removeprefix("agr_")):
        assert secret not in journal


def test_a_scenario_is_followed_at_once(backends: Backends) -> None:
    ordered = BankOrder("sale", 1, "JPY", method=KONBINI, directives=SimulatorDirectives(scenario="fraudulent"))
    order = backends.open().take(backends.ref(), ordered)
    assert (order.state, order.code) == ("declined", "fraudulent")


# A journal that is full


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books that are shortened often, to five orders that have ended."""
    monkeypatch.setattr(offsite, "FULL_AT", 8_000)
    monkeypatch.setattr(offsite, "REMEMBERED", 5)


def fill(backends: Backends, *each: OffsiteBackend, times: int = 60) -> None:
    """Orders that end at once, at each of the backends by turns."""
    for number in range(times):
        order = each[number % len(each)].take(
            backends.ref(), body(MethodFields("bit_cash", prepaid_number="e111111111111114"))
        )
        assert order.state == "declined"


def standing(backend: OffsiteBackend, *refs: str) -> list[SimulatedOrder]:
    found = [backend.look_up(ref) for ref in refs]
    assert None not in found
    return [order for order in found if order is not None]


@pytest.mark.usefixtures("small")
def test_a_full_journal_is_shortened_for_all_who_work_on_it(backends: Backends) -> None:
    one, two, late = backends.open(), backends.open(), backends.open()
    late.take(backends.ref(), body(KONBINI))

    fill(backends, one, two, times=200)

    assert backends.path.stat().st_size < 9_000
    newest = f"{backends.refs:032x}"
    assert [backend.look_up(newest) for backend in (two, late)] == [one.look_up(newest)] * 2
    assert one.look_up(newest) is not None
    assert late.look_up(f"{2:032x}") is None
    again = late.take(newest, body(KONBINI))
    assert again == one.look_up(newest)
    assert sorted(path.name for path in backends.path.parent.iterdir()) == ["desk.jsonl"]


@pytest.mark.usefixtures("small")
def test_what_still_matters_outlives_a_full_journal(backends: Backends) -> None:
    backend, number = backends.open(), "abcd1234efgh5678"
    waiting, agreed, spent, short, added, refunded = (backends.ref() for _ in range(6))
    backend.take(waiting, body(KONBINI))
    backend.take(agreed, body(MethodFields("paypay"), "agree", 0))
    backend.decide(agreed, "approved")
    backend.take(spent, body(card(number), amount=99_500))
    first = backend.take(short, body(card("1111111111111111"), amount=3000))
    backend.take(added, body(card("wxyz1234efgh5678"), "top_up", 400, first.id))
    before = standing(backend, waiting, agreed, spent, short, added)
    agreement = backend.agreement_of(before[1])

    fill(backends, backend, backends.open())

    for each in (backend, backends.open()):
        found = standing(each, waiting, agreed, spent, short, added)
        assert [(order.state, order.short, order.details) for order in found] == [
            (order.state, order.short, order.details) for order in before
        ]
    assert backend.take(backends.ref(), body(card(number), amount=1000)).short == 500
    assert backends.open().take(backends.ref(), body(card(number), amount=1)).code == "used_number"
    assert backends.open().take(refunded, BankOrder("sale", 700, "JPY", agreement=agreement)).state == "approved"
    paid = backends.open().decide(waiting, "paid")
    assert paid is not None
    assert paid.state == "approved"
    backend.void(added)
    assert (standing(backends.open(), short)[0].short, standing(backend, short)[0].short) == (1000, 1000)


@pytest.mark.usefixtures("small")
def test_what_was_said_of_an_order_is_not_said_again_by_a_shortened_journal(backends: Backends) -> None:
    backend, chip = backends.open(), backends.ref()
    order = backend.take(chip, body(MethodFields(TERMINAL, flow=CHIP)))
    first = backend.take(backends.ref(), body(MethodFields(TERMINAL, ac_type="TC"), "finalize", parent=order.id))
    backend.void(first.ref)
    assert standing(backend, chip)[0].state == "waiting"
    backend.take(backends.ref(), body(MethodFields(TERMINAL, ac_type="TC"), "finalize", parent=order.id))
    assert standing(backend, chip)[0].state == "approved"
    backends.clock.advance(1)

    for path in (backends.path, backends.path):
        orders = list(backend.kept())
        path.write_bytes(b"".join(msgspec.json.encode(order) + b"\n" for order in orders))
        assert standing(backends.open(), chip)[0].state == "approved"


@pytest.mark.usefixtures("small")
def test_a_process_that_died_while_it_shortened_the_journal_leaves_it_whole(backends: Backends) -> None:
    backend, ref = backends.open(), backends.ref()
    backend.take(ref, body(KONBINI))
    backends.path.with_name("desk.jsonl.new").write_bytes(b'{"ref":"half')

    fill(backends, backend)

    assert standing(backends.open(), ref)[0].state == "waiting"
