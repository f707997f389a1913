"""The frame's addresses: who may show it, and who may pay from it."""

import json
import re
from collections.abc import Mapping

import httpx
import msgspec
import pytest

from azukari.checkout import framing
from azukari.merchants import origins, store
from azukari.merchants import settings as merchants
from azukari.web import assets
from azukari.wire.answers import Answer
from tests.fields.frames import ORIGIN, SHOP, Frame, get, register, session
from tests.house import House, card


async def framed(house: House, id: str, origin: str) -> httpx.Response:
    return await get(house, "/fields/frame", params={"session": id, "origin": origin})


def ancestors(reply: httpx.Response) -> str:
    return ancestors_of(reply.headers)


def ancestors_of(headers: Mapping[str, str]) -> str:
    found = re.search("frame-ancestors ([^;]*)", headers["Content-Security-Policy"])
    assert found is not None
    return found[1]


async def test_the_frame_names_who_may_show_it_and_has_all_other_headers(house: House) -> None:
    id = await session(house)
    await register(house, SHOP)

    reply = await framed(house, id, SHOP)

    assert reply.status_code == 200
    assert ancestors(reply).split() == [
        SHOP,
        "http://localhost:*",
        "http://127.0.0.1:*",
        "https://localhost:*",
        "https://127.0.0.1:*",
    ]
    assert "X-Frame-Options" not in reply.headers
    for name, value in assets.PAGE_HEADERS.items():
        if name == "X-Frame-Options":
            continue
        if name == "Content-Security-Policy":
            value = value.replace("frame-ancestors 'none'", f"frame-ancestors {ancestors(reply)}")
        assert reply.headers[name] == value


@pytest.mark.parametrize(
    "origin",
    [
        "https://strange.example", "https://shop.example.strange.example", "http://shop.example", f"{SHOP}:444",
        f"{SHOP}/", "null", "", "*", "http://localhost.strange.example", "http://localhost:1@strange.example",
        "http://localhost:123456", "http://127.0.0.1.strange.example", "file://localhost",
    ],
)  # fmt: skip
async def test_nobody_else_shows_it(house: House, origin: str) -> None:
    id = await session(house)
    await register(house, SHOP)

    reply = await framed(house, id, origin)

    assert reply.status_code == 403
    assert ancestors(reply) == "'none'"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert "<input" not in reply.text


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "https://localhost:3000"])
async def test_a_test_session_is_shown_on_the_developers_own_machine(house: House, origin: str) -> None:
    assert (await framed(house, await session(house), origin)).status_code == 200


def test_a_live_session_is_shown_by_registered_origins_alone() -> None:
    settings = merchants.MerchantSettings(origins=[SHOP])
    asked = (SHOP, "http://localhost:5173", "http://127.0.0.1", "https://localhost")

    assert [origins.admits(settings, "live", origin) for origin in asked] == [True, False, False, False]
    assert ancestors_of(framing.framed(Answer(200, b""), settings, "live").headers) == SHOP
    nobody = framing.framed(Answer(200, b""), merchants.MerchantSettings(), "live")
    assert ancestors_of(nobody.headers) == "'none'"
    assert nobody.headers["X-Frame-Options"] == "DENY"


def test_a_live_session_is_not_shown_by_a_page_that_came_in_the_clear() -> None:
    plain = SHOP.replace("https:", "http:")
    settings = merchants.MerchantSettings(origins=[plain, SHOP])

    assert origins.registered(settings, "live") == [SHOP]
    assert origins.registered(settings, "test") == [plain, SHOP]
    assert not origins.admits(settings, "live", plain)
    assert ancestors_of(framing.framed(Answer(200, b""), settings, "live").headers) == SHOP


async def test_a_publishable_key_is_used_by_pages_of_registered_origins_alone(house: House) -> None:
    key = house.publishable
    details, id = {"payment_details": card()}, await session(house)
    evil = {"Origin": "https://evil.example"}
    assert (await key.post("/tokens", json=details, headers=evil)).status_code == 200

    await register(house, SHOP)

    for origin in (
        "https://evil.example",
        "null",
        SHOP + ":8443",
        "https://shop.example.evil.example",
        "http" + SHOP[5:],
    ):
        for reply in (
            await key.post("/tokens", json=details, headers={"Origin": origin}),
            await key.get(f"/sessions/{id}", headers={"Origin": origin}),
            await key.post(f"/sessions/{id}/pay", json=details, headers={"Origin": origin}),
            await key.get("/payment_methods", headers={"Origin": origin}),
        ):
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden"), origin
            assert "origin" in reply.json()["error"]["message"]
            # The developer whose page it is reads why.
            assert reply.headers["Access-Control-Allow-Origin"] == "*"
    for origin in (SHOP, ORIGIN, "http://localhost:5173"):
        assert (await key.post("/tokens", json=details, headers={"Origin": origin})).status_code == 200, origin
    assert (await key.post("/tokens", json=details)).status_code == 200
    assert (await house.api.post("/tokens", json=details, headers=evil)).status_code == 200


