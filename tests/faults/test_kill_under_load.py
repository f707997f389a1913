"""kill -9 at random moments while many charges are in flight (a small REL-1)."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from azukari.core.clock import MINUTE
from tests.faults.sites import PATIENCE_SECONDS, Site, kill
from tests.faults.truth import OPEN_ATTEMPTS, hold_against_book
from tests.house import Api, card

ROUNDS = 10
AT_ONCE = 50
#: Milliseconds the bank takes for each charge.
DELAYS = (0, 5, 20, 60)


@dataclass
class Till:
    """A shop at its busiest: every order has its own key and is sent until it is answered.

    answers: what was acknowledged, by key. stop_after: how many answers the server still gives before it is killed.
    """

    site: Site
    chance: random.Random
    sources: list[dict[str, Any]] = field(default_factory=list)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, httpx.Response] = field(default_factory=dict)

    async def sell_until_killed(self) -> None:
        """One life of the server."""
        self.site.ahead += MINUTE
        left = self.chance.randrange(5, 50)
        async with self.site.serving(worker=True) as api:
            sellers = [asyncio.ensure_future(self._sell(api)) for _ in range(AT_ONCE)]
            target = len(self.answers) + left
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(self.answers) < target:
                    await asyncio.sleep(0.001)
            await kill(self.site.pid)
            await asyncio.gather(*sellers)

    async def _sell(self, api: Api) -> None:
        while True:
            key = f"order-{len(self.orders)}"
            self.orders[key] = {"json": self._order(), "headers": self._headers(key)}
            try:
                self.answers[key] = await api.post("/payments", **self.orders[key])
            except httpx.TransportError:
                return

    def _order(self) -> dict[str, Any]:
        return {"amount": self.chance.randrange(100, 9_000), "currency": "JPY", **self.chance.choice(self.sources)}

    def _headers(self, key: str) -> dict[str, str]:
        return {"X-KOMOJU-IDEMPOTENCY": key, "Azukari-Delay": str(self.chance.choice(DELAYS))}


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_key_has_one_effect_however_often_the_server_is_killed(site: Site, seed: int) -> None:
    till = Till(site, random.Random(seed))
    async with site.serving() as api:
        till.sources = [{"customer": await api.customer()} for _ in range(4)]
        till.sources.append({"payment_details": card(verification_value="123")})

    for _ in range(ROUNDS // 2):
        await till.sell_until_killed()
    site.ahead += MINUTE
    async with site.serving(worker=True) as api:
        await site.until_none(OPEN_ATTEMPTS)
        await hold_against_book(site.rows, site.settings.data)
        replayed = await _send_all_again(api, till)

    assert {reply.status_code for reply in till.answers.values()} == {200}
    for key, answer in till.answers.items():
        assert (replayed[key].status_code, replayed[key].content) == (answer.status_code, answer.content)
    await _one_effect_for_each(site, replayed)


async def _send_all_again(api: Api, till: Till) -> dict[str, httpx.Response]:
    """The answer of every key, given again: those that never came to be charged are charged now."""
    answers: dict[str, httpx.Response] = {}

    async def send(keys: list[str]) -> None:
        for key in keys:
            answers[key] = await api.post("/payments", **till.orders[key])

    keys = list(till.orders)
    await asyncio.gather(*(send(keys[start::AT_ONCE]) for start in range(AT_ONCE)))
    return answers


async def _one_effect_for_each(site: Site, answers: dict[str, httpx.Response]) -> None:
    book = await hold_against_book(site.rows, site.settings.data)
    refs = await site.rows.all("SELECT ref, idempotency_key FROM attempts WHERE kind = 'sale'")
    effects = Counter(row["idempotency_key"] for row in refs if book.approved(row["ref"]))
    assert {reply.status_code for reply in answers.values()} <= {200, 504}
    served = [key for key, reply in answers.items() if reply.status_code == 200]
    assert effects == Counter([await site.stored_key(key) for key in served])
    assert len(refs) == len(answers)
