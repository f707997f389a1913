"""Where a key may send shoppers: the shop's server any address on the web, its pages those the merchant registered."""

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from azukari.core.config import Settings
from azukari.merchants import keys, schemes, store
from azukari.wiring import KEK_NAME
from tests.house import Api, House, card, running
from tests.secure_tokens.cards import CHALLENGE, FAILS_ON_VISIT, RIGHT, address

OURS = "http://127.0.0.1:8420"
SHOP, EVIL = "https://shop.example", "https://phish.example"
ORDER = {"amount": 1000, "currency": "JPY"}
#: What systems and programs answer to: these call, write, install, and open other addresses.
HANDLERS = [
    f"ms-word:ofe|u|{EVIL}/a.docx", f"ms-excel:ofv|u|{EVIL}", f"microsoft-edge:{EVIL}", f"MICROSOFT-EDGE:{EVIL}",
    "ms-settings:display", f"itms-services://?action=download-manifest&url={EVIL}", "itms-apps://apps.example/1",
    "shortcuts://run-shortcut?name=a", "steam://run/1", "vscode://file/etc/passwd", "vscode-insiders://a/b",
    "slack://open", "zoommtg://zoom.example/join", "tel:110", "telprompt://110", "sms:110", "mailto:a@b.example",
    "facetime://a", "facetime-audio://110", "market://details?id=a", "intent://a#Intent;end", "android-app://a/https/b",
    f"googlechrome://navigate?url={EVIL}", f"googlechromes://{EVIL[8:]}", f"x-safari-{EVIL}",
    f"firefox://open-url?url={EVIL}",
    "x-apple.systempreferences:com.apple.preference", "com.apple.tv://a", "prefs:root", "app-settings:a", "ssh://a",
    "sftp://a/b", "smb://a/b", "vnc://a", "rdp://a", "ldap://a", "git://a/b", "skype:a?call", "callto:a", "sip:a@b",
    "magnet:?xt=a", "bitcoin:a", "whatsapp://send?text=a", "tg://resolve?domain=a", "spotify:track:1", "upi://pay?pa=a",
    f"web+shop:{EVIL}", "otpauth://totp/a?secret=b", "msteams:/l/a", "discord://a", "geo:1,2", "webcal://a/b.ics",
    "ms.settings:a", "windows.tbauth://a", "unheard:of|a thing", f"unheard:{EVIL}", "unheard:+49110",
]  # fmt: skip


async def begin(api: Api, url: str, number: str = FAILS_ON_VISIT["visa"]) -> httpx.Response:
    details = card(number, verification_value="123")
    return await api.post("/secure_tokens", json={**ORDER, "return_url": url, "payment_details": details})


async def taken(api: Api, *urls: str) -> dict[str, bool]:
    """Which of these addresses are taken; the others are refused as what they are."""
    found = {}
    for url in urls:
        reply = await begin(api, url)
        found[url] = reply.status_code == 200
        if not found[url]:
            error = reply.json()["error"]
            assert (reply.status_code, error["code"], error["param"]) == (422, "invalid_parameter", "return_url"), url
            assert url not in reply.text
    return found


async def visit(house: House, url: str, **more: Any) -> httpx.Response:
    """A browser at an address of ours."""
    assert url.startswith(f"{OURS}/")
    return await house.api.get(f"http://azukari.test{url.removeprefix(OURS)}", auth=None, **more)


async def answered(house: House, made: dict[str, Any]) -> str:
    """Where a shopper goes who has answered a challenge."""
    token, state = address(made)
    reply = await house.api.post(
        "http://azukari.test/three_d_secure_service/offsite",
        auth=None,
        headers={"Origin": OURS},
        json={"token": token, "state": state, "password": RIGHT},
    )
    return str(reply.json()["redirect_url"])


# On the web


