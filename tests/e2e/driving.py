"""Windows of Firefox and WebKitGTK, moved by the commands of W3C's WebDriver.

WebKit hears them over HTTP, from its driver; Firefox by itself, on a socket, where they have the names of Marionette.
"""

import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import httpx
from PIL import Image, ImageGrab

from tests.commands import free_port
from tests.e2e import engines

#: Two busy cores are slow; nothing waits this long when it works.
PATIENCE_SECONDS = 30
#: Width and height of a page; of a phone's, what its bars leave.
PHONE, DESKTOP = (390, 664), (1280, 900)
KEYS: Mapping[str, str] = {
    "Backspace": "\ue003", "Tab": "\ue004", "Enter": "\ue007", "Shift": "\ue008", "Control": "\ue009",
    "Escape": "\ue00c", "Space": " ", "End": "\ue010", "Home": "\ue011", "Left": "\ue012", "Right": "\ue014",
    "Delete": "\ue017",
}  # fmt: skip
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
#: Each command's way in HTTP; Marionette takes it by its name.
_WAYS: Mapping[str, str] = {
    "Navigate": "/url",
    "Back": "/back",
    "ElementClick": "/element/{id}/click",
    "ExecuteScript": "/execute/sync",
    "SwitchToFrame": "/frame",
    "PerformActions": "/actions",
}
_MARIONETTE = ("--headless", "--no-remote", "--marionette", "--remote-allow-system-access")
_FIND = """let found = document;
for (const part of arguments[0].split(" >> ")) found = (found?.shadowRoot ?? found)?.querySelector(part);
return found;"""
_WIDER = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
#: What a page's errors are, of all that Firefox writes down about pages and about itself.
_FOUND = """return Services.console.getMessageArray()
  .filter((one) => one instanceof Ci.nsIScriptError && !(one.flags & one.warningFlag))
  .filter(({ sourceName }) => !/^(chrome|resource):/.test(sourceName))
  .map(({ errorMessage, sourceName, lineNumber }) => `page error: ${errorMessage} at ${sourceName}:${lineNumber}`);"""
#: What a page has written to the console itself; what a word and a colon go before is from Firefox's own parts.
_SAID = re.compile(r"console\.error: (?!\w+: *$).*")
#: How much more than its page a window is, in width and height.
_AROUND = """const { clientWidth, clientHeight } = gBrowser.selectedBrowser;
document.documentElement.style.minWidth = 0;
return [outerWidth - clientWidth, outerHeight - clientHeight];"""
#: Firefox starts no conversations of its own, keeps pages that are left, and says what pages write to the console.
_PREFERENCES = {
    "app.normandy.enabled": False, "app.update.disabledForTesting": True, "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False, "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False, "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore", "browser.startup.page": 0, "browser.tabs.warnOnClose": False,
    "datareporting.policy.dataSubmissionEnabled": False, "devtools.console.stdout.content": True,
    "dom.disable_beforeunload": True, "extensions.getAddons.cache.enabled": False, "extensions.update.enabled": False,
    "marionette.port": 0, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "services.settings.server": "data:,#none",
    "toolkit.telemetry.enabled": False,
}  # fmt: skip


class DriverError(Exception):
    """A command was refused: most often because the page it was for is no longer there."""


class Command(Protocol):
    """Gives a browser a command of WebDriver's, and has its value. Raises DriverError."""

    def __call__(self, name: str, /, **given: Any) -> Any:
        """name: as in the standard, in one word."""


