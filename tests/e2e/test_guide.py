"""The pages of docs/fields.md, copied out of it and run: only addresses, keys and sessions are put in."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.cards import VISA
from tests.commands import answers, free_port, wait_for
from tests.e2e.serving import Shop, Site
from tests.e2e.shopfront import fill_card, new_session
from tests.e2e.watching import Watch
from tests.house import Api

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "node_modules"
GUIDE = (ROOT / "docs/fields.md").read_text(encoding="utf-8")
#: React's files are CommonJS; what a bundler does with them, in few lines.
FILES = {
    "scheduler": "scheduler/cjs/scheduler.production.js", "react": "react/cjs/react.production.js",
    "react-dom": "react-dom/cjs/react-dom.production.js",
    "react-dom-client": "react-dom/cjs/react-dom-client.production.js",
}  # fmt: skip


def sample(language: str, server: Site, session: str = "") -> str:
    """The only code of a language in the guide that is a page or a program."""
    (found,) = (code for code in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL) if code.count("\n") > 5)
    return (
        str(found)
        .replace("http://127.0.0.1:8420", server.url)
        .replace("pk_test_xxx", server.publishable_key)
        .replace("SESSION_ID", session)
    )


def mounted(shop: Shop, code: str, imports: dict[str, str]) -> str:
    """A page of the shop's with a script of its own in it."""
    shop.show("/checkout.js", code, "text/javascript")
    return shop.show(
        "/pay",
        f'<script type="importmap">{json.dumps({"imports": imports})}</script><h1>Shop</h1><div id="checkout"></div>'
        '<script type="module" src="/checkout.js"></script>',
    )


def react(shop: Shop) -> dict[str, str]:
    """React as modules of the shop's."""
    wrapped = ",".join(
        f'"{name}": (module, exports, require) => {{{(MODULES / file).read_text(encoding="utf-8")}}}'
        for name, file in FILES.items()
    )
    shop.show(
        "/react-all.js",
        f"const files = {{{wrapped}}}, done = {{}};\n"
        "export const load = (name) => { if (!done[name]) { const module = done[name] = { exports: {} };"
        " files[name](module, module.exports, load); } return done[name].exports; };",
        "text/javascript",
    )
    shop.show(
        "/react.js",
        'import { load } from "/react-all.js";\n'
        'export const { createElement, useEffect, useRef, useState } = load("react");',
        "text/javascript",
    )
    shop.show(
        "/react-dom.js",
        'import { load } from "/react-all.js"; export const { createRoot } = load("react-dom-client");',
        "text/javascript",
    )
    return {"react": "/react.js", "react-dom/client": "/react-dom.js"}


def vue(shop: Shop) -> dict[str, str]:
    """Vue as a module of the shop's."""
    code = (MODULES / "vue/dist/vue.runtime.esm-browser.prod.js").read_text(encoding="utf-8")
    shop.show("/vue.js", code, "text/javascript")
    return {"vue": "/vue.js"}


async def pays(page: Page, api: Api, shop: Shop, session: str) -> None:
    await fill_card(page)
    await page.get_by_role("button", name="Pay", exact=True).click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert shop.visits_to("/thanks")[-1].query["session_id"] == session
    assert (await api.get(f"/sessions/{session}")).json()["payment"]["status"] == "captured"


async def test_the_page_in_plain_html(page: Page, server: Site, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await page.goto(shop.show("/pay", sample("html", server, session)))
    await expect(page.get_by_role("radio", name="Credit or debit card")).to_be_checked()
    await pays(page, api, shop, session)


@pytest.mark.parametrize(("language", "framework"), [("jsx", react), ("js", vue)], ids=["react", "vue"])
async def test_the_page_in_a_framework(
    page: Page, server: Site, api: Api, shop: Shop, watch: Watch, language: str, framework: object
) -> None:
    session = await new_session(api, shop)
    assert callable(framework)
    await page.goto(mounted(shop, sample(language, server, session), framework(shop)))
    watch.expect("did not load: .*/fields/pay: 502")
    await fill_card(page, "4123111111111059")
    await page.get_by_role("button", name="Pay", exact=True).click()
    await expect(page.locator("#checkout [role=status]")).to_have_text("card_declined")

    await page.frame_locator("komoju-fields iframe").locator("#number").fill(VISA)
    await page.get_by_role("button", name="Pay", exact=True).click()

    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert (await api.get(f"/sessions/{session}")).json()["payment"]["status"] == "captured"


@pytest.fixture
def backend(server: Site, tmp_path: Path) -> Iterator[str]:
    """The guide's Python backend, run as its own process; its address."""
    (tmp_path / "shop.py").write_text(sample("python", server), encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "shop", "run", "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {
            "PAYMENTS": server.url,
            "SECRET_KEY": server.secret_key,
            "PUBLISHABLE_KEY": server.publishable_key,
        },
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/"), process)
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait(60)


async def test_the_python_backend(page: Page, backend: str, watch: Watch) -> None:
    watch.allow(backend)
    await page.goto(backend)
    await fill_card(page)

    await page.get_by_role("button", name="Save").click()

    await expect(page.get_by_role("heading", name="captured")).to_be_visible()