@pytest.mark.parametrize("number", [FAILS_ON_VISIT["visa"], CHALLENGE["visa"]])
async def test_nobody_goes_from_our_origin_to_an_address_a_page_has_made_up(house: House, number: str) -> None:
    made = (await begin(house.publishable, f"{EVIL}/login?a=1#b", number)).json()
    if number == CHALLENGE["visa"]:
        assert (await visit(house, made["authentication_url"])).status_code == 200
        there = await answered(house, made)
    else:
        reply = await visit(house, made["authentication_url"])
        assert reply.status_code == 303
        there = reply.headers["Location"]

    assert urlsplit(there)[:3] == ("http", "127.0.0.1:8420", f"/three_d_secure_service/leave/{made['id']}")
    assert "phish" not in there
    page = await visit(house, f"{there}?locale=en")
    assert page.status_code == 200
    assert "Location" not in page.headers
    assert "<h1>Next: phish.example</h1>" in page.text
    # A link to be followed by somebody who has read where it leads, and nothing that follows it by itself.
    assert f'<a class="go" href="{EVIL}/login?a=1&amp;secure_token_id={made["id"]}#b">' in page.text
    assert "data-leave" not in page.text
    assert 'href="?locale=ja"' in page.text
    assert "<script" not in page.text


async def test_what_a_page_has_made_up_says_no_more_than_an_address(house: House) -> None:
    made = (await begin(house.publishable, f'{EVIL}/"><script>alert(1)</script>?to=javascript:alert(1)')).json()
    page = await visit(house, f"{OURS}/three_d_secure_service/leave/{made['id']}?to={SHOP}")
    assert "<script" not in page.text
    assert SHOP not in page.text
    assert page.headers["X-Frame-Options"] == "DENY"


async def test_only_such_an_address_has_a_page_that_asks(house: House) -> None:
    straight = [
        (await begin(house.api, f"{EVIL}/a")).json()["id"],
        (await begin(house.publishable, f"{OURS}/fields/return?session_id=a")).json()["id"],
    ]
    for token in (*straight, "tok_" + "0" * 25, "", "a"):
        there = f"{OURS}/three_d_secure_service/leave/{token}?to={quote(EVIL, safe='')}"
        page = await visit(house, there)
        assert page.status_code == 404
        assert "phish" not in page.text


async def test_an_address_of_ours_is_no_way_around(house: House) -> None:
    await house.choose(origins=[SHOP])
    leave = f"{OURS}/three_d_secure_service/leave"
    for smuggled in (
        f"{leave}?to={quote(EVIL, safe='')}",
        f"{leave}?to={EVIL}",
        f"{leave}?secure_token_id=a&to={EVIL}",
    ):
        made = (await begin(house.publishable, smuggled)).json()
        there = (await visit(house, made["authentication_url"])).headers["Location"]
        assert there.startswith(leave)
        page = await visit(house, there)
        assert f'href="{EVIL}' not in page.text
        assert "Next: phish.example" not in page.text


@pytest.mark.parametrize(
    "back", [f"{SHOP}/back?order=7", f"{OURS}/fields/return?session_id=a", "http://localhost:3000/"]
)
async def test_an_address_the_merchant_stands_for_is_gone_to_at_once(house: House, back: str) -> None:
    await house.choose(origins=[SHOP])
    made = (await begin(house.publishable, back)).json()
    reply = await visit(house, made["authentication_url"])
    assert (reply.status_code, urlsplit(reply.headers["Location"])[:3]) == (303, urlsplit(back)[:3])


async def test_komojus_own_element_comes_back_to_its_own_page_at_once(house: House) -> None:
    back = "https://multipay.komoju.com/secure-token-return.html?session_id=1"
    made = (await begin(house.publishable, back)).json()
    reply = await visit(house, made["authentication_url"])
    assert (reply.status_code, urlsplit(reply.headers["Location"])[:3]) == (303, urlsplit(back)[:3])

    await house.choose(origins=[SHOP])
    assert (await begin(house.publishable, back)).status_code == 422


async def test_a_secret_key_sends_shoppers_anywhere_on_the_web(house: House) -> None:
    await house.choose(origins=[SHOP], app_schemes=["myshop"])
    made = (await begin(house.api, f"{EVIL}/a")).json()
    assert (await visit(house, made["authentication_url"])).headers["Location"].startswith(f"{EVIL}/a?")