async def test_an_origin_that_would_say_more_in_a_policy_is_none(house: House) -> None:
    id = await session(house)
    # No command keeps such a value; one that is there all the same ends nothing here.
    merchant = await house.services.db.read(store.any_merchant)
    assert merchant is not None
    kept = msgspec.json.encode({"origins": ["https://shop.example;script-src", SHOP]}).decode()
    await house.services.db.write(store.keep_settings, merchant, kept)
    house.clock.advance(1_000)

    reply = await framed(house, id, SHOP)

    assert "shop.example;" not in reply.headers["Content-Security-Policy"].replace(f"{SHOP} ", "")
    assert (await framed(house, id, "https://shop.example;script-src")).status_code == 403


async def test_a_session_that_is_not_there_is_404_and_shown_by_nobody(house: House) -> None:
    for path in ("/fields/frame?session=none&origin=http://localhost", "/fields/return?session_id=none"):
        reply = await get(house, path)
        assert (reply.status_code, ancestors(reply)) == (404, "'none'")


async def test_a_press_pays_once_however_often_it_comes(house: House) -> None:
    frame = Frame(house, await session(house))

    replies = [await frame.pay(card(verification_value="123")) for _ in range(3)]

    assert {reply.text for reply in replies} == {replies[0].text}
    assert replies[0].json() == {"status": "completed", "redirect_url": f"{SHOP}/thanks?session_id={frame.id}"}
    assert len((await house.api.get("/payments")).json()["data"]) == 1


async def test_a_refusal_has_the_apis_words_for_the_shop_and_ours_for_the_shopper(house: House) -> None:
    frame = Frame(house, await session(house))

    reply = await frame.pay(card("4123111111111059"))

    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "card_declined"
    assert reply.json()["error"]["message"]
    assert (reply.json()["at"], reply.json()["h"]) == ("alert", "Your card was declined")


async def test_only_our_own_frame_pays_and_only_with_the_shops_publishable_key(house: House) -> None:
    frame = Frame(house, await session(house))
    good = json.dumps({"session": frame.id, "nonce": "one", "payment_details": card()}).encode()
    secret = house.api.key

    refused = [
        (await frame.send(good, Origin=SHOP), 403),
        (await frame.send(good, Origin="null"), 403),
        (await frame.send(good, Content_Type="text/plain"), 415),
        (await frame.send(good, key=secret), 403),
        (await frame.send(good, key="pk_test_none"), 401),
        (await frame.send(b"{"), 400),
        (await frame.send(b"{}"), 422),
    ]

    assert [reply.status_code for reply, _ in refused] == [status for _, status in refused]
    assert (await house.api.get("/payments")).json()["data"] == []


async def test_keeping_details_takes_the_sentence_that_was_shown(house: House) -> None:
    frame = Frame(house, await session(house, mode="customer", amount=0))
    told = await get(house, "/fields/words", params={"session": frame.id, "locale": "en"})
    sentence = told.json()["t"]["reuse_credit_card"]
    assert sentence.startswith("By saving you allow ")
    details = card(verification_value="123")

    for wrong in (None, {"text": "Anything", "version": "1"}, {"text": sentence, "version": "0"}):
        assert (await frame.pay(details, consent=wrong)).status_code == 422
    paid = await frame.pay(details, nonce="two", consent={"text": sentence, "version": "1"})

    assert paid.json()["status"] == "completed"


async def test_a_challenge_from_the_fields_is_shown_there_and_any_other_is_not(house: House) -> None:
    id = await session(house)
    await register(house, SHOP)
    order = {"amount": 5_000, "currency": "JPY", "payment_details": card("4100000000005000")}
    pages = {}
    for back in (f"{ORIGIN}/fields/return?session_id={id}", f"{SHOP}/back", f"{SHOP}/fields/return?session_id={id}"):
        made = (await house.publishable.post("/secure_tokens", json={**order, "return_url": back})).json()
        pages[back] = await get(house, made["authentication_url"].removeprefix(ORIGIN))

    assert [ancestors(reply).split()[0] for reply in pages.values()] == [SHOP, "'none'", "'none'"]
    assert ["X-Frame-Options" in reply.headers for reply in pages.values()] == [False, True, True]
    back = await get(house, "/fields/return", params={"session_id": id})
    assert ancestors(back).split()[0] == SHOP


async def test_any_shop_may_load_the_script_and_what_it_imports(house: House) -> None:
    services = ("absent", "dialog", "picker", "theme")
    for path in ("/fields.js", *(f"/static/fields-{part}.js" for part in services)):
        reply = await get(house, path, headers={"Origin": SHOP})
        assert reply.status_code == 200
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert reply.headers["Content-Type"].startswith("text/javascript")
        assert not re.search("^import ", reply.text, re.MULTILINE)
    assert "KomojuFieldsElement" in (await get(house, "/static/fields.d.ts")).text
