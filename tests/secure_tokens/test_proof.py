"""``authenticationValue``: what proves an authentication, for secret keys as long as it is kept. Source: contract 9."""

import base64
import json
from typing import Any

import pytest

from azukari.core.clock import DAY
from azukari.core.errors import Unavailable
from azukari.db import Owner
from azukari.secure_tokens.challenges import answer_challenge
from azukari.vault import Unreadable
from tests.faults.sites import Rows
from tests.house import Api, House, card
from tests.secure_tokens.cards import CHALLENGE, CHALLENGE_FAILS, FAILING, FAILS_ON_VISIT, FRICTIONLESS, RIGHT, address
from tests.sessions.sessions import Browser, make

ORDER = {"amount": 1000, "currency": "JPY"}
BODY = {**ORDER, "return_url": "https://shop.example/back", "payment_details": card(FRICTIONLESS["visa"])}
KEY = {"X-KOMOJU-IDEMPOTENCY": "verify-1"}
READ = "read_authentication_value"


def value_of(token: dict[str, Any]) -> str:
    """What a secure token shows."""
    found: str = token["three_ds_auth_result"]["authenticationValue"]
    return found


async def shown(api: Api, token: dict[str, Any]) -> str:
    """What a key reads of it now."""
    return value_of((await api.get(f"/secure_tokens/{token['id']}")).json())


async def lines(rows: Rows) -> list[dict[str, Any]]:
    """The audit lines of its readings."""
    return await rows.all(f"SELECT who, object_id, result FROM audit_lines WHERE action = '{READ}'")


@pytest.mark.parametrize("number", [FRICTIONLESS["master"], CHALLENGE["jcb"]])
async def test_a_secret_key_reads_it_until_the_charge(house: House, number: str) -> None:
    made = await house.api.secure_token(number)
    if made["authentication_url"]:
        await answer_challenge(house.services, *address(made), RIGHT)
        made = (await house.api.get(f"/secure_tokens/{made['id']}")).json()
    assert len(base64.b64decode(value_of(made), validate=True)) == 20

    # Reading it uses nothing up.
    assert [await shown(house.api, made) for _ in range(2)] == [value_of(made)] * 2
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})
    assert paid.json()["status"] == "captured"

    assert await shown(house.api, made) == ""


@pytest.mark.parametrize("details", ["declined", "customer", "session"])
async def test_it_is_gone_however_the_token_is_used(house: House, details: str) -> None:
    made = await house.api.secure_token()
    match details:
        case "declined":
            reply = await house.api.post(
                "/payments", json={**ORDER, "payment_details": made["id"]}, headers={"Komoju-Scenario": "card_declined"}
            )
            assert reply.status_code == 502
        case "customer":
            assert (await house.api.post("/customers", json={"payment_details": made["id"]})).status_code == 200
        case _:
            session = await make(house.api)
            reply = await house.api.post(f"/sessions/{session['id']}/pay", json={"payment_details": made["id"]})
            assert reply.status_code == 200

    assert await shown(house.api, made) == ""


async def test_a_publishable_key_never_reads_it(house: House, rows: Rows) -> None:
    made = await house.publishable.secure_token()

    assert (made["verification_status"], value_of(made)) == ("OK", "")
    assert await shown(house.publishable, made) == ""
    assert await lines(rows) == []
    assert await shown(house.api, made) != ""


async def test_each_reading_leaves_a_line(house: House, rows: Rows) -> None:
    made = await house.api.secure_token()
    await shown(house.api, made)
    key = (await house.services.api_keys.resolve(house.api.key, None)).id

    assert await lines(rows) == [{"who": key, "object_id": made["id"], "result": "permitted"}] * 2
    await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})
    await shown(house.api, made)
    assert len(await lines(rows)) == 2