async def test_where_origins_are_registered_a_publishable_key_names_no_other(house: House) -> None:
    await house.choose(origins=[SHOP, "https://www.shop.example:8443"])
    good = (
        SHOP, f"{SHOP}/", f"{SHOP}:443/a", "HTTPS://SHOP.EXAMPLE/a", f"{SHOP}?a#b", "https://www.shop.example:8443/a",
        f"{OURS}/fields/return", f"{OURS}/sessions/a", "http://localhost/a", "http://127.0.0.1:5173", "https://ｓｈｏｐ.example/",
    )  # fmt: skip
    bad = (
        EVIL, f"{EVIL}/{SHOP}", f"{SHOP}.phish.example/", "https://notshop.example", "http://shop.example/",
        f"{SHOP}:8443/", "https://www.shop.example/", f"{SHOP}./", f"{SHOP}@phish.example/", f"{EVIL}#{SHOP}",
        f"{EVIL}?{SHOP}", "http://127.0.0.1.phish.example:8420/", f"{OURS}@phish.example/", f"{OURS}0/fields/return",
        "http://localhost.phish.example/", "https://127.0.0.1:8420.phish.example/", "https://[::1]/", "myshop://a",
        "jp.shop.app:/a", f"{SHOP}:0443/", f"{SHOP}\\@phish.example/", f"https:{SHOP[6:]}%2f@phish.example",
    )  # fmt: skip
    assert await taken(house.publishable, *good, *bad) == dict.fromkeys(good, True) | dict.fromkeys(bad, False)


@pytest.mark.parametrize(
    "path",
    ["a%0d%0aSet-Cookie:%20x=y", "%2f%2fphish.example", "..%2f..%2fevil", "%e3%81%82", "%5c%5cphish.example"],
)
async def test_a_form_that_is_sent_without_a_script_leads_to_its_own_page(house: House, path: str) -> None:
    reply = await house.api.post(f"http://azukari.test/sessions/{path}", auth=None)
    assert reply.status_code == 303
    assert reply.headers["Location"].lower() == f"{OURS}/sessions/{path}".lower().replace(":%20", "%3a%20").replace(
        "=", "%3d"
    )


# In apps


async def test_what_systems_and_programs_answer_to_is_no_app_of_the_shops(house: House) -> None:
    none = dict.fromkeys(HANDLERS, False)
    for api in (house.api, house.publishable):
        assert await taken(api, *HANDLERS) == none
    for path, order in (("/sessions", ORDER), ("/payments", {**ORDER, "payment_details": {"type": "paypay"}})):
        for url in HANDLERS:
            reply = await house.api.post(path, json={**order, "return_url": url})
            assert (reply.status_code, reply.json()["error"]["param"]) == (422, "return_url"), (path, url)
    await house.choose(app_schemes=["unheard"])
    named = [url for url in HANDLERS if not url.startswith("unheard")]
    assert await taken(house.api, *named) == dict.fromkeys(named, False)


async def test_an_app_that_nobody_has_registered_is_returned_to_in_test_mode(house: House) -> None:
    good = ("komoju://creditCard?amount=100", "jp.shop.app:/done", "my.shop-app:done", "my-app://x", "shop:back?a=1")
    for api in (house.api, house.publishable):
        assert await taken(api, *good) == dict.fromkeys(good, True)
    made = (await begin(house.publishable, good[0])).json()
    there = (await visit(house, made["authentication_url"])).headers["Location"]
    assert there == f"{good[0]}&secure_token_id={made['id']}"


