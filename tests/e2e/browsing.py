"""The browser and its windows, the same for tests and for pictures."""

from typing import Any, Literal, Protocol, cast

from playwright.async_api import Browser, BrowserContext, Page, Playwright

from tests.e2e import chromium

Size = Literal["small", "phone", "desktop"]

#: Two busy cores are slow; nothing waits this long when it works.
PATIENCE_MS = 20_000
#: The smallest window a page must fit (or 1280 pixels at 400 %), a phone, a desk.
SIZES: dict[Size, dict[str, Any]] = {
    "small": {"viewport": {"width": 320, "height": 640}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "desktop": {"viewport": {"width": 1280, "height": 900}},
}
#: Nothing of the browser's own on the network.
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync")


class OpenPage(Protocol):
    """Opens an empty page, in a browser context of its own: another shopper."""

    async def __call__(
        self,
        size: Size = "phone",
        *,
        locale: str = "ja-JP",
        dark: bool = False,
        still: bool = False,
        script: bool = True,
        **more: Any,
    ) -> Page:
        """A page. Addresses without a host are the server's.

        locale: the browser's languages. still: reduced motion. script: whether JavaScript runs.
        more: options of Playwright's ``new_context``.
        """


async def launch(playwright: Playwright, *more: str) -> Browser:
    """A browser without a window. more: arguments for it. Raises NoChromium."""
    return await playwright.chromium.launch(executable_path=chromium.get(), args=[*_QUIET, *more])


async def new_context(
    browser: Browser,
    base_url: str,
    size: Size,
    *,
    locale: str = "ja-JP",
    dark: bool = False,
    still: bool = False,
    script: bool = True,
    **more: Any,
) -> BrowserContext:
    """A browser context as :class:`OpenPage` describes it."""
    options = SIZES[size] | {
        "base_url": base_url,
        "locale": locale,
        "timezone_id": "Asia/Tokyo",
        "color_scheme": "dark" if dark else "light",
        "reduced_motion": "reduce" if still else "no-preference",
        "java_script_enabled": script,
    }
    context = await browser.new_context(**cast("Any", options | more))
    context.set_default_timeout(PATIENCE_MS)
    return context
