"""An installation whose live keys charge at KOMOJU."""

from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from azukari.core.config import Settings
from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.merchants import keys, store
from azukari.processors.registry import GROUP
from azukari.testing.handle import Azukari
from azukari.vault import Filled, Reply
from tests.processors.komoju.far import Road
from tests.processors.komoju.front import Front
from tests.processors.planted import live, plant, with_key_elsewhere


@pytest.fixture
async def front(
    settings: Settings, azukari: Azukari, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front]:
    """KOMOJU is named and has an account of the merchant's; requests to its host arrive at the far side."""
    road = Road(azukari.url)

    async def send(_: object, request: Filled) -> Reply:
        assert request.url.startswith("https://komoju.com/")
        return await road.send(request)

    monkeypatch.setattr("azukari.vault.inside.http.HttpTransport.send", send)
    if "komoju" not in entry_points(group=GROUP).names:  # this repository was installed before it had one
        (tmp_path / "site").mkdir()
        plant(tmp_path / "site", "komoju", target="azukari.processors.komoju:build")
        monkeypatch.syspath_prepend(tmp_path / "site")
    async with live(with_key_elsewhere(settings, tmp_path), "komoju") as (house, api):
        merchant = (await house.services.db.read(store.list_merchants))[0].id
        front = Front(house, api, azukari, road, Owner(merchant, keys.LIVE))
        secrets = {"secret_key": Secret(azukari.secret_key)}
        await house.services.accounts.add(front.owner, "main", "komoju", secrets, {}, "a test")
        yield front
