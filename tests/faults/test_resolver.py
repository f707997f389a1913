"""The resolver: what becomes of attempts whose owner died, or got no answer (docs/architecture.md)."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from azukari import hooks, worker
from azukari.attempts import store as attempts
from azukari.core.clock import DAY, HOUR, SECOND
from azukari.db import Owner
from azukari.payments import reconcile
from azukari.processors.base import AttemptQuery, Outcome
from azukari.processors.capabilities import Recovery
from azukari.wiring import Services
from tests.faults.lines import Deaf, LateOrders, Line, until
from tests.faults.sites import Rows
from tests.faults.truth import LEFT_VALUES, OPEN_ATTEMPTS, Book, hold_against_book, states
from tests.house import Api, House, card
from tests.promises import recover

KEY = {"X-KOMOJU-IDEMPOTENCY": "key-1"}
WALLET = {"amount": 1000, "currency": "JPY", "payment_details": {"type": "paypay"}}
#: Past the lease of any attempt.
LONG = 20 * SECOND


async def die(sending: "asyncio.Future[Any]") -> None:
    """The owner of an attempt is gone, wherever it was."""
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending


async def settle(house: House, later: int = LONG) -> None:
    house.clock.advance(later)
    await worker.reconcile_attempts(house.services)


async def charge_token(api: Api, token: str) -> Any:
    order = {"amount": 1000, "currency": "JPY", "payment_details": token}
    return await api.post("/payments", json=order, headers=KEY)


@pytest.fixture
async def prepared(house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token whose charge was written down, and whose owner died before anything else."""

    async def wait(*_: object) -> None:
        await asyncio.Event().wait()

    token = await house.api.token(verification_value="123")
    with monkeypatch.context() as patched:
        patched.setattr(type(house.services.vault), "take_verification_value", wait)
        sending = asyncio.ensure_future(charge_token(house.api, token))
        await until(lambda: _any(rows, OPEN_ATTEMPTS))
        await die(sending)
    assert await states(rows) == ["prepared"]
    return token


async def _any(rows: Rows, sql: str) -> bool:
    return bool(await rows.all(sql))


async def test_an_attempt_that_was_never_sent_came_to_nothing(house: House, rows: Rows, prepared: str) -> None:
    line = Line.connect(house)

    await settle(house)

    assert await states(rows) == ["not_done"]
    assert line.asked == []
    (payment,) = (await house.api.get("/payments")).json()["data"]
    assert payment["status"] == "failed"
    assert await house.api.events() == ["payment.failed"]


async def test_a_repeat_of_what_was_never_sent_is_told_that_nothing_was_charged(house: House, prepared: str) -> None:
    during = await charge_token(house.api, prepared)
    await settle(house)

    after = await charge_token(house.api, prepared)

    assert during.status_code == 409
    assert (after.status_code, after.json()["error"]["code"]) == (504, "gateway_timeout")
    assert after.headers["X-Idempotent-Replayed"] == "true"


async def test_the_code_of_what_was_never_sent_is_destroyed(house: House, rows: Rows, prepared: str) -> None:
    assert await rows.all(LEFT_VALUES) != []

    await settle(house)

    assert await rows.all(LEFT_VALUES) == []
    order = {"amount": 1000, "currency": "JPY", "payment_details": prepared}
    assert (await house.api.post("/payments", json=order)).json()["error"]["code"] == "invalid_token"


async def test_an_attempt_is_left_alone_while_its_owner_may_live(house: House, rows: Rows, prepared: str) -> None:
    await settle(house, 10 * SECOND)

    assert await states(rows) == ["prepared"]


async def test_a_repeat_that_waited_long_enough_gets_the_answer_that_holds(house: House, prepared: str) -> None:
    house.clock.advance(31 * SECOND)

    reply = await charge_token(house.api, prepared)

    assert (reply.status_code, reply.json()["status"]) == (202, "pending")


@pytest.mark.parametrize("arrives", [True, False])
async def test_an_attempt_whose_owner_died_in_the_call_is_asked_about(house: House, rows: Rows, arrives: bool) -> None:
    customer = await house.api.customer()
    line = LateOrders.connect(house)
    if arrives:
        line.arrive.set()
    sending = asyncio.ensure_future(house.api.charge(customer, headers=KEY))
    await until(lambda: "orders" in line.asked)
    await asyncio.sleep(0)
    await die(sending)
    assert await states(rows) == ["sent"]

    await settle(house)

    assert await states(rows) == ["succeeded" if arrives else "not_done"]
    assert line.asked[1:] == [line.asked[1]]
    again = await house.api.charge(customer, headers=KEY)
    assert again.status_code == (200 if arrives else 504)
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == arrives


