"""What a page is held against: accessibility, weight, width."""

from pathlib import Path

from playwright.async_api import Page, Response

_AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
#: Every rule of WCAG 2.2, level A and AA, and the best practices, also those that axe leaves out unless asked.
_TAGS = (
    "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice", "experimental",
)  # fmt: skip
_RUN = """async (tags) => {
  const runOnly = { type: "tag", values: tags };
  const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) => nodes.map(
    ({ target, failureSummary: todo }) => `${id}: ${help}: ${target.flat().join(" ")}: ${todo.replace(/\\s+/g, " ")}`
  ));
}"""
_TOO_WIDE = """() => {
  const { clientWidth: width, scrollWidth: needed } = document.documentElement;
  if (needed <= width) return [];
  const name = (it) => [it.tagName.toLowerCase() + (it.id && `#${it.id}`), ...it.classList].join(".");
  const wide = [...document.body.querySelectorAll("*")].filter((it) => it.getBoundingClientRect().right > width + .5);
  return [`${needed} px of ${width}`, ...wide.map(name)];
}"""


async def axe(page: Page) -> list[str]:
    """What axe finds on a page and in its frames: rule, help, selector and what to do, a line each."""
    source = _AXE.read_text(encoding="utf-8")
    for frame in page.frames:
        # Given by the browser's own tools, so that no policy of the page's is in the way.
        await frame.evaluate(f"{source}; axe.configure({{ allowedOrigins: ['<unsafe_all_origins>'] }})")
    found: list[str] = await page.evaluate(_RUN, list(_TAGS))
    return found


async def too_wide(page: Page) -> list[str]:
    """Empty when the page does not scroll sideways; else by how much, and what sticks out."""
    found: list[str] = await page.evaluate(_TOO_WIDE)
    return found


async def weigh(page: Page, url: str) -> dict[str, int]:
    """Open an address, and count the bytes of everything that comes for it, uncompressed, by address.

    The page must have nothing in its cache: one that is new.
    """
    responses: list[Response] = []

    def came(response: Response) -> None:
        responses.append(response)

    page.on("response", came)
    await page.goto(url, wait_until="networkidle")
    page.remove_listener("response", came)
    return {response.url: len(await response.body()) for response in responses if response.url.startswith("http")}
