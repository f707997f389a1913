"""Merchants' settings: defaults that are right for a new merchant, values that are checked, changes seen at once."""

import asyncio
import base64
import re
from pathlib import Path
from typing import Any

import pytest

from azukari.app import ROUTERS
from azukari.core import colours
from azukari.core.config import SettingError
from azukari.core.errors import NotFound
from azukari.core.money import CURRENCIES
from azukari.db import Owner, directory
from azukari.merchants import settings, store
from azukari.merchants.service import REMEMBERED_MS
from azukari.merchants.settings import LOGO_BYTES, MerchantSettings
from azukari.payment_methods import offer
from tests.house import House

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


async def merchant_of(house: House) -> str:
    return (await house.services.db.read(store.list_merchants))[0].id


async def change(house: House, *unset: str, **values: Any) -> MerchantSettings:
    return await settings.change(house.services.db, await merchant_of(house), values, unset, offer.check)


async def test_a_new_merchants_page_is_already_right(house: House) -> None:
    found = await house.services.db.read(settings.settings_of, await merchant_of(house))
    assert found == MerchantSettings(name="Test shop")
    assert found.languages == ["ja", "en", "ko", "zh"]
    assert found.fees == {"konbini": 190}
    assert found.currency == "JPY"
    for currency in CURRENCIES:
        offer.check(MerchantSettings(payment_types={currency: offer.types_for(found, currency)}))
        assert offer.offers(found, "test", currency)[0].type == "credit_card"


GOOD = [
    ("name", " サンプル茶舗 ", "サンプル茶舗"),
    ("accent", "#1F5A4E", "#1f5a4e"),
    ("accent", "#456", "#445566"),
    ("support", "help@shop.example", "help@shop.example"),
    ("support", "https://shop.example/help?a=1", "https://shop.example/help?a=1"),
    ("payment_types", {"jpy": ["konbini", "credit_card", "konbini"]}, {"JPY": ["konbini", "credit_card"]}),
    ("fees", {"paypay": "20"}, {"konbini": 190, "paypay": 20}),
    ("fees", {"konbini": "0"}, {"konbini": 0}),
    ("languages", ["en", "ja"], ["en", "ja"]),
    (
        "origins",
        ["https://Shop.Example:443/", "http://localhost:3000"],
        ["https://shop.example", "http://localhost:3000"],
    ),
    ("app_schemes", ["MyShop", " jp.shop.app", "myshop"], ["myshop", "jp.shop.app"]),
    ("legal_url", "https://shop.example/legal", "https://shop.example/legal"),
    ("legal_text", "一行目\r\n二行目", "一行目\n二行目"),
    ("legal_text", "一\u3000二", "一\u3000二"),
    ("name", "茶舗\u3000本店", "茶舗\u3000本店"),
    ("privacy_url", "http://shop.example/privacy", "http://shop.example/privacy"),
    ("currency", "usd", "USD"),
    ("bank_fee", True, True),
    ("time_zone", " Europe/Berlin ", "Europe/Berlin"),
    ("retry_days", ["1", " 3", "30"], [1, 3, 30]),
    ("retry_days", [""], []),
    ("rates", {"USD": "0150.20", "KRW": "0.11", "EUR": "160"}, {"USD": "150.2", "KRW": "0.11", "EUR": "160"}),
    ("logo", PNG, "data:image/png;base64," + base64.b64encode(PNG).decode()),
    ("logo", b"\xff\xd8\xff\xe0a", "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff\xe0a").decode()),
    ("logo", b"RIFF\n\r\n\rWEBP", "data:image/webp;base64," + base64.b64encode(b"RIFF\n\r\n\rWEBP").decode()),
]


@pytest.mark.parametrize(("name", "given", "stored"), GOOD)
async def test_a_setting_is_set_and_unset(house: House, name: str, given: Any, stored: Any) -> None:
    before = getattr(await change(house), name)

    changed = await change(house, **{name: given})

    assert getattr(changed, name) == stored
    assert changed == await house.services.db.read(settings.settings_of, await merchant_of(house))
    assert getattr(await change(house, name), name) == before


