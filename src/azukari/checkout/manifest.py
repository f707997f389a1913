"""The payment pages' manifest: each script with its SHA-384 and why it is there, and the headers of every page.

``payment-page-manifest.json`` beside this file is what was reviewed; :func:`differences` holds a running server against
it, and ``python -m azukari.checkout.manifest`` writes it anew. Source: PCI DSS 6.4.3 and 11.6.1; SEC-24.
"""

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from azukari.checkout import framing, pages
from azukari.web import assets

if TYPE_CHECKING:
    import httpx

NAME = "payment-page-manifest.json"
#: Why each script is there. None is anybody else's.
REASONS: Mapping[str, str] = {
    "card.js": "Reads what people type for a card's number, expiry, code and name, and finds mistakes in it.",
    "contact.js": "Reads what people type beside a card: mail, phone, kana, prepaid numbers; finds mistakes in it.",
    "dom.js": "What the others share: finding elements, sending to our own server, marking a field.",
    "fields.js": "In a shop's page: defines the element, opens the frame of ours, hands its results to the shop.",
    "fields-absent.js": "In a shop's page: finds out why there is no frame.",
    "fields-dialog.js": "In a shop's page: shows the issuer's challenge in a dialog.",
    "fields-picker.js": "In a shop's page: lists the session's methods.",
    "fields-theme.js": "In a shop's page: reads a theme from its attribute or address.",
    "frame.js": "The frame in a shop's page: sends what was typed to our own server, and tokens to the shop.",
    "inputs.js": "Shows fields back tidy while they are typed, and says what is wrong beside them.",
    "instructions.js": "Instruction page: copies and prints numbers, keeps the barcode fresh, test mode's buttons.",
    "pay.js": "Sends the form once, waits for the result, and follows the chosen method and language.",
    "pay-language.js": "Changes the language of the payment page where somebody asks for it.",
    "single_step.js": "Results that go back to the shop, and test mode's wallet and issuer pages.",
    "theme.js": "The frame in a shop's page: takes the colours and sizes that a shop may set, and nothing else.",
}
_PAGES = {
    "session": pages.SESSION,
    "session beside cards": pages.SESSION_BESIDE_CARDS,
    "single step": pages.SINGLE_STEP,
    "instructions": pages.INSTRUCTIONS,
    "frame": framing.MODULES,
}
_HSTS = "max-age=63072000; includeSubDomains"


class Script(msgspec.Struct, frozen=True):
    """A script as it was reviewed. integrity: ``sha384-`` and base64."""

    integrity: str
    reason: str


class Manifest(msgspec.Struct, frozen=True):
    """scripts: by name. pages: the scripts of each kind of page. headers: of every page, exactly."""

    scripts: dict[str, Script]
    pages: dict[str, list[str]]
    headers: dict[str, str]


def made() -> Manifest:
    """The manifest of the files as they are."""
    scripts = {name: Script(assets.integrity(name), reason) for name, reason in REASONS.items()}
    return Manifest(scripts, {kind: [*names] for kind, names in _PAGES.items()}, dict(assets.PAGE_HEADERS))


def text() -> bytes:
    """It as a file."""
    return msgspec.json.format(msgspec.json.encode(made()), indent=2) + b"\n"


def read() -> Manifest:
    """The manifest as it was reviewed."""
    file = importlib.resources.files("azukari.checkout") / NAME
    return msgspec.json.decode(file.read_bytes(), type=Manifest)


async def differences(client: "httpx.AsyncClient", url: str) -> list[str]:
    """Where what a server sends is not what the manifest says; empty: nowhere.

    url: of the server, or of one session's page, whose own scripts are looked at too.
    Raises httpx.HTTPError: the server does not answer.
    """
    manifest = read()
    found: list[str] = []
    # An address that leads nowhere is a page like the others, and there for everyone.
    for address in {urljoin(url, "/sessions/none"), *([url] if "/sessions/" in url else [])}:
        reply = await client.get(address)
        found += [f"{address}: {each}" for each in [*_headers(manifest, reply), *_tags(manifest, reply.text)]]
    for name, script in manifest.scripts.items():
        for address in (f"/static/{name}", f"/static/{assets.release()}/{name}"):
            reply = await client.get(urljoin(url, address))
            if _hash(reply.content) != script.integrity:
                found.append(f"{urljoin(url, address)}: the script is not the one that was reviewed")
    return found


def _headers(manifest: Manifest, reply: "httpx.Response") -> list[str]:
    secure = {"Strict-Transport-Security": _HSTS} if reply.url.scheme == "https" else {}
    found = []
    for name, value in {**manifest.headers, **secure}.items():
        sent = reply.headers.get_list(name)
        if sent != [value]:
            found.append(f"the header {name} is {'missing' if not sent else 'another'}; it must be: {value}")
    return found


def _tags(manifest: Manifest, html: str) -> list[str]:
    tags = _Tags()
    tags.feed(html)
    found = [] if not tags.inline else ["there is a script in the page itself"]
    for address, integrity in tags.scripts:
        script = manifest.scripts.get(urlsplit(address).path.rpartition("/")[2])
        if script is None or urlsplit(address).netloc:
            found.append(f"the script {address} is not in the manifest")
        elif integrity != script.integrity:
            found.append(f"the script {address} does not carry the hash in the manifest")
    names = [urlsplit(address).path.rpartition("/")[2] for address, _ in tags.scripts]
    if names and not found and names not in manifest.pages.values():
        found.append(f"these scripts belong to no page of ours: {', '.join(names)}")
    return found


class _Tags(HTMLParser):
    """Every script a page runs or loads ahead, with its hash."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[tuple[str, str | None]] = []
        self.inline = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.inline = self.inline or any(name.startswith("on") for name in attributes)
        if tag == "script" and not attributes.get("src"):
            self.inline = True
        elif tag == "script":
            self.scripts.append((attributes["src"] or "", attributes.get("integrity")))
        elif tag == "link" and attributes.get("rel") in ("modulepreload", "preload"):
            self.scripts.append((attributes.get("href") or "", attributes.get("integrity")))


def _hash(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


if __name__ == "__main__":
    Path(__file__).with_name(NAME).write_bytes(text())
