"""kill -9 at random moments while shoppers pay sessions by every kind of method, leave, come back and are cancelled."""

import asyncio
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from azukari.core.clock import HOUR, MINUTE
from tests.faults.sites import PATIENCE_SECONDS, Site, kill
from tests.faults.truth import OPEN_ATTEMPTS, hold_against_book
from tests.house import Api, card

KILLS = 6
AT_ONCE = 16
MEANS: tuple[Any, ...] = (
    card(verification_value="123"), card("4123111111111000", verification_value="123"), {"type": "paypay"},
    {"type": "konbini", "store": "seven-eleven", "email": "a@b.test"}, {"type": "linepay"},
    {"type": "web_money", "prepaid_number": "1111111111111111"},
    {"type": "web_money", "prepaid_number": "abcd1234efgh5678"},
)  # fmt: skip


@dataclass
class Mall:
    """Shoppers who do what comes to their minds, until the server dies."""

    site: Site
    chance: random.Random
    sessions: list[str] = field(default_factory=list)
    done: int = 0

    async def shop_until_killed(self) -> None:
        """One life of the server."""
        self.site.ahead += MINUTE
        async with self.site.serving(worker=True) as api:
            target = self.done + self.chance.randrange(20, 90)
            shoppers = [asyncio.ensure_future(self._shop(api)) for _ in range(AT_ONCE)]
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.done < target:
                    await asyncio.sleep(0.001)
            await kill(self.site.pid)
            await asyncio.gather(*shoppers)

    async def _shop(self, api: Api) -> None:
        try:
            while True:
                await self._act(api)
                self.done += 1
        except (httpx.TransportError, KeyError, TypeError):
            return

    async def _act(self, api: Api) -> None:
        mode = self.chance.choice(["payment", "payment", "customer_payment", "customer"])
        order = {"amount": self.chance.choice([1000, 2500]), "currency": "JPY", "mode": mode}
        headers = {"Azukari-Delay": str(self.chance.choice((0, 5, 30)))}
        if mode == "customer":
            order.pop("amount")
        # Sessions of lives before are gone on with.
        if len(self.sessions) > 5 and self.chance.random() < 0.5:
            made = self.chance.choice(self.sessions[-40:])
        else:
            made = (await api.post("/sessions", json=order)).json()["id"]
            self.sessions.append(made)
        body = {"payment_details": self.chance.choice(MEANS)}
        reply = await api.post(f"/sessions/{made}/pay", json=body, headers=headers)
        assert reply.status_code < 500 or reply.json()["error"]["code"] != "internal_server_error", reply.text
        where = reply.json().get("redirect_url") or ""
        what = self.chance.randrange(6)
        base = str(api.base_url).removesuffix("/api/v1/")
        if "/offsite/" in where and what < 4:
            ref = where.rsplit("/", 1)[1]
            csrf = re.search(r'"csrf":"(\w+)"|\b([0-9a-f]{40})\b', (await api.get(f"{base}/offsite/{ref}")).text)
            said = {"csrf": csrf and (csrf[1] or csrf[2]), "decision": self.chance.choice(["approved", "declined"])}
            origin = {"Origin": where.partition("/offsite")[0], "Content-Type": "application/json"}
            await api.post(f"{base}/offsite/{ref}", json=said, headers=origin)
            await api.get(f"{base}/return/{ref}")
        elif what == 4:
            await api.post(f"/sessions/{made}/cancel")
        elif what == 5 and reply.json().get("payment"):
            payment = reply.json()["payment"]["id"]
            outcome = self.chance.choice(["paid", "expired", "failed"])
            await api.post(f"/test/payments/{payment}/simulate", json={"outcome": outcome})
            await api.post(f"/payments/{payment}/{self.chance.choice(['cancel', 'refund'])}", headers=headers)


async def test_a_session_is_paid_once_however_often_the_server_is_killed(site: Site) -> None:
    mall = Mall(site, random.Random(3))
    for _ in range(KILLS):
        await mall.shop_until_killed()
    # So late that every order that waits is asked after: its shopper may have decided as the server died.
    site.ahead += HOUR
    asked = await site.overdue()
    async with site.serving(worker=True) as api:
        await site.until_none(OPEN_ATTEMPTS)
        await site.until_none(asked)
        book = await hold_against_book(site.rows, site.settings.data)
        sessions = [(await api.get(f"/sessions/{made}")).json() for made in mall.sessions]

    taken: Counter[str] = Counter()
    live: Counter[str] = Counter()
    for row in await site.rows.all("SELECT session_id, ref, kind, state FROM attempts WHERE session_id IS NOT NULL"):
        if row["kind"] in ("sale", "authorize", "agree", "verify"):
            taken[row["session_id"]] += book.approved(row["ref"]) and row["state"] == "succeeded"
            # A check that nobody heard the end of moved nothing.
            live[row["session_id"]] += row["state"] == "waiting" or (
                book.approved(row["ref"]) and row["kind"] != "verify"
            )
    assert {times for times in live.values() if times > 1} == set()
    for session in sessions:
        by_cash = (session["payment"] or {}).get("payment_details", {}).get("type") == "konbini"
        if session["status"] == "completed" and not by_cash:
            assert taken[session["id"]] == 1, session
        if session["status"] != "completed":
            assert taken[session["id"]] == 0, session
    assert await site.rows.column("SELECT id FROM sessions WHERE active_attempt IS NOT NULL") == []
