"""The pictures of our pages in ``docs/pictures``: ``make pictures``.

A picture is named ``page-size-language.png``. To add a page, add a line to :data:`PICTURES` and say how to get there.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from azukari.core.config import Settings
from azukari.setup import init
from tests.e2e import chromium
from tests.e2e.browsing import Size, launch, new_context
from tests.e2e.serving import Site, serving
from tests.e2e.shopping import NO_FUNDS, fill_card, press, visit
from tests.house import card

FOLDER = Path(__file__).parents[2] / "docs/pictures"
#: What the pages say about where they are; the server itself listens wherever it can.
SHOWN_PORT = 8420
SIZES: tuple[Size, ...] = ("phone", "desktop")
LOCALES = {"ja": "ja-JP", "en": "en-GB"}
#: Few colours are on a page, and half of the picture's bytes are saved.
_COLOURS = 128

Reach = Callable[[Page, Site, str], Awaitable[None]]


@dataclass(frozen=True)
class Picture:
    """A page to take.

    reach: opens it, given the page, the server and the language. whole: all of it, not a screenful.
    """

    name: str
    reach: Reach
    languages: tuple[str, ...] = ("ja", "en")
    whole: bool = True


def at(path: str) -> Reach:
    """A page that an address leads to."""

    async def reach(page: Page, _: Site, __: str) -> None:
        await page.goto(path)

    return reach


ORDER = [
    {"description": "深蒸し煎茶 100g", "quantity": 2, "amount": 1300},
    {"description": "急須（常滑焼）", "amount": 2100},
    {"description": "送料", "amount": 300},
]
#: A shop that has chosen, so that a page is not all list.
TYPES = ["credit_card", "paypay", "konbini", "linepay", "aupay", "bank_transfer"]
CHALLENGED = "4100000000005000"


async def _session(page: Page, site: Site, language: str, more: str = "", **asked: Any) -> dict[str, Any]:
    """Open the page of a session."""
    order = {"currency": "JPY", "default_locale": language, "return_url": "https://shop.example/thanks"} | asked
    if asked.get("mode") != "customer":
        order |= {"amount": 5000, "line_items": ORDER, "payment_types": TYPES}
    async with site.api() as api:
        reply = await api.post("/sessions", json=order)
    session: dict[str, Any] = reply.json()
    await visit(page, session, more)
    return session


async def _card(page: Page, site: Site, language: str) -> None:
    await _session(page, site, language)
    await fill_card(page)
    await page.locator("#name").blur()


async def _error(page: Page, site: Site, language: str) -> None:
    await _session(page, site, language)
    await fill_card(page, NO_FUNDS)
    await press(page)
    await expect(page.get_by_role("alert")).not_to_be_empty()


async def _save(page: Page, site: Site, language: str) -> None:
    await _session(page, site, language, mode="customer", payment_types=TYPES)


async def _konbini(page: Page, site: Site, language: str) -> None:
    await _session(page, site, language, "#konbini")
    await page.locator("input[value=family-mart]").check()
    await page.locator("[data-panel=konbini] input[name=email]").fill("taro@example.com")
    await press(page)
    await expect(page.locator("#bars")).to_be_visible()


async def _wallet(page: Page, site: Site, language: str) -> None:
    await _session(page, site, language, "#paypay")
    await press(page)
    await expect(page.get_by_role("button", name="Capture", exact=True)).to_be_visible()


async def _challenge(page: Page, site: Site, language: str) -> None:
    await _session(page, site, language)
    await fill_card(page, CHALLENGED)
    await press(page)
    await expect(page.locator("#password")).to_be_visible()


async def _result(page: Page, site: Site, language: str) -> None:
    session = await _session(page, site, language)
    async with site.api() as api:
        paid = await api.post(
            f"/sessions/{session['id']}/pay", json={"payment_details": card(), "api_locale": language}
        )
    assert paid.status_code == 200
    # It would be gone after a second.
    await page.clock.install()
    await page.goto(session["session_url"])


PICTURES = (
    Picture("card", _card),
    Picture("error", _error),
    Picture("save", _save),
    Picture("konbini", _konbini),
    Picture("wallet", _wallet),
    Picture("3-d-secure", _challenge),
    Picture("result", _result),
    Picture("start", at("/"), languages=("en",), whole=False),
    Picture("reference", at("/reference#createPayment"), languages=("en",), whole=False),
)


async def take(browser: Browser, site: Site, picture: Picture, size: Size, language: str) -> Path:
    """Take a picture; where it is."""
    context = await new_context(
        browser, f"http://127.0.0.1:{SHOWN_PORT}", size, locale=LOCALES[language], still=True, device_scale_factor=1.5
    )
    page = await context.new_page()
    await picture.reach(page, site, language)
    await page.wait_for_load_state("networkidle")
    taken = await page.screenshot(full_page=picture.whole, animations="disabled", caret="hide")
    await context.close()
    path = FOLDER / f"{picture.name}-{size}-{language}.png"
    path.write_bytes(small(taken))
    return path


def small(png: bytes) -> bytes:
    """The same picture in few colours."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


async def main(wanted: list[str]) -> None:
    """Take all pictures, or those of the pages that are named."""
    if not chromium.has_japanese():
        sys.exit("Without a Japanese font the pictures would show boxes: apt-get install fonts-noto-cjk")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        await init(Settings(data=data))
        shown = f"http://127.0.0.1:{SHOWN_PORT}"
        with serving(Site(data, AZUKARI_PUBLIC_URL=shown)) as site:
            async with async_playwright() as playwright:
                rules = f"--host-resolver-rules=MAP 127.0.0.1:{SHOWN_PORT} 127.0.0.1:{site.port}"
                browser = await launch(playwright, rules)
                for picture in PICTURES:
                    for size in SIZES if not wanted or picture.name in wanted else ():
                        for language in picture.languages:
                            path = await take(browser, site, picture, size, language)
                            print(f"{path.stat().st_size // 1000:>5} KB  {path.relative_to(Path.cwd())}")
                await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
