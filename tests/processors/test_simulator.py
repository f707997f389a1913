"""The simulator, which is a processor like any other, and its bank's journal."""

import dataclasses
import json
from typing import Any

import httpx
import msgspec
import pytest

from azukari import worker
from azukari.core.config import FAULTS, Settings
from azukari.processors.account import AccountUse
from azukari.processors.base import Approved, NotSent, Pending, Processor, ProcessorRequest, SimulatorDirectives, Visit
from azukari.processors.methods import METHODS, MethodDetails
from azukari.processors.simulator.bank import journal
from azukari.processors.simulator.journal import JournalEntry
from azukari.processors.simulator.processor import Simulator
from azukari.vault import CARDS, Vault
from tests.house import Api, House, card, running
from tests.processors.contract import OWNER, ProcessorContract, Stand
from tests.promises import query_of


def orders_of(house: House) -> list[dict[str, Any]]:
    """What the bank has written down, read past it."""
    path = house.services.settings.data / "simulator.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


class TestSimulator(ProcessorContract):
    """What every processor promises."""

    @dataclasses.dataclass
    class Bench:
        """A stand whose bank is the house's own."""

        house: House
        processor: Processor
        vault: Vault
        good: str = "4111111111111111"
        bad: str = "4123111111111059"
        account: AccountUse | None = None

        def unreachable(self, order: ProcessorRequest) -> ProcessorRequest:
            return msgspec.structs.replace(order, test=SimulatorDirectives(fault="processor_down"))

        def unanswered(self, order: ProcessorRequest) -> ProcessorRequest:
            return msgspec.structs.replace(order, test=SimulatorDirectives(fault="lost_reply"))

        async def let_time_pass(self) -> None:
            self.house.clock.advance(self.processor.can.recovery_of("sale").believe_after)

        def stands(self, ref: str) -> bool:
            lines = [line for line in orders_of(self.house) if line["ref"] == ref]
            return any(line["reply"]["result"] == "approved" for line in lines) and not lines[-1]["voided"]

    @pytest.fixture
    def engine(self) -> str:
        """No database has a part in this."""
        return "sqlite"

    @pytest.fixture
    def stand(self, house: House) -> Stand:
        processor = house.services.processors.named("simulator")
        assert processor is not None
        return self.Bench(house, processor, house.services.vault)


# The journal


async def test_the_journal_has_one_line_for_each_order(house: House) -> None:
    api = house.api
    customer = await api.customer()
    paid = (await api.charge(customer)).json()["id"]
    hold = (
        await api.post(
            "/payments", json={"amount": 500, "currency": "USD", "payment_details": await api.token(), "capture": False}
        )
    ).json()["id"]
    await api.post(f"/payments/{hold}/capture", json={"amount": 200})
    await api.post(f"/payments/{paid}/refund", json={"amount": 300})
    await api.charge(customer, headers={"Komoju-Scenario": "card_expired"})
    # What is refused before the call, and what never reaches the bank, is not in it.
    await api.charge(customer, 0)
    await api.post(f"/payments/{paid}/refund", json={"amount": 9999})
    for fault in ("processor_down", "lost_request"):
        await api.charge(customer, headers={"Azukari-Fault": fault})

    orders = orders_of(house)

    assert [(line["kind"], line["amount"], line["currency"], line["reply"]["result"]) for line in orders] == [
        ("verify", 0, "JPY", "approved"),
        ("sale", 1000, "JPY", "approved"),
        ("authorize", 500, "USD", "approved"),
        ("capture", 200, "USD", "approved"),
        ("refund", 300, "JPY", "approved"),
        ("sale", 1000, "JPY", "declined"),
    ]
    parents = [line["parent"] for line in orders]
    assert parents == [None, None, None, orders[2]["reply"]["id"], orders[1]["reply"]["id"], None]
    assert len({line["ref"] for line in orders}) == len(orders)
    assert all(len(line["ref"]) == 32 and int(line["ref"], 16) for line in orders)
    assert not any(line["voided"] for line in orders)


async def test_the_journal_has_no_card_in_it(house: House) -> None:
    await house.api.post(
        "/payments", json={"amount": 1, "currency": "JPY", "payment_details": card(verification_value="987")}
    )
    [line] = orders_of(house)
    written = json.dumps({name: value for name, value in line.items() if name not in ("ref", "reply")})
    for hidden in ("4111", "1111", "987", "2099", "Yamada"):
        assert hidden not in written
    assert set(line["reply"]) == {"result", "id", "cvc_result", "network_id"}
    assert line["reply"]["cvc_result"] == "Approved"


