"""Azukari in front of Azukari: the KOMOJU adapter, and a far side that speaks KOMOJU's API."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from azukari.core.clock import MINUTE
from azukari.processors.account import Account, AccountFields, AccountUse, Narrowed, Probing, fields_of
from azukari.processors.base import (
    Approved,
    Credential,
    Declined,
    NotSent,
    Outcome,
    ProcessorRequest,
    Refused,
    Unknown,
)
from azukari.processors.capabilities import Kind
from azukari.processors.komoju.processor import Komoju
from azukari.testing.handle import Azukari
from azukari.vault import ReplyUnknown, RequestNotSent
from tests.house import House
from tests.processors.contract import OWNER, ProcessorContract
from tests.processors.komoju.far import AFTER, BEFORE, Stand, stand_of
from tests.promises import query_of

#: Source: contract 16.1.
DECLINED = {
    "4123111111111000": "insufficient_funds",
    "4123111111111018": "exceeds_limit",
    "4123111111111034": "bad_verification_value",
    "4123111111111042": "card_expired",
    "4123111111111059": "card_declined",
    "4123111111111067": "other_invalid",
    "4123111111111075": "other_invalid",
    "4123111111111083": "fraudulent",
}
#: Source: contract 16.1, 16.2. Without a secure token a card of 16.2 is one like any other.
GOOD = [
    "4111111111111111", "5555555555554444", "3530111333300000", "378282246310005", "30569309025904",
    "4100000000000100", "5100000000000107", "3528000000000106", "4100000000005000", "5100000000005007",
    "3528000000005006", "4100000000500000", "5100000000500007", "3528000000500006", "4100000000300005",
    "5100000000300002", "3528000000300001",
]  # fmt: skip


@pytest.fixture
def engine() -> str:
    """No database has a part in this."""
    return "sqlite"


@pytest.fixture
async def stand(house: House, azukari: Azukari) -> AsyncIterator[Stand]:
    """The adapter, in front of a merchant that nobody has had before."""
    made = await stand_of(house, azukari)
    yield made
    await made.vault.close()


class TestKomoju(ProcessorContract):
    """What every processor promises."""

    @pytest.fixture
    def stand(self, stand: Stand) -> Stand:  # the contract asks for one of its own
        return stand


async def approved(stand: Stand, ref: str, kind: Any = "sale", **more: Any) -> str:
    """The far side's id of what was done."""
    outcome = await stand.processor.perform(stand.order(ref, kind, **more))
    assert isinstance(outcome, Approved), outcome
    return outcome.processor_ref


@pytest.mark.parametrize(("number", "code"), DECLINED.items())
async def test_each_published_decline_has_its_code(stand: Stand, number: str, code: str) -> None:
    for ref, kind in (("a", "sale"), ("b", "authorize")):
        outcome = await stand.processor.perform(stand.order(ref, kind, number=number))  # type: ignore[arg-type]
        assert outcome == Declined(code, raw=code)


async def test_each_published_good_card_is_charged(stand: Stand) -> None:
    for place, number in enumerate(GOOD):
        payment = stand.payment(await approved(stand, f"a{place:02}f", number=number))
        assert (payment["status"], payment["amount"]) == ("captured", 1000)
        assert payment["payment_details"]["last_four_digits"] == number[-4:]


async def test_a_part_is_captured_and_given_back_in_parts(stand: Stand) -> None:
    held = await approved(stand, "a", "authorize")
    assert stand.payment(held)["status"] == "authorized"
    assert await approved(stand, "b", "capture", amount=700, parent=held) == held

    refunds = [await approved(stand, ref, "refund", amount=300, parent=held) for ref in ("c", "d")]

    payment = stand.payment(held)
    by_us = [each for each in payment["refunds"] if each["description"]]
    assert [each["id"] for each in by_us] == refunds
    assert [each["amount"] for each in by_us] == [300, 300]
    # More than is left is refused, and said to be nothing that could be tried again.
    too_much = await stand.processor.perform(stand.order("e", "refund", amount=300, parent=held))
    assert isinstance(too_much, Declined)
    assert too_much.raw == "not_refundable"


async def test_a_hold_is_cancelled_and_a_sale_is_not(stand: Stand) -> None:
    held, sold = await approved(stand, "a", "authorize"), await approved(stand, "b")
    assert await approved(stand, "c", "cancel", parent=held) == held
    assert stand.payment(held)["status"] == "cancelled"
    refused = await stand.processor.perform(stand.order("d", "cancel", parent=sold))
    assert refused == Declined("not_cancellable", raw="not_cancellable")