class Window:
    """A browser's window on a page. Selectors go into a shadow root with ``>>``."""

    def __init__(self, engine: str, command: Command, picture: Callable[[], Image.Image]) -> None:
        self.engine = engine
        self.picture = picture
        self._command = command

    def open(self, url: str) -> None:
        """Go to an address; returns when the page is there."""
        self._command("Navigate", url=url)

    def back(self) -> None:
        """The browser's own button."""
        self._command("Back")

    def js(self, script: str, *arguments: Any) -> Any:
        """What a script returns. Raises DriverError, also when the page goes away meanwhile."""
        return self._command("ExecuteScript", script=script, args=list(arguments))

    def until(self, expression: str, *arguments: Any) -> Any:
        """Wait until an expression of JavaScript is true; its value. Raises AssertionError."""
        return self.wait_for(lambda: self.js(f"return {expression}", *arguments), f"{expression} of {arguments}")

    def wait_for(self, seen: Callable[[], Any], what: str) -> Any:
        """Wait until something is there; what it is. Raises AssertionError."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if found := seen():
                    return found
                last: object = found
            except DriverError as error:
                last = error
            assert time.monotonic() < end, f"{self.engine}: {what} was {last!r} to the end"
            time.sleep(0.02)

    def find(self, selector: str) -> dict[str, str]:
        """An element, once it is there."""
        found = self.wait_for(lambda: self.js(_FIND, selector), selector)
        return {_ELEMENT: found[_ELEMENT]}

    def click(self, selector: str) -> None:
        """Press an element with the mouse."""
        element = self.find(selector)
        # The engine's own way to bring it into sight is still on the way when WebKit's driver presses.
        self.js("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
        self._command("ElementClick", id=element[_ELEMENT])

    def type(self, selector: str, text: str) -> None:
        """Click into a field and type, sign by sign."""

        def has_focus() -> Any:
            # As long as styles come in, a press may meet what stood there before.
            self.click(selector)
            return self.js("return document.activeElement === arguments[0]", self.find(selector))

        self.wait_for(has_focus, f"the focus in {selector}")
        for sign in text:
            self.press(sign)

    def press(self, *keys: str) -> None:
        """Press keys together, the last one while the others are held."""
        held = [KEYS.get(key, key) for key in keys]
        steps = [{"type": "keyDown", "value": key} for key in held]
        steps += [{"type": "keyUp", "value": key} for key in reversed(held)]
        self._command("PerformActions", actions=[{"type": "key", "id": "keys", "actions": steps}])

    def value(self, selector: str) -> str:
        """What stands in a field."""
        return str(self.js("return arguments[0].value", self.find(selector)))

    def put_caret(self, selector: str, start: int, end: int | None = None) -> None:
        """Select something in a field, or put the caret there."""
        script = "arguments[0].focus(); arguments[0].setSelectionRange(arguments[1], arguments[2])"
        self.js(script, self.find(selector), start, start if end is None else end)

    @contextmanager
    def inside(self, selector: str) -> Iterator[None]:
        """Work in a frame of the page."""
        self._command("SwitchToFrame", **self._frame(self.find(selector)))
        yield
        self.leave_frames()

    def leave_frames(self) -> None:
        """Back to the page itself."""
        self._command("SwitchToFrame", id=None)

    @property
    def too_wide(self) -> bool:
        """Whether the page scrolls sideways, now that its styles are there."""
        self.until("document.readyState === 'complete'")
        return bool(self.js(_WIDER))

    def _frame(self, element: dict[str, str]) -> dict[str, Any]:
        return {"element": element[_ELEMENT]} if self.engine == "firefox" else {"id": element}


@contextmanager
def webkit(folder: Path, found: list[str], size: tuple[int, int] = PHONE) -> Iterator[Window]:
    """A window of WebKitGTK. found: gets what went wrong in its pages, at the end. Raises NoEngine."""
    services = engines.get_webkit()
    findings, log, port = folder / "findings", folder / "webkit.log", free_port()
    width, height = size
    view = [str(Path(__file__).with_name("webview.py")), f"{width}x{height}", str(findings)]
    capabilities = {"webkitgtk:browserOptions": {"binary": str(services.python), "args": view}}
    with _screen(services.screen) as display:
        settings = os.environ | {"DISPLAY": display, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1"}
        driver = _running([str(services.driver), f"--port={port}"], log, env=settings)
        with driver, _over_http(port, capabilities) as command:
            yield Window("webkit", command, lambda: ImageGrab.grab((0, 0, width, height), xdisplay=display))
    found += findings.read_text(encoding="utf-8").splitlines() if findings.exists() else []


@contextmanager
def firefox(folder: Path, found: list[str], size: tuple[int, int] = PHONE) -> Iterator[Window]:
    """A window of Firefox, as :func:`webkit`."""
    profile, log = folder / "profile", folder / "firefox.log"
    profile.mkdir()
    preferences = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(preferences), encoding="utf-8")
    words = [str(engines.get_firefox()), *_MARIONETTE, "--profile", str(profile)]
    with _running(words, log), _on_a_socket(profile / "MarionetteActivePort") as command:

        def picture() -> Image.Image:
            taken = command("TakeScreenshot", full=False)
            return Image.open(io.BytesIO(base64.b64decode(taken)))

        def chrome(script: str) -> Any:
            """A script in the browser's own window around the page."""
            command("Marionette:SetContext", value="chrome")
            try:
                return window.js(script)
            finally:
                command("Marionette:SetContext", value="content")

        window = Window("firefox", command, picture)
        more = chrome(_AROUND)
        command("SetWindowRect", width=size[0] + more[0], height=size[1] + more[1])
        yield window
        window.leave_frames()
        found += chrome(_FOUND)
    found += [line for line in log.read_text(errors="replace").splitlines() if _SAID.match(line)]