async def test_where_schemes_are_registered_no_other_is_taken(house: House) -> None:
    await house.choose(app_schemes=["MyShop", " jp.shop.app"])
    good = ("myshop://a", "MYSHOP://a", "myshop:track:1", "jp.shop.app:/done?a=b")
    bad = ("komoju://a", "jp.shop.app2:/a", "my-shop://a", "jp.shop:/a", "other.app:/a")
    wanted = dict.fromkeys(good, True) | dict.fromkeys(bad, False)
    for api in (house.api, house.publishable):
        assert await taken(api, *good, *bad) == wanted
    for path, order in (("/sessions", ORDER), ("/payments", {**ORDER, "payment_details": {"type": "paypay"}})):
        for url, is_good in wanted.items():
            reply = await house.api.post(path, json={**order, "return_url": url})
            assert (reply.status_code == 200) is is_good, (path, url)
    # Pages are registered by their origins, and none is.
    assert await taken(house.publishable, SHOP, "http://localhost:3000") == {SHOP: False, "http://localhost:3000": True}


async def test_a_row_that_names_a_browsers_scheme_opens_nothing(house: House) -> None:
    for scheme in ("javascript", "ms-word", "java script", ""):
        (merchant, *_) = await house.services.db.read(store.list_merchants)
        await house.services.db.write(store.keep_settings, merchant, json.dumps({"app_schemes": [scheme]}))
        house.clock.advance(1_000)
        none = {f"{scheme}:alert(1)": False, f"{scheme}://shop": False}
        for api in (house.api, house.publishable):
            assert await taken(api, *none) == none


def test_no_scheme_of_somebody_elses_can_be_registered() -> None:
    every = schemes.OF_THE_BROWSER | schemes.OF_OTHERS
    assert [scheme for scheme in sorted(every) if schemes.may_be_an_apps(scheme)] == []


# Live


@pytest.fixture
async def live(settings: Settings, tmp_path: Path) -> AsyncIterator[House]:
    """An installation that takes live keys, and calls with them."""
    kek = tmp_path / "elsewhere.key"
    (settings.data / KEK_NAME).rename(kek)
    async with running(dataclasses.replace(settings, kek_file=kek)) as house:
        (merchant, *_) = await house.services.db.read(store.list_merchants)
        secret, publishable = await house.services.api_keys.make_pair(merchant.id, keys.LIVE)
        pair = house.installation._replace(secret_key=secret, publishable_key=publishable)
        yield dataclasses.replace(house, api=house.api.as_key(secret.reveal()), installation=pair)


async def refused_for(api: Api, url: str) -> str | None:
    """What a live call is refused for: its address, or that nobody takes live cards here."""
    error = (await begin(api, url)).json()["error"]
    param: str | None = error["param"]
    assert error["code"] == ("invalid_parameter" if param else "unprocessable_entity")
    return param


async def test_a_live_publishable_key_sends_nobody_where_nothing_is_registered(live: House) -> None:
    bad = (EVIL, SHOP, "http://localhost:3000/", "http://127.0.0.1/", "komoju://a", "jp.shop.app:/a", "ms-word:ofe|u|a")
    assert {url: await refused_for(live.publishable, url) for url in bad} == dict.fromkeys(bad, "return_url")
    assert await refused_for(live.publishable, f"{OURS}/fields/return?session_id=a") is None


async def test_a_live_publishable_key_sends_shoppers_to_what_is_registered(live: House) -> None:
    await live.choose(origins=[SHOP, "http://plain.example"], app_schemes=["myshop"])
    good = (f"{SHOP}/back", "myshop://a", f"{OURS}/fields/return")
    bad = ("http://plain.example/", "http://localhost/", EVIL, "komoju://a", "jp.shop.app:/a", "http://shop.example/")
    assert {url: await refused_for(live.publishable, url) for url in good} == dict.fromkeys(good)
    assert {url: await refused_for(live.publishable, url) for url in bad} == dict.fromkeys(bad, "return_url")


async def test_a_live_secret_key_sends_shoppers_where_the_shop_wants_them(live: House) -> None:
    for url in (EVIL, "komoju://a", "jp.shop.app:/a"):
        assert await refused_for(live.api, url) is None
    for url in HANDLERS:
        assert await refused_for(live.api, url) == "return_url", url
    await live.choose(app_schemes=["myshop"])
    assert [await refused_for(live.api, url) for url in ("myshop://a", "komoju://a")] == [None, "return_url"]
