"""The servers that browser tests meet."""

import json

import pytest
from playwright.async_api import Error, Page, expect

from tests.e2e.serving import Shop, Site
from tests.e2e.watching import Watch
from tests.house import ON_BOTH, Api


@pytest.mark.parametrize("own_server", ON_BOTH, indirect=True)
async def test_a_killed_server_comes_back_where_it_was(page: Page, own_server: Site, watch: Watch) -> None:
    watch.expect("net::ERR_CONNECTION_REFUSED")
    async with own_server.api() as api:
        customer = await api.customer()
    own_server.kill()
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        await page.goto(own_server.url)

    own_server.start()

    await page.goto(own_server.url)
    await expect(page.locator("h1")).to_have_text("Azukari")
    async with own_server.api() as api:
        assert (await api.charge(customer)).json()["status"] == "captured"


@pytest.mark.parametrize("server", ON_BOTH, indirect=True)
async def test_the_api_answers_beside_the_page(page: Page, server: Site, api: Api) -> None:
    await page.goto("/")

    assert (await api.charge(await api.customer())).json()["status"] == "captured"
    assert len(json.loads(server.command("merchants", "list", "--json"))) == 1


async def test_the_shop_notes_who_comes(page: Page, shop: Shop) -> None:
    await page.goto(f"{shop.thanks}?session_id=s1&empty=")

    assert [(visit.method, visit.path, visit.query) for visit in shop.visits_to("/thanks")] == [
        ("GET", "/thanks", {"session_id": "s1", "empty": ""})
    ]
