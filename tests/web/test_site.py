"""The pages a person sees who opens the server's address."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import azukari
from azukari.web import assets
from tests.compat.contract import ROOT

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
DESCRIPTION = json.loads((ROOT / "src/azukari/static/openapi.json").read_text(encoding="utf-8"))
OPERATIONS = {
    operation["operationId"]: operation
    for item in DESCRIPTION["paths"].values()
    for operation in item.values()
    if isinstance(operation, dict)
}


class Page(HTMLParser):
    """A page taken apart; what does not balance lands in ``mistakes``."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.mistakes: list[str] = []
        self.inline: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.mistakes += self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.inline.append(data)

    def all(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute)) is not None]


@pytest.fixture(scope="module", params=["start", "reference"])
def page(request: pytest.FixtureRequest) -> Page:
    return Page(assets.page(request.param).decode())


@pytest.fixture(scope="module")
def reference() -> Page:
    return Page(assets.page("reference").decode())


def test_a_page_is_well_formed(page):
    assert page.mistakes == []
    assert [key for key, count in Counter(page.all("id")).items() if count > 1] == []


def test_a_page_has_a_language_and_one_heading(page):
    tags = [tag for tag, _ in page.tags]
    assert dict(page.tags)["html"]["lang"] == "en"
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))


def test_a_page_has_no_inline_script_or_style(page):
    assert page.inline == []
    for tag, attributes in page.tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes["src"]


def test_everything_a_page_loads_is_ours(page):
    for tag, attributes in page.tags:
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if address is not None and address != "data:,":
            assert address.startswith("/static/")
            assert assets.static_file(address.removeprefix("/static/")) is not None


def test_links_lead_somewhere(page):
    ids = set(page.all("id"))
    elsewhere = {"/", "/reference", "/openapi.yaml", "/health", "/ready"}
    for tag, attributes in page.tags:
        if tag == "a":
            address, _, anchor = (attributes["href"] or "").partition("#")
            if address == "":
                assert anchor in ids
            else:
                assert address in elsewhere
            if address == "/reference" and anchor:
                assert f'id="{anchor}"'.encode() in assets.page("reference")


def test_labels_and_descriptions_lead_somewhere(page):
    ids = set(page.all("id"))
    assert set(page.all("for")) <= ids
    assert set(page.all("aria-labelledby")) <= ids


def test_inputs_have_labels(page):
    labelled = set(page.all("for"))
    assert all(attributes["id"] in labelled for tag, attributes in page.tags if tag == "input")


def test_every_operation_is_there_and_the_planned_ones_are_marked(reference):
    calls = {
        attributes["id"]: (attributes["class"] or "").split() for tag, attributes in reference.tags if tag == "article"
    }
    assert calls.keys() == OPERATIONS.keys()
    for name, operation in OPERATIONS.items():
        assert ("planned" in calls[name]) == (operation.get("x-azukari-status") == "planned")


def test_the_contents_name_every_operation_twice(reference):
    """Once at the side, once in the menu of narrow screens; the heading of the operation is a link too."""
    links = Counter(attributes.get("href") for tag, attributes in reference.tags if tag == "a")
    assert {links[f"#{name}"] for name in OPERATIONS} == {3}


def test_every_path_and_every_field_of_a_body_is_shown():
    text = assets.page("reference").decode()
    for path in DESCRIPTION["paths"]:
        assert f"<code>{path}</code>" in text
    for name in DESCRIPTION["components"]["schemas"]["PaymentCreate"]["properties"]:
        assert f"<code>{name}</code>" in text


def test_an_example_is_a_form_with_brackets():
    text = assets.page("reference").decode()
    assert "--data &#39;payment_details[number]=4111111111111111&#39;" in text
    assert "--user sk_test_...:" in text


def test_no_key_that_could_be_real_is_shown():
    assert not re.search(rb"[sp]k_(test|live)_[A-Za-z0-9]", assets.page("start") + assets.page("reference"))


def test_the_start_page_says_what_runs():
    text = assets.page("start").decode()
    assert f"version {azukari.__version__}" in text
    assert text.count("curl -X POST") == 3


def test_pages_are_made_once_and_not_too_large():
    assert assets.page("start") is assets.page("start")
    assert len(assets.page("start")) < 10_000
    assert len(assets.page("reference")) < 600_000


def test_the_page_headers_are_strict():
    policy = dict(part.strip().split(" ", 1) for part in assets.PAGE_HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in assets.PAGE_HEADERS["Content-Security-Policy"]
    assert assets.PAGE_HEADERS["X-Content-Type-Options"] == "nosniff"
    assert assets.PAGE_HEADERS["X-Frame-Options"] == "DENY"
    assert assets.PAGE_HEADERS["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("openapi.yaml", "application/yaml; charset=utf-8"),
        ("openapi.json", "application/json; charset=utf-8"),
        ("base.css", "text/css; charset=utf-8"),
        ("pages.css", "text/css; charset=utf-8"),
        ("reference.js", "text/javascript; charset=utf-8"),
    ],
)
def test_a_static_file_comes_as_it_is(name, media_type):
    assert assets.static_file(name) == ((ROOT / "src/azukari/static" / name).read_bytes(), media_type)


@pytest.mark.parametrize("name", ["", ".", "..", "../__init__.py", "/etc/passwd", "pages.css/", "PAGES.CSS", "a\x00b"])
def test_no_other_name_reaches_the_disk(name):
    assert assets.static_file(name) is None