async def test_a_stored_card_is_charged_as_one(house: House) -> None:
    await house.api.charge(await house.api.customer())

    checked, charged = orders_of(house)

    # The network's id belongs to the transaction that stored the card.
    assert checked["reply"]["network_id"]
    assert "network_id" not in charged["reply"]
    assert charged["reply"]["cvc_result"] == "Not Supplied"


async def test_another_process_finds_an_order_in_the_journal(house: House) -> None:
    await house.api.charge(await house.api.customer())
    ref = orders_of(house)[1]["ref"]

    other = journal(house.services.settings.data / "simulator.jsonl")

    assert other.find_recent(ref) is None
    found = other.search(ref)
    assert found is not None
    assert (found.kind, found.reply["result"], found.voided) == ("sale", "approved", False)
    assert other.search("f" * 32) is None


async def test_the_latest_word_about_an_order_counts(house: House) -> None:
    path = house.services.settings.data / "simulator.jsonl"
    own = journal(path)
    line = JournalEntry("a" * 32, "sale", 1000, "JPY", None, {"result": "approved", "id": "x"})
    own.write(line)
    own.write(msgspec.structs.replace(line, voided=True))
    # A line that a crash cut short says nothing.
    with path.open("ab") as file:
        file.write(b'{"ref":"' + b"a" * 32 + b'","kind"')

    found = journal(path).search("a" * 32)

    assert found is not None
    assert found.voided