ENGINES = {"firefox": firefox, "webkit": webkit}


@contextmanager
def _over_http(port: int, capabilities: dict[str, Any]) -> Iterator[Command]:
    """The commands of a session with a driver."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=2 * PATIENCE_SECONDS) as client:

        def send(method: str, path: str, body: Any = None) -> Any:
            reply = client.request(method, path, json=body)
            value = reply.json()["value"]
            if reply.status_code != 200:
                raise DriverError(f"{value['error']}: {value['message']}")
            return value

        def begin() -> Any:
            return send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})

        session = f"/session/{_soon(begin, httpx.TransportError)['sessionId']}"
        yield lambda name, **given: send("POST", session + _WAYS[name].format(**given), given)


@contextmanager
def _on_a_socket(port_file: Path) -> Iterator[Command]:
    """The commands of a session with Firefox: each message is JSON, its length and a colon before it."""
    port = int(_soon(lambda: port_file.read_text()[:-1] and port_file.read_text(), FileNotFoundError))
    with socket.create_connection(("127.0.0.1", port), 2 * PATIENCE_SECONDS) as line, line.makefile("rwb") as stream:

        def read() -> Any:
            length = b"".join(iter(lambda: stream.read(1), b":"))
            return json.loads(stream.read(int(length)))

        def command(name: str, **given: Any) -> Any:
            text = json.dumps([0, 1, name if ":" in name else f"WebDriver:{name}", given]).encode()
            stream.write(b"%d:%s" % (len(text), text))
            stream.flush()
            _, _, error, value = read()
            if error:
                raise DriverError(f"{error['error']}: {error['message']}")
            return value["value"] if value and value.keys() == {"value"} else value

        read()  # what it is
        command("NewSession", capabilities={})
        yield command


@contextmanager
def _screen(program: Path) -> Iterator[str]:
    """A screen without a monitor; what X calls it."""
    ours, its = os.pipe()
    words = [str(program), "-displayfd", str(its), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    with os.fdopen(ours) as number, _running(words, Path(os.devnull), pass_fds=[its]):
        os.close(its)
        yield f":{number.readline().strip()}"


@contextmanager
def _running(words: list[str], log: Path, **more: Any) -> Iterator[None]:
    """A program, and at the end none of the programs it has started."""
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, start_new_session=True, **more)
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _soon(it: Callable[[], Any], *errors: type[Exception]) -> Any:
    """What something gives, as soon as it gives anything."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if found := it():
                return found
        except errors:
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