BAD = [
    ("name", ""), ("name", "a\nb"), ("name", "a" * 101), ("name", "a\N{RIGHT-TO-LEFT OVERRIDE}b"),
    ("accent", "green"), ("accent", "#7cc9b4"), ("accent", "#fff"), ("accent", "#1f5a4e80"), ("accent", "#1f5a4e;"),
    ("support", "help"), ("support", "a@b"), ("support", "a@b@c.example"), ("support", "javascript://a/%0aalert(1)"),
    ("support", "a b@shop.example"), ("support", "ftp://shop.example"),
    ("payment_types", {"JPY": []}), ("payment_types", {"XXX": ["credit_card"]}), ("payment_types", {"JPY": ["card"]}),
    ("payment_types", {"USD": ["konbini"]}), ("payment_types", {"JPY": ["credit_card_mars"]}),
    ("fees", {"konbini": "1.5"}), ("fees", {"konbini": "-1"}), ("fees", {"konbini": ""}), ("fees", {"card": "1"}),
    ("fees", {"konbini": "9" * 14}), ("fees", {"konbini": "١"}),
    ("languages", []), ("languages", ["fr"]), ("languages", ["ja", ""]),
    ("origins", ["*"]), ("origins", ["https://*.shop.example"]), ("origins", ["https://shop.example/a"]),
    ("origins", ["https://a:b@shop.example"]), ("origins", ["shop.example"]), ("origins", ["https://shop.example:a"]),
    ("origins", ["https://a;script-src"]), ("origins", ["https://shop.example,b"]), ("origins", ["https://a'b"]),
    ("origins", ["null"]), ("origins", ["https://[::1]"]), ("origins", ["https://[2001:db8::1]:8443"]),
     ("origins", [f"https://{number}.example" for number in range(51)]),
    *(
        ("app_schemes", [scheme]) for scheme in (
            "", "https", "http", "javascript", "data", "blob", "file", "intent", "about", "ms-word", "microsoft-edge",
            "itms-services", "x-apple.systempreferences", "web+shop", "mailto", "myshop:", "myshop://", "1shop",
            "-shop", "my shop", "my_shop", "мой", "a" * 101,
        )
    ), ("app_schemes", []), ("app_schemes", [f"shop{number}" for number in range(51)]),
    ("legal_url", "javascript:alert(1)"), ("legal_url", "data:text/html,a"), ("legal_url", "/legal"),
    ("legal_url", "https://"), ("legal_url", "https://[::1"), ("legal_url", "https://shop.example/a b"),
    ("legal_url", 'https://shop.example/"'), ("legal_url", "https://shop.example/" + "a" * 2_000),
    ("legal_url", "https://shop.example\\@other.example"), ("privacy_url", "HTTPS:shop.example"),
    ("legal_text", ""), ("legal_text", "a" * 401), ("legal_text", "a\0b"),
    ("currency", "XXX"), ("currency", ""),
    ("time_zone", "Nowhere"), ("time_zone", ""), ("time_zone", "../../etc/passwd"), ("time_zone", "Europe"),
    ("retry_days", ["0"]), ("retry_days", ["31"]), ("retry_days", ["3", "2"]), ("retry_days", ["2", "2"]),
    ("retry_days", ["a"]), ("retry_days", ["-1"]), ("retry_days", [str(day) for day in range(1, 16)]),
    ("rates", {"USD": "0"}), ("rates", {"USD": "0.0"}), ("rates", {"USD": "1e3"}), ("rates", {"USD": "1.1234567"}),
    ("rates", {"JPY": "1"}), ("rates", {"USD": "-1"}), ("rates", {"XXX": "1"}),
    ("logo", b""), ("logo", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), ("logo", b"GIF89a"),
    ("logo", b"RIFFaaaaWAVE"), ("logo", PNG + bytes(LOGO_BYTES)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given"), BAD)
async def test_a_bad_value_is_refused_with_a_sentence_and_changes_nothing(house: House, name: str, given: Any) -> None:
    before = await change(house)

    with pytest.raises(SettingError) as refused:
        await change(house, **{name: given})

    assert len(str(refused.value)) > 20
    assert str(refused.value).endswith((".", "…"))
    assert await change(house) == before


async def test_no_call_says_which_origins_and_apps_are_the_merchants(house: House) -> None:
    """Nothing proves that they are, so the operator's command line alone sets them."""
    before = await change(house)
    mine = await merchant_of(house)
    wanted = {"origins": ["https://evil.example"], "app_schemes": ["evil"]}
    body = {**wanted, "origin": "https://evil.example", "merchant": wanted, "settings": wanted, "id": mine}
    served = [endpoint for router in ROUTERS for endpoint in router.endpoints]
    for endpoint in served:
        path = endpoint.path.replace("{id}", mine)
        for api in (house.api, house.publishable):
            await api.request(endpoint.method, path, json=body)
        given = (each for each in (endpoint.body, endpoint.query) if each is not None)
        members = {name for each in given for name in each.__struct_fields__}  # type: ignore[attr-defined]
        assert not members & {"origin", "origins", "app_schemes", "settings", "merchant"}, path

    assert len(served) > 30
    assert await house.services.db.read(settings.settings_of, mine) == before


def test_settings_are_changed_by_the_command_line_alone() -> None:
    source = Path(settings.__file__).parents[1]
    changing = re.compile(r"\bkeep_settings\b|\bsettings\.change\b|import .*\bchange\b|update\(merchants\)")
    found = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if changing.search(path.read_text())}
    assert found == {"cli/merchants.py", "merchants/settings.py", "merchants/store.py"}


@pytest.mark.parametrize(("colour", "ratio"), [
    ("#ffffff", 1.0), ("#000000", 21.0), ("#767676", 4.54), ("#1f5a4e", 8.0), ("#b3261e", 6.5),
])  # fmt: skip
def test_contrast_is_that_of_the_guideline(colour: str, ratio: float) -> None:
    assert colours.contrast(colours.read(colour), colours.WHITE) == pytest.approx(ratio, abs=0.06)


async def test_setting_one_fee_leaves_the_others(house: House) -> None:
    await change(house, fees={"paypay": "20"}, payment_types={"JPY": ["credit_card"]}, rates={"USD": "150"})
    changed = await change(house, fees={"konbini": "200"}, payment_types={"EUR": ["ideal"]}, rates={"EUR": "160"})
    assert changed.fees == {"konbini": 200, "paypay": 20}
    assert changed.payment_types == {"JPY": ["credit_card"], "EUR": ["ideal"]}
    assert changed.rates == {"USD": "150", "EUR": "160"}


async def test_a_rate_that_types_depend_on_stays(house: House) -> None:
    await change(house, payment_types={"USD": ["konbini"]}, rates={"USD": "150"})
    with pytest.raises(SettingError, match="konbini"):
        await change(house, "rates")
    assert (await change(house, "rates", "payment_types")).rates == {}


async def test_two_who_change_at_once_both_succeed(house: House) -> None:
    await asyncio.gather(change(house, fees={"paypay": "20"}), change(house, fees={"linepay": "30"}))
    assert (await change(house)).fees == {"konbini": 190, "paypay": 20, "linepay": 30}


async def test_nobody_elses_settings_are_changed(house: House) -> None:
    with pytest.raises(NotFound):
        await settings.change(house.services.db, "nobody", {"name": "a"}, (), offer.check)
    with pytest.raises(NotFound):
        await house.services.settings_of(Owner("nobody", "test"))


async def test_a_running_server_sees_a_change_within_half_a_second(house: House) -> None:
    owner = Owner(await merchant_of(house), "test")
    assert (await house.services.settings_of(owner)).name == "Test shop"
    await change(house, name="Tea House")
    house.clock.advance(REMEMBERED_MS)
    assert (await house.services.settings_of(owner)).name == "Tea House"


# The directory


async def test_a_published_id_is_found_by_its_kind_alone(house: House) -> None:
    owner, id = Owner(await merchant_of(house), "test"), "a" * 25
    assert await house.services.db.read(directory.find_public, id, "session") is None

    await house.services.db.write(directory.publish, owner, id, "session")

    assert await house.services.db.read(directory.find_public, id, "session") == owner
    assert await house.services.db.read(directory.find_public, id, "payment") is None