async def test_a_customer_whose_check_was_cut_off_does_not_exist(house: House, rows: Rows) -> None:
    line = LateOrders.connect(house)
    token = await house.api.token(verification_value="123")
    order = {"payment_details": token}
    sending = asyncio.ensure_future(house.api.post("/customers", json=order, headers=KEY))
    await until(lambda: "orders" in line.asked)
    await die(sending)

    await settle(house)

    again = await house.api.post("/customers", json=order, headers=KEY)
    assert (again.status_code, again.json()["error"]["code"]) == (504, "gateway_timeout")
    assert (await house.api.get("/customers")).json()["total"] == 0
    await hold_against_book(rows, house.services.settings.data)


async def test_many_workers_settle_an_attempt_once(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    for _ in range(5):
        assert (await house.api.charge(customer, headers={"Azukari-Fault": "lost_reply"})).status_code == 202
    line = Line.connect(house)
    other = await Services.assemble(house.services.settings, clock=house.clock)
    hooks.connect(other)
    house.clock.advance(LONG)
    try:
        await asyncio.gather(*(worker.reconcile_attempts(services) for services in (house.services, other) * 3))
    finally:
        await other.close()

    assert await states(rows) == ["succeeded"] * 5
    assert await rows.column("SELECT fence FROM attempts WHERE kind = 'sale'") == [2] * 5
    assert len(line.asked) <= 5
    assert (await house.api.events()).count("payment.captured") == 5
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == 5


async def test_a_worker_that_died_with_an_attempt_is_followed_by_another(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    await house.api.charge(customer, headers={"Azukari-Fault": "lost_reply"})
    await rows.change(f"UPDATE attempts SET fence = 2, due_at = {house.clock.now() + worker.LEASE} WHERE kind = 'sale'")
    await settle(house, 25 * SECOND)
    assert await states(rows) == ["unknown"]

    await settle(house, 10 * SECOND)

    assert await states(rows) == ["succeeded"]


async def test_one_whose_payment_is_busy_is_asked_after_again_soon(
    house: House, rows: Rows, capfd: pytest.CaptureFixture[str]
) -> None:
    page = (await house.api.post("/payments", json=WALLET)).json()["payment_details"]["redirect_url"]
    house.services.processors.simulator.decide(page.rpartition("/")[2], "approved")
    await rows.change("UPDATE payments SET active_attempt = 'another'")
    await settle(house, HOUR)
    assert await states(rows) == ["waiting"]
    assert '"error"' not in capfd.readouterr().err

    await rows.change("UPDATE payments SET active_attempt = NULL")
    await settle(house, 5 * SECOND)

    assert await states(rows) == ["succeeded"]


async def test_a_shopper_who_comes_back_while_the_payment_is_busy_leaves_it_to_be_asked_after_soon(
    house: House, rows: Rows
) -> None:
    page = (await house.api.post("/payments", json=WALLET)).json()["payment_details"]["redirect_url"]
    ref = page.rpartition("/")[2]
    house.services.processors.simulator.decide(ref, "approved")
    (waiting,) = await rows.all("SELECT merchant_id, mode FROM attempts")
    await rows.change("UPDATE payments SET active_attempt = 'another'")
    await reconcile.refresh(house.services, Owner(waiting["merchant_id"], waiting["mode"]), ref)
    assert await states(rows) == ["waiting"]

    await rows.change("UPDATE payments SET active_attempt = NULL")
    await settle(house, 5 * SECOND)

    assert await states(rows) == ["succeeded"]


async def test_who_read_a_payment_while_it_was_being_asked_after_in_vain_asks_after_it_too(
    house: House, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = await house.api.post("/payments", json=WALLET)
    simulator = house.services.processors.simulator
    lookup, seen = simulator.lookup, []

    async def read_meanwhile(query: AttemptQuery) -> Outcome:
        (waiting,) = await rows.all("SELECT id FROM attempts")
        seen.append(await house.services.db.read(attempts.find, query.owner, waiting["id"]))
        return await lookup(query)

    (waiting,) = await rows.all("SELECT merchant_id, mode, ref FROM attempts")
    simulator.decide(waiting["ref"], "approved")
    await rows.change("UPDATE payments SET active_attempt = 'another'")
    with monkeypatch.context() as patched:
        patched.setattr(simulator, "lookup", read_meanwhile)
        await reconcile.refresh(house.services, Owner(waiting["merchant_id"], waiting["mode"]), reply.json()["id"])
    await rows.change("UPDATE payments SET active_attempt = NULL")

    (known,) = seen
    await reconcile.poll(house.services, known)

    assert await states(rows) == ["succeeded"]


async def test_nobody_asks_after_a_further_prepaid_card_that_was_taken(house: House, rows: Rows) -> None:
    cards = [{"type": "web_money", "prepaid_number": f"{name:x<16}"} for name in ("first", "second", "third")]
    order = {"amount": 250_000, "currency": "JPY", "payment_details": cards[0]}
    short = (await house.api.post("/payments", json=order)).json()["id"]

    added = await house.api.patch(f"/payments/{short}", json={"payment_details": cards[1]})

    assert (added.json()["status"], added.json()["payment_details"]["short_amount"]) == ("pending", 50_000)
    assert await states(rows) == ["waiting", "succeeded"]
    last = await house.api.patch(f"/payments/{short}", json={"payment_details": cards[2]})
    assert last.json()["status"] == "captured"
    line = Line.connect(house)
    await settle(house, 10 * DAY)
    assert line.asked == []
    await hold_against_book(rows, house.services.settings.data)


async def test_a_short_payment_that_was_paid_stays_so_when_a_further_card_is_refused(house: House, rows: Rows) -> None:
    cards = [{"type": "web_money", "prepaid_number": f"{name:x<16}"} for name in ("first", "second")]
    order = {"amount": 150_000, "currency": "JPY", "payment_details": cards[0]}
    short = (await house.api.post("/payments", json=order)).json()["id"]
    (ref,) = await rows.column("SELECT ref FROM attempts")
    house.services.processors.simulator.decide(ref, "paid")

    refused = await house.api.patch(f"/payments/{short}", json={"payment_details": cards[1]})

    assert refused.status_code == 502
    await settle(house)
    assert (await house.api.get(f"/payments/{short}")).json()["status"] == "captured"
    await hold_against_book(rows, house.services.settings.data)


async def test_a_bank_that_cannot_be_asked_is_asked_again_until_a_person_has_to(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    line = Deaf.connect(house)
    assert (await house.api.charge(customer, headers=KEY)).status_code == 202
    for _ in range(3):
        await settle(house)
    assert await states(rows) == ["unknown"]
    assert len(line.asked) == 4

    await settle(house, DAY)

    assert await states(rows) == ["manual"]
    assert await rows.column("SELECT due_at FROM attempts WHERE kind = 'sale'") == [None]
    await settle(house)
    assert len(line.asked) == 5


async def test_not_found_is_not_believed_too_early(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    await house.api.charge(customer, headers={"Azukari-Fault": "lost_request"})

    await settle(house, 500)
    assert await states(rows) == ["unknown"]

    await settle(house)
    assert await states(rows) == ["not_done"]


@pytest.mark.parametrize(
    ("line", "state"), [(Line, "not_done"), (Deaf, "unknown")], ids=["undone", "cannot be reached"]
)  # fmt: skip
async def test_what_cannot_be_looked_up_is_undone(house: House, rows: Rows, line: type[Line], state: str) -> None:
    customer = await house.api.customer()
    recover(house, Recovery("void", SECOND))
    assert (await house.api.charge(customer, headers={"Azukari-Fault": "lost_reply"})).status_code == 202
    line.connect(house)

    await settle(house)

    assert await states(rows) == [state]
    assert Book.read(house.services.settings.data).taken() == (state != "not_done")


async def test_what_nobody_can_say_anything_about_is_left_to_a_person(house: House, rows: Rows) -> None:
    customer = await house.api.customer()
    recover(house, Recovery("none"))

    reply = await house.api.charge(customer, headers={"Azukari-Fault": "lost_reply"})

    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    assert await states(rows) == ["manual"]


async def test_a_card_without_its_key_is_not_chargeable_and_no_bug(house: House, rows: Rows) -> None:
    api = house.api
    customer, token = await api.customer(), await api.token(verification_value="123")
    await rows.change("DELETE FROM azukari_keys.deks")

    charge, by_token = await api.charge(customer), await charge_token(api, token)

    assert (charge.status_code, charge.json()["error"]["param"]) == (422, "customer")
    assert (by_token.status_code, by_token.json()["error"]["code"]) == (422, "invalid_token")
    await _can_be_mended(api, customer)


async def test_a_card_without_its_record_is_not_chargeable_and_no_bug(house: House, rows: Rows) -> None:
    api = house.api
    customer, token = await api.customer(), await api.token(verification_value="123")
    empty = "''" if house.services.settings.on_postgres else "x''"
    await rows.change(f"UPDATE vault_entries SET record = {empty}")

    charge, by_token = await api.charge(customer), await charge_token(api, token)

    assert charge.status_code in (422, 504)
    assert by_token.status_code in (422, 504)
    await _can_be_mended(api, customer)
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == 1


async def _can_be_mended(api: Api, customer: str) -> None:
    assert (await api.get(f"/customers/{customer}")).status_code == 200
    assert (await api.patch(f"/customers/{customer}", json={"payment_details": card()})).status_code == 200
    assert (await api.charge(customer)).status_code == 200
    assert (await api.delete(f"/customers/{customer}")).status_code == 200


async def test_a_token_whose_code_is_gone_is_no_longer_one(house: House, rows: Rows) -> None:
    token = await house.api.token(verification_value="123")
    await rows.change("DELETE FROM azukari_sad.sad_values")

    first, again = [await charge_token(house.api, token) for _ in range(2)]

    assert (first.status_code, first.json()["error"]["code"]) == (422, "invalid_token")
    assert again.content == first.content
    assert (await hold_against_book(rows, house.services.settings.data)).taken() == 0
