"""What tests of the fields in a shop's page do with them."""

from typing import Any

from playwright.async_api import Page, expect

#: Cards that the simulated issuer asks about, by what becomes of it. Source: contract 16.2.
FRICTIONLESS, CHALLENGED, FAILS_LATER, FAILS = (
    "4100000000000100", "4100000000005000", "4100000000500000", "4100000000300005",
)  # fmt: skip
DECLINED = "4123111111111059"
OLDER = ".field input { border: 1px solid #5a5a5a; border-radius: 5px; padding: 9px }"
#: Keeps what the element says, for the test to look at.
LISTEN = """
window.said = [];
for (const name of ["komoju-session-change", "komoju-invalid", "komoju-error", "komoju-locale-change"]) {
  document.addEventListener(name, ({ type, detail, target, bubbles, composed, cancelable }) => {
    said.push({ type, detail, tag: target.localName, bubbles, composed, cancelable });
  });
}"""


async def said(page: Page, name: str) -> list[dict[str, Any]]:
    """The events of one name so far."""
    found: list[dict[str, Any]] = await page.evaluate("name => said.filter((one) => one.type === name)", name)
    return found


async def press(page: Page) -> None:
    """Press the shop's button."""
    await page.get_by_role("button", name="Pay", exact=True).click()


async def thanked(page: Page) -> None:
    """Back in the shop."""
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


async def pass_the_check(page: Page) -> None:
    """Answer the issuer's question in the dialog."""
    issuer = page.frame_locator("komoju-fields dialog iframe")
    await issuer.get_by_label("Password").fill("123456")
    await issuer.get_by_role("button", name="Confirm").click()