async def test_a_repeat_shows_it_as_long_as_it_is_kept_and_no_stored_answer_holds_it(house: House, rows: Rows) -> None:
    first, second = [await house.api.post("/secure_tokens", json=BODY, headers=KEY) for _ in range(2)]
    value = value_of(first.json())

    assert value
    assert (first.content, second.headers["X-Idempotent-Replayed"]) == (second.content, "true")
    for table in ("idempotency_keys", "tokens", "events", "attempts", "audit_lines"):
        assert value not in str(await rows.all(f"SELECT * FROM {table}"))
    await house.api.post("/payments", json={**ORDER, "payment_details": first.json()["id"]})
    third = await house.api.post("/secure_tokens", json=BODY, headers=KEY)
    assert (value_of(third.json()), third.headers["X-Idempotent-Replayed"]) == ("", "true")


async def test_it_leaves_no_trace(house: House, rows: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    made = await house.api.secure_token()
    value = value_of(made)
    paid = await house.api.post("/payments", json={**ORDER, "payment_details": made["id"]})
    listed = await house.api.get("/events")

    assert value not in paid.text + listed.text
    forms = [form.encode() for form in (value, base64.b64decode(value).hex(), json.dumps(value))]
    forms.append(base64.b64decode(value))
    told = capsys.readouterr()
    for form in forms:
        assert form not in (told.out + told.err).encode()
    for file in house.services.settings.data.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(form in content for form in forms), file.name


@pytest.mark.parametrize("number", [FAILS_ON_VISIT["visa"], CHALLENGE_FAILS["visa"]])
async def test_where_nothing_was_proved_it_is_empty(house: House, number: str) -> None:
    made = await house.api.secure_token(number)
    assert "three_ds_auth_result" not in made
    if number == CHALLENGE_FAILS["visa"]:
        await answer_challenge(house.services, *address(made), FAILING)
    else:
        await house.api.get(made["authentication_url"])

    assert await shown(house.api, made) == ""


async def test_it_ends_with_its_day_and_with_the_store(house: House) -> None:
    old, lost = await house.api.secure_token(), await house.api.secure_token()
    owner = (await house.services.api_keys.resolve(house.api.key, None)).owner
    assert isinstance(owner, Owner)
    await house.services.vault.take_authentication_value(owner, lost["id"])
    assert await shown(house.api, lost) == ""

    house.clock.advance(DAY + 1_000)

    assert await shown(house.api, old) == ""


async def test_a_session_shows_its_merchant_the_same(house: House) -> None:
    session = await make(house.api)
    away = await Browser(house, session).pay(card(CHALLENGE["visa"], verification_value="123"))
    await answer_challenge(
        house.services, *address({"authentication_url": json.loads(away.body)["redirect_url"]}), RIGHT
    )

    token = (await house.api.get(f"/sessions/{session['id']}")).json()["secure_token"]

    assert value_of(token) != ""
    assert value_of(token) == await shown(house.api, token)
    assert "secure_token" not in (await house.publishable.get(f"/sessions/{session['id']}")).json()
    await Browser(house, session).resume()
    after = (await house.api.get(f"/sessions/{session['id']}")).json()
    assert (after["status"], value_of(after["secure_token"])) == ("completed", "")


async def test_with_its_store_away_a_reading_waits_and_what_is_done_is_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await house.api.secure_token()

    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(house.services.vault, "read_authentication_value", away)
        made = await house.api.post("/secure_tokens", json=BODY, headers=KEY)
        assert (made.status_code, made.json()["verification_status"], value_of(made.json())) == (200, "OK", "")
        assert (await house.api.get(f"/secure_tokens/{kept['id']}")).status_code == 503
    # Back again, the same request shows it.
    assert value_of((await house.api.post("/secure_tokens", json=BODY, headers=KEY)).json())
    assert await shown(house.api, kept) == value_of(kept)


async def test_one_that_was_changed_in_its_store_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await house.api.secure_token()

    async def changed(*_: Any, **__: Any) -> None:
        raise Unreadable("tag")

    monkeypatch.setattr(house.services.vault, "read_authentication_value", changed)
    assert await shown(house.api, made) == ""
