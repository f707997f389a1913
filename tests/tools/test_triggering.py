"""``azukari trigger``: every event it knows, on a real server."""

import json
from typing import Any

import pytest

from azukari.app import ROUTERS
from azukari.tools.screen import Screen
from azukari.tools.server import Server, ToolError
from azukari.tools.trigger import RECIPES, Wish, check, trigger
from tests.commands import done
from tests.tools.conftest import Installation, said
from tests.webhooks.receiver import receiving

PATHS = {endpoint.path for router in ROUTERS for endpoint in router.endpoints}
#: What the server serves of it.
TYPES = [type for type in RECIPES if not type.startswith("subscription.") or "/subscriptions" in PATHS]
#: One of each way in which a recipe treats its customer.
WITH_CUSTOMER = sorted(
    {"payment.refunded", "customer.updated", "customer.deleted", "subscription.created"} & set(TYPES)
)


async def run(shared: Installation, capsys: pytest.CaptureFixture[str], type: str, *changes: str, **more: Any) -> Any:
    """What it says."""
    async with Server(shared.place) as server:
        await trigger(server, Wish(type, changes=changes, **more), Screen(as_json=True))
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("type", TYPES)
async def test_the_event_happens(type: str, shared: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    async with receiving() as receiver:
        with shared.api as api:
            endpoint = api.post("/webhook_endpoints", json={"url": receiver.url}).json() if type == "ping" else None
        made = await run(shared, capsys, type)

    with shared.api as api:
        events = [api.get(f"/events/{each['id']}").json() for each in made["events"]]
        if endpoint is not None:
            api.delete(f"/webhook_endpoints/{endpoint['id']}")
    assert made["type"] == type
    assert [event["type"] for event in events] == [each["type"] for each in made["events"]]
    [event] = [event for event in events if event["type"] == type]
    assert made["object"] == event["data"].get("id")
    numbers = [each["sequence"] for each in made["events"]]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("type", WITH_CUSTOMER)
async def test_it_happens_to_a_customer_that_is_named(
    type: str, shared: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    named = (await run(shared, capsys, "customer.created"))["object"]
    made = await run(shared, capsys, type, customer=named)

    with shared.api as api:
        data = next(api.get(f"/events/{each['id']}").json()["data"] for each in made["events"] if each["type"] == type)
    customer = data.get("customer", data["id"])
    assert named == (customer["uuid"] if isinstance(customer, dict) else customer)


async def test_what_its_requests_send_can_be_changed(shared: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    async def made(type: str, *changes: str) -> dict[str, Any]:
        came = await run(shared, capsys, type, *changes)
        with shared.api as api:
            found: dict[str, Any] = api.get(f"/payments/{came['object']}").json()
        return found

    paid = await made("payment.captured", "amount=500", "metadata.order=7", "description=a=b")
    assert (paid["amount"], paid["metadata"]["order"], paid["description"]) == (500, "7", "a=b")
    cash = await made("payment.expired", "payment_details.store=lawson")
    assert cash["payment_details"]["store"] == "lawson"
    bank = await made(
        "payment.authorized",
        "payment_details.type=konbini",
        "payment_details.store=ministop",
        "payment_details.email=a@example.com",
    )
    assert (bank["status"], bank["payment_details"]["type"]) == ("authorized", "konbini")
    partly = await made("payment.refund.created", "amount=900", "refund:amount=200")
    assert (partly["amount"], partly["amount_refunded"]) == (900, 200)
    worded = await made("payment.updated", "description=Words", "payment:amount=300")
    assert (worded["amount"], worded["description"]) == (300, "Words")


async def test_a_suspension_takes_the_test_clock_along_and_brings_it_back(
    shared: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = {"now": "2031-01-31T09:00:00Z", "frozen": True, "real": False}
    with shared.api as api:
        try:
            api.post("/test/clock", json={"freeze": True})
            api.post("/test/clock", json={"now": stopped["now"]})
            await run(shared, capsys, "subscription.suspended", "period=weekly")
            assert stopped.items() <= api.get("/test/clock").json().items()
        finally:
            api.post("/test/clock", json={"reset": True})
        made = await run(shared, capsys, "subscription.suspended")
        assert api.get("/test/clock").json()["real"] is True
        suspended = api.get(f"/subscriptions/{made['object']}").json()
    assert suspended["status"] == "suspended"
    assert made["events"][-1]["type"] == "subscription.suspended"


async def test_a_server_that_refuses_is_quoted(shared: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    for type, change, sentence in (
        ("payment.captured", "amount=0", r"POST /payments: 422 invalid_parameter: .* \(amount\)\.$"),
        ("payment.captured", "payment_details=tok_nothing", "POST /payments: 422 invalid_token"),
        ("payment.refunded", "refund:amount=5000", "refund: 422 not_refundable"),
    ):
        with pytest.raises(ToolError, match=sentence):
            await run(shared, capsys, type, change)


def test_a_wish_that_cannot_be_gets_a_sentence() -> None:
    for wish, sentence in (
        (Wish("payment.capture"), "Did you mean payment.captured"),
        (Wish("nothing"), "There are: payment.captured, payment.authorized,"),
        (Wish("payment.expired", customer="a"), "leave --customer out"),
        (Wish("payment.captured", changes=["amount"]), "--set must look like"),
        (Wish("payment.captured", changes=["=1"]), "--set must look like"),
        (Wish("payment.captured", changes=["refund:amount=1"]), "it has: payment"),
        (Wish("ping", changes=["amount=1"]), "it has: none"),
    ):
        with pytest.raises(ToolError, match=sentence):
            check(wish)


def test_the_command_for_people_and_for_programs(shared: Installation) -> None:
    paid = json.loads(done("trigger", "payment.captured", "--set", "amount=700", *shared.options, "--json"))
    assert [(each["type"], each["amount"], each["currency"]) for each in paid["events"]] == [
        ("payment.captured", 700, "JPY")
    ]
    status, shown, _ = said("trigger", "customer.created", *shared.options)
    assert (status, "customer.created" in shown) == (0, True)
    listed = [json.loads(line) for line in said("trigger", "--list", "--json")[1].splitlines()]
    assert [each["type"] for each in listed] == list(RECIPES)
    for words, sentence in (
        (("ping", *shared.options), "azukari webhooks add"),
        (("payment.captures", *shared.options), "Did you mean payment.captured"),
        (("payment.captured", "--key", f"sk_live_{'a' * 36}"), "Live keys are refused"),
        (("payment.captured", "--data", str(shared.data), "--url", "http://127.0.0.1:1"), "No server answers"),
        ((), "azukari trigger --list"),
    ):
        status, output, errors = said("trigger", *words)
        assert (status, output) == (1, "")
        assert sentence in errors
