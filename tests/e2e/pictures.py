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

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

from azukari.core.config import Settings
from azukari.setup import init
from tests.e2e import chromium
from tests.e2e.browsing import Size, launch, new_context
from tests.e2e.serving import Site, serving

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


PICTURES = (
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