async def test_a_change_is_looked_up_by_its_parent(stand: Stand) -> None:
    held, other = await approved(stand, "a", "authorize"), await approved(stand, "b", "authorize")
    capture, refund = (
        stand.order("c", "capture", amount=700, parent=held),
        stand.order("d", "refund", amount=1, parent=held),
    )
    cancel = stand.order("e", "cancel", parent=other)
    for change in (capture, refund, cancel):
        assert await stand.processor.lookup(query_of(change)) == NotSent()
        done = await stand.processor.perform(change)
        assert isinstance(done, Approved)
        assert await stand.processor.lookup(query_of(change)) == done
    assert await stand.processor.lookup(query_of(stand.order("f", "refund", amount=1, parent=held))) == NotSent()


async def test_one_ref_is_charged_once_however_often_it_is_sent(stand: Stand) -> None:
    order = stand.order("a")
    first = await stand.processor.perform(order)
    for again in (stand.order("a"), stand.order("a", amount=2000)):
        assert await stand.processor.perform(again) in (first, Unknown())
    side_by_side = await asyncio.gather(*(stand.processor.perform(stand.order("b")) for _ in range(5)))
    assert all(isinstance(outcome, Approved | Unknown) for outcome in side_by_side)

    for ref in ("a", "b"):
        assert [each["amount"] for each in stand.payments(ref.ljust(32, "0"))] == [1000]
    assert await stand.processor.lookup(query_of(order)) == first


async def test_one_change_is_made_once_however_often_it_is_sent(stand: Stand) -> None:
    sold = await approved(stand, "a")
    first = [await approved(stand, "b", "refund", amount=300, parent=sold) for _ in range(3)]
    assert len(set(first)) == 1
    assert stand.payment(sold)["amount_refunded"] == 300


async def test_a_hold_and_a_capture_are_undone(stand: Stand) -> None:
    hold = stand.order("a", "authorize")
    held = await approved(stand, "b", "authorize")
    assert isinstance(await stand.processor.perform(hold), Approved)
    capture = stand.order("c", "capture", parent=held)
    assert isinstance(await stand.processor.perform(capture), Approved)

    for done, status in ((hold, "cancelled"), (capture, "refunded")):
        assert await stand.processor.void(query_of(done))
        assert await stand.processor.void(query_of(done))
        payment_id = held if done is capture else stand.payments(done.ref)[0]["id"]
        assert stand.payment(payment_id)["status"] == status


async def test_what_may_be_under_way_is_not_said_to_be_undone(house: House, stand: Stand) -> None:
    query = query_of(stand.order("a"))
    asked = msgspec.structs.replace(query, sent_at=house.clock.now())
    assert not await stand.processor.void(asked)
    house.clock.advance(MINUTE)
    assert await stand.processor.void(asked)


async def test_without_an_account_nothing_leaves(stand: Stand) -> None:
    order = msgspec.structs.replace(stand.order("a"), account=None)
    assert await stand.processor.perform(order) == Refused("credentials")
    assert await stand.processor.lookup(query_of(order)) == Unknown()
    assert not await stand.processor.void(query_of(order))
    assert stand.road.asked == []


async def test_a_card_is_verified_without_a_call(stand: Stand) -> None:
    verify = stand.order("a", "verify", amount=0)
    assert isinstance(await stand.processor.perform(verify), Approved)
    assert await stand.processor.void(query_of(verify))
    assert stand.road.asked == []


async def test_what_is_not_a_cards_is_refused_before_it_leaves(stand: Stand) -> None:
    order = stand.order("a", "top_up", parent="a")
    assert await stand.processor.perform(order) == Refused("unsupported")
    assert stand.road.asked == []


async def test_a_stored_cards_request_says_that_the_shopper_is_absent(stand: Stand) -> None:
    first = Credential("komoju", "visa", 1, 1000, "JPY")
    for ref, indicator, intent in (("a", "unscheduled", "card_on_file"), ("b", "recurring", "subscription")):
        credential = msgspec.structs.replace(first, indicator=indicator)
        await stand.processor.perform(msgspec.structs.replace(stand.order(ref), credential=credential))
        details = msgspec.json.decode(stand.road.asked[-1][2])["payment_details"]
        assert (details["intent"], details["initiator"], details["usage"]) == (intent, "merchant", "used")
        assert "verification_value" not in details


async def test_a_lost_reply_of_a_hold_is_found(stand: Stand) -> None:
    order = stand.unanswered(stand.order("a", "authorize"))
    with pytest.raises(ReplyUnknown):
        await stand.processor.perform(order)
    found = await stand.processor.lookup(query_of(order))
    assert isinstance(found, Approved)
    assert stand.payment(found.processor_ref)["external_order_num"] == order.ref


