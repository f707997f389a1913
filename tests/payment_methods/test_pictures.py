"""Pictures shops embed: drawn by us, for any origin, and inert when opened by themselves."""

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest

from azukari.core.config import SettingError, Settings, read
from azukari.payment_methods.pictures import Gallery
from azukari.payment_types import BRANDS, METHODS, STORES
from tests.house import House, running

HOST = "http://azukari.test"
#: Attributes and elements that load, run or style something.
INERT = {"svg", "g", "rect", "path", "text"}
PNG = b"\x89PNG\r\n\x1a\nofficial"


async def get(house: House, path: str, method: str = "GET") -> httpx.Response:
    request = house.api.build_request(method, HOST + path, headers={"Origin": "https://shop.example"})
    return await house.api.send(request, auth=None)


def drawn(body: bytes) -> ElementTree.Element:
    found = ElementTree.fromstring(body)
    for part in found.iter():
        assert part.tag.removeprefix("{http://www.w3.org/2000/svg}") in INERT
        assert not [name for name in part.attrib if name.startswith("on") or "href" in name or name == "style"]
        assert "url(" not in " ".join(part.attrib.values())
    return found


async def test_every_type_and_store_has_a_picture_any_shop_may_show(house: House) -> None:
    paths = [f"/payment_methods/{slug}.svg" for slug in METHODS] + [f"/assets/konbini/{slug}.svg" for slug in STORES]
    for path in paths:
        reply = await get(house, path)
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/svg+xml")
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
        assert reply.headers["Cache-Control"] == "public, max-age=3600"
        picture = drawn(reply.content)
        assert (picture.get("width"), picture.get("height")) == ("44", "26")
        assert picture.get("aria-label")
        assert len(reply.content) < 1_000


async def test_cards_show_the_brands_that_are_asked_for(house: House) -> None:
    reply = await get(house, "/payment_methods/credit_card.svg?brands=visa,master,american_express")
    picture = drawn(reply.content)
    assert [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")] == ["VISA", "Master", "Amex"]
    assert picture.get("width") == "144"
    assert picture.get("aria-label") == "Visa, Mastercard, American Express"
    every = await get(house, "/payment_methods/credit_card.svg?brands=" + ",".join(BRANDS))
    assert drawn(every.content).get("width") == str(7 * 50 - 6)
    plain = (await get(house, "/payment_methods/credit_card.svg")).content
    for query in ("brands=", "brands=nothing", "brands=<script>", "brand=visa", "brands=%ff", "a&" * 500, "brands"):
        assert (await get(house, f"/payment_methods/credit_card.svg?{query}")).content == plain
    assert b"VISA" not in (await get(house, "/payment_methods/konbini.svg?brands=visa")).content


async def test_an_unknown_picture_is_404_for_shops_too(house: House) -> None:
    for path in (
        "/payment_methods/nothing.svg",
        "/payment_methods/..%2f..%2fetc%2fpasswd.svg",
        "/assets/konbini/nothing.svg",
        "/payment_methods/credit_card.png",
        "/payment_methods/.svg",
        "/assets/konbini/credit_card.svg",
    ):
        reply = await get(house, path)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found"), path
    assert (await get(house, "/payment_methods/nothing.svg")).headers["Access-Control-Allow-Origin"] == "*"


async def test_pictures_are_only_read(house: House) -> None:
    assert (await get(house, "/payment_methods/paypay.svg", "HEAD")).status_code == 200
    for method in ("POST", "PUT", "DELETE"):
        reply = await get(house, "/payment_methods/paypay.svg", method)
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD")


async def test_official_artwork_takes_the_place_of_our_drawings(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "artwork"
    (folder / "konbini").mkdir(parents=True)
    (folder / "paypay.png").write_bytes(PNG)
    (folder / "credit_card.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "konbini" / "lawson.png").write_bytes(PNG)
    (folder / "secret.png").write_bytes(PNG)
    async with running(dataclasses.replace(settings, artwork=folder)) as house:
        for path in ("/payment_methods/paypay.svg", "/assets/konbini/lawson.svg"):
            reply = await get(house, path)
            assert (reply.content, reply.headers["Content-Type"]) == (PNG, "image/png")
            assert "sandbox" in reply.headers["Content-Security-Policy"]
        card = await get(house, "/payment_methods/credit_card.svg?brands=visa")
        assert card.content == b"<svg xmlns='http://www.w3.org/2000/svg'/>"
        assert b"LINE" in (await get(house, "/payment_methods/linepay.svg")).content
        assert (await get(house, "/payment_methods/secret.svg")).status_code == 404


def test_artwork_that_cannot_be_shown_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="AZUKARI_ARTWORK"):
        read({"AZUKARI_ARTWORK": str(tmp_path / "nowhere")})
    assert read({"AZUKARI_ARTWORK": str(tmp_path)}).artwork == tmp_path
    (tmp_path / "paypay.svg").write_bytes(bytes(300_000))
    with pytest.raises(SettingError, match=r"paypay\.svg"):
        Gallery(tmp_path)
