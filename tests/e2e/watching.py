"""What must never happen in a browser, watched in every test, whether the test thinks of it or not."""

import re
from urllib.parse import unquote_plus, urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Error, Frame, Page, Request, Response

from azukari.core.pan import looks_like_card_number
from tests.e2e.serving import Site

#: A policy's violations, also those that are only reported, in frames too.
_SAY_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
  console.error(`CSP: ${effectiveDirective} blocks ${blockedURI} at ${sourceFile}:${lineNumber}`);
}, true);
"""
#: All that a frame keeps, and the name of everything in it that we never use.
_KEPT = """async () => {
  const read = (what) => { try { return JSON.stringify(what()) ?? ""; } catch { return ""; } };
  const kept = [
    () => ({ ...localStorage }), () => ({ ...sessionStorage }), () => history.state, () => window.name,
  ].map(read);
  const names = async (what) => { try { return (await what()).map(String); } catch { return []; } };
  const stores = [
    ...await names(async () => (await indexedDB.databases()).map((database) => database.name)),
    ...await names(() => caches.keys()),
    ...await names(() => navigator.serviceWorker.getRegistrations()),
  ];
  return { kept, stores };
}"""


class Watch:
    """Collects what went wrong. A test may :meth:`expect` some of it; the rest fails it at its end.

    ours: the server's origin, which may be sent cards. others: origins that pages may go to without any.
    """

    def __init__(self, ours: str, *others: str) -> None:
        self.found: list[str] = []
        self._ours = {ours}
        self._others = {*others}
        self._expected: list[re.Pattern[str]] = []
        self._contexts: list[tuple[BrowserContext, bool]] = []
        self._logs: list[tuple[Site, int]] = []

    def expect(self, pattern: str) -> None:
        """A finding that belongs to this test, as a regular expression; it must come."""
        self._expected.append(re.compile(pattern))

    def allow(self, ours: str) -> None:
        """Another server of ours."""
        self._ours.add(ours)

    async def follow(self, context: BrowserContext, *, script: bool = True) -> None:
        """Watch all pages of a browser context. script: whether they run any."""
        self._contexts.append((context, script))
        await context.add_init_script(_SAY_VIOLATIONS)
        context.on("console", self._console)
        context.on("dialog", self._dialog)
        context.on("weberror", lambda error: self.found.append(f"page error: {error.error}"))
        context.on("request", self._request)
        context.on("requestfailed", self._request_failed)
        context.on("response", self._response)
        context.on("page", lambda page: page.on("crash", lambda _: self.found.append(f"crashed: {page.url}")))

    def follow_log(self, site: Site) -> None:
        """Watch a server's log from here on."""
        self._logs.append((site, site.log.stat().st_size))

    async def finish(self) -> None:
        """Look into what pages keep, and into the logs. Raises AssertionError with everything that was found."""
        for context, script in self._contexts:
            if any(looks_like_card_number(str(cookie)) for cookie in await context.cookies()):
                self.found.append("a card number in a cookie")
            # Without script nothing else can be kept, and nothing can be asked.
            for page in context.pages if script else []:
                await self._look_into(page)
        for site, since in self._logs:
            for line in site.logged(since):
                if line.get("level") == "error" or "csp" in str(line.get("event", "")):
                    self.found.append(f"server log: {line}")
        left = [finding for finding in self.found if not any(it.search(finding) for it in self._expected)]
        assert not left, "in the browser:\n" + "\n".join(left)
        missed = [it.pattern for it in self._expected if not any(it.search(finding) for finding in self.found)]
        assert not missed, f"expected in the browser, but did not come: {missed}"

    def _console(self, message: ConsoleMessage) -> None:
        # What did not load is found by _request_failed and _response, which know what it was for.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.found.append(f"console: {message.text}")
        elif "Content Security Policy" in message.text or "Trusted" in message.text:
            self.found.append(f"console {message.type}: {message.text}")

    async def _dialog(self, dialog: Dialog) -> None:
        # None of our pages opens one: whoever does has got a script in.
        self.found.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _request(self, request: Request) -> None:
        split = urlsplit(request.url)
        origin = f"{split.scheme}://{split.netloc}"
        if split.scheme in ("http", "https", "ws", "wss"):
            if looks_like_card_number(unquote_plus(request.url)):
                self.found.append(f"a card number in the address of a {request.method} to {origin}{split.path}")
            if origin not in self._ours | self._others:
                self.found.append(f"a request elsewhere: {origin}")
            body = (request.post_data_buffer or b"").decode(errors="replace")
            if origin not in self._ours and looks_like_card_number(unquote_plus(body)):
                self.found.append(f"a card number sent to {origin}")

    def _request_failed(self, request: Request) -> None:
        # A page left before all of it had come aborts the rest.
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"did not load: {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        answered = response.request.resource_type in ("document", "fetch", "xhr", "ping", "cspviolationreport")
        if response.status >= (500 if answered else 400):
            self.found.append(f"did not load: {response.url}: {response.status}")

    async def _look_into(self, page: Page) -> None:
        for frame in page.frames:
            if frame.url.startswith("http"):
                await self._look_into_frame(frame)

    async def _look_into_frame(self, frame: Frame) -> None:
        try:
            seen = await frame.evaluate(_KEPT)
        except Error:
            if frame.is_detached():
                return  # its page has closed it meanwhile
            raise
        split = urlsplit(frame.url)
        origin = f"{split.scheme}://{split.netloc}"
        if any(looks_like_card_number(text) for text in seen["kept"]):
            self.found.append(f"a card number in the storage of {origin}")
        if seen["stores"]:
            self.found.append(f"{origin} stores {seen['stores']}")