async def test_an_order_is_found_after_the_journal_was_put_aside(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    # Less than a line: each begins a file of its own.
    monkeypatch.setattr("azukari.processors.simulator.bank.FULL_AT", 50)
    path = house.services.settings.data / "simulator.jsonl"
    own = journal(path)
    lines = [
        JournalEntry(f"{number:032x}", "sale", 1000, "JPY", None, {"result": "approved", "id": "x"})
        for number in (1, 2)
    ]

    for line in lines:
        own.write(line)

    assert [len(file.read_bytes().splitlines()) for file in (path, path.with_suffix(".1.jsonl"))] == [1, 1]
    assert [journal(path).search(line.ref) for line in lines] == lines


# What a test may order


async def settle(house: House) -> None:
    """Let the resolver look at everything that is due."""
    house.clock.advance(60_000)
    await worker.reconcile_attempts(house.services)


async def shown(api: Api, reply: httpx.Response) -> str:
    return str((await api.get(f"/payments/{reply.json()['id']}")).json()["status"])


async def test_each_fault_ends_in_an_outcome_that_agrees_with_the_journal(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azukari.processors.simulator.faults.SLOW", 20)
    api = house.api
    customer = await api.customer()
    expected = {
        "lost_request": (202, "failed", 0),
        "lost_reply": (202, "captured", 1),
        "duplicate_reply": (200, "captured", 1),
        "slow": (200, "captured", 1),
        "processor_down": (504, "failed", 0),
    }
    assert set(expected) == set(FAULTS)
    for fault, (status, end, lines) in expected.items():
        before = len(orders_of(house))
        reply = await api.charge(customer, headers={"Azukari-Fault": fault})
        assert reply.status_code == status, fault
        await settle(house)
        payment = (await api.get("/payments", params={"per_page": 1})).json()["data"][0]
        assert (payment["status"], len(orders_of(house)) - before) == (end, lines), fault
        assert (await api.events())[-1] == f"payment.{end}"
    assert len(await api.events()) == 1 + len(expected)


async def test_an_answer_slower_than_the_call_is_not_known_and_settles_to_captured(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = house.api
    customer = await api.customer()
    monkeypatch.setattr(Simulator, "can", msgspec.structs.replace(Simulator.can, timeout=3_000))

    reply = await api.charge(customer, headers={"Azukari-Delay": "60000"})

    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    assert await shown(api, reply) == "pending"
    # Whoever asks the bank before it would have answered is told the truth too.
    await settle(house)
    assert await shown(api, reply) == "captured"
    assert await api.events() == ["customer.created", "payment.captured"]
    assert (await api.post(f"/payments/{reply.json()['id']}/refund")).json()["status"] == "refunded"


async def test_a_delay_within_the_time_of_a_call_changes_nothing_else(api: Api) -> None:
    customer = await api.customer(headers={"Azukari-Delay": "20"})

    reply = await api.charge(customer, headers={"Azukari-Delay": "20"})

    assert (reply.status_code, reply.json()["status"]) == (200, "captured")


async def test_operations_that_got_no_answer_are_settled_too(house: House) -> None:
    api = house.api
    customer = await api.customer()
    order = {"amount": 1000, "currency": "JPY", "customer": customer}
    for operation, start, end in (
        ("capture", {**order, "capture": False}, "captured"),
        ("cancel", {**order, "capture": False}, "cancelled"),
        ("refund", order, "refunded"),
    ):
        begun = (await api.post("/payments", json=start)).json()
        path = f"/payments/{begun['id']}/{operation}"
        lost = await api.post(path, headers={"Azukari-Fault": "lost_request"})
        assert (lost.status_code, lost.json()["status"]) == (202, begun["status"])
        # Until that is settled, nobody else may.
        assert (await api.post(path)).status_code == 423
        await settle(house)
        assert await shown(api, lost) == begun["status"]

        lost = await api.post(path, headers={"Azukari-Fault": "lost_reply"})
        assert lost.status_code == 202
        await settle(house)
        assert await shown(api, lost) == end


async def test_orders_nobody_understands_are_refused(api: Api) -> None:
    customer = await api.customer()
    for header, wrong in (
        ("Azukari-Fault", "fire"),
        ("Azukari-Delay", "-1"),
        ("Azukari-Delay", "1.5"),
        ("Azukari-Delay", "60001"),
        ("Azukari-Delay", "soon"),
    ):
        reply = await api.charge(customer, headers={header: wrong})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (422, "invalid_parameter", header)
    assert (await api.get("/payments")).json()["total"] == 0


async def test_a_fault_of_the_settings_meets_every_call_that_orders_nothing_else(settings: Settings) -> None:
    async with running(settings) as house:
        customer = await house.api.customer()
    async with running(dataclasses.replace(settings, simulator_fault="processor_down")) as house:
        assert (await house.api.charge(customer)).status_code == 504
        assert (await house.api.charge(customer, headers={"Azukari-Fault": "lost_reply"})).status_code == 202


# What is not a card


async def test_a_wallet_that_is_paid_may_be_charged_again(house: House) -> None:
    simulator, owner = house.services.processors.simulator, OWNER
    visit = Visit("https://azukari.example/return", store=True)
    order = ProcessorRequest(owner, "a" * 32, "sale", 1000, "JPY", method=MethodDetails("paypay"), visit=visit)
    waiting = await simulator.perform(order)
    assert isinstance(waiting, Pending)
    assert waiting.redirect_url == f"{house.services.settings.base_url}/offsite/{order.ref}"
    assert await simulator.lookup(query_of(order)) == waiting
    shown = simulator.order_of(order.ref)
    assert shown is not None
    assert (shown.store, shown.return_url, shown.state) == (True, visit.return_url, "waiting")

    assert simulator.decide(order.ref, "approved")

    approved = await simulator.lookup(query_of(order))
    assert isinstance(approved, Approved)
    assert approved.agreement is not None
    assert "agr_" not in repr(approved)
    assert simulator.order_of("f" * 32) is None
    assert not simulator.decide("f" * 32, "paid")


async def test_a_voided_wallet_order_is_done_no_more(house: House) -> None:
    simulator = house.services.processors.simulator
    visit = Visit("https://azukari.example/return")
    order = ProcessorRequest(OWNER, "b" * 32, "agree", 0, "JPY", method=MethodDetails("linepay"), visit=visit)
    assert isinstance(await simulator.perform(order), Pending)

    assert await simulator.void(query_of(order))

    simulator.decide(order.ref, "approved")
    assert await simulator.lookup(query_of(order)) == NotSent()


def test_a_processor_says_which_methods_it_takes(house: House) -> None:
    can = house.services.processors.simulator.can
    assert set(METHODS) | set(CARDS) == set(can.types)
    cards_alone = msgspec.structs.replace(can, types={"credit_card": can.types["credit_card"]})
    assert cards_alone.takes("credit_card")
    assert not cards_alone.takes("paypay")