# What goes wrong on the way


async def prepared(stand: Stand, kind: Kind) -> ProcessorRequest:
    """A request, and what it needs at the far side."""
    if kind in ("sale", "authorize"):
        return stand.order("a", kind)
    parent = await approved(stand, "b", "sale" if kind == "refund" else "authorize")
    return stand.order("a", kind, amount=300, parent=parent)


def effects(stand: Stand, request: ProcessorRequest) -> list[object]:
    """What the far side's books have of a request: a word or an amount for each time it was carried out."""
    if request.parent is None:
        return [each["status"] for each in stand.payments(request.ref)]
    payment = stand.payment(request.parent)
    if request.kind == "refund":
        return [each["amount"] for each in payment["refunds"]]
    return [payment["status"]] if payment["status"] != "authorized" else []


DONE: dict[Kind, object] = {
    "sale": "captured", "authorize": "authorized", "capture": "captured", "refund": 300, "cancel": "cancelled",
}  # fmt: skip


async def outcome_of(stand: Stand, request: ProcessorRequest) -> Outcome:
    """As ``attempts.execute`` reads it."""
    try:
        return await stand.processor.perform(request)
    except RequestNotSent:
        return NotSent()
    except (ReplyUnknown, TimeoutError):
        return Unknown()


@pytest.mark.parametrize("kind", DONE)
@pytest.mark.parametrize("fault", BEFORE)
async def test_what_is_lost_before_it_arrives_is_not_done(stand: Stand, kind: Kind, fault: str) -> None:
    request = await prepared(stand, kind)
    stand.road.fault = fault

    outcome = await outcome_of(stand, request)

    certain = {"down": NotSent(), "busy": Refused("busy"), "locked_out": Refused("credentials")}
    assert outcome == certain.get(fault, Unknown())
    assert effects(stand, request) == []
    assert await stand.processor.lookup(query_of(request)) == NotSent()


@pytest.mark.parametrize("kind", DONE)
@pytest.mark.parametrize("fault", AFTER)
async def test_what_goes_wrong_afterwards_is_looked_up(stand: Stand, kind: Kind, fault: str) -> None:
    request = await prepared(stand, kind)
    stand.road.fault = fault

    outcome = await outcome_of(stand, request)

    assert isinstance(outcome, Approved if fault == "twice" else Unknown)
    assert effects(stand, request) == [DONE[kind]]
    found = await stand.processor.lookup(query_of(request))
    assert isinstance(found, Approved)
    assert fault != "twice" or found == outcome


async def test_a_key_that_is_not_good_there_is_told_from_a_decline(stand: Stand) -> None:
    for ref, secret_key in (("a", "sk_test_" + "0" * 32), ("b", stand.far.publishable_key)):
        account = await stand.account_with(secret_key)
        request = msgspec.structs.replace(stand.order(ref), account=account)
        assert await stand.processor.perform(request) == Refused("credentials")
        # It cannot be asked either, which proves nothing.
        assert await stand.processor.lookup(query_of(request)) == Unknown()
        assert not await stand.processor.void(query_of(request))
        assert await Komoju(stand.vault, stand.house.clock).probe(row(account)) == "credentials"


async def test_an_account_is_tried_without_moving_money(stand: Stand) -> None:
    assert stand.account is not None
    komoju = Komoju(stand.vault, stand.house.clock)
    assert isinstance(komoju, Probing)
    assert fields_of(komoju) == AccountFields(
        secrets=("secret_key",), hosts={"live": "komoju.com", "test": "komoju.com"}
    )
    assert await komoju.probe(row(stand.account)) is None
    assert await komoju.probe(msgspec.structs.replace(row(stand.account), entry_id=None)) == "credentials"
    assert [(method, body) for method, _, body in stand.road.asked] == [("GET", b"")]


def row(use: AccountUse) -> Account:
    """An account as it is stored."""
    return Account(
        OWNER, use.id, "main", "komoju", use.host, {}, Narrowed(), "open", use.access.entry_id, {"secret_key": 1}, 1, 1
    )


async def test_a_card_leaves_in_its_own_field_alone(stand: Stand) -> None:
    await stand.processor.perform(stand.order("a"))
    (method, path, body) = stand.road.asked[0]
    assert (method, path) == ("POST", "api/v1/payments")
    assert body.count(b"4111111111111111") == 1
    sent = msgspec.json.decode(body)
    assert sent.pop("payment_details")["number"] == "4111111111111111"
    assert sent == {"amount": 1000, "currency": "JPY", "capture": True, "external_order_num": "a".ljust(32, "0")}
