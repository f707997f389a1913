"""The far side of the KOMOJU adapter: a second Azukari in test mode, in a process of its own."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from azukari.core.secret import Secret
from azukari.processors.account import AccountUse
from azukari.processors.base import Kind, Processor, ProcessorRequest
from azukari.processors.komoju.processor import HOST, SECRET_KEY, Komoju
from azukari.testing.handle import Azukari
from azukari.vault import AccountKey, Filled, PaymentDetails, Reply, RequestNotSent, Vault
from azukari.wiring import key_provider
from tests.compat.contract import Contract
from tests.house import House, card
from tests.processors.contract import NOW, OWNER

#: Hosts on the way to which requests are lost, or the replies to what would charge.
DOWN, LOSSY = "down.komoju.test", "lossy.komoju.test"
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
#: What may go wrong on the way of a POST: before the far side has it, and after it has done it.
BEFORE = ("down", "lost_request", "busy", "locked_out", "maintenance")
AFTER = ("lost_reply", "slow", "broken", "html", "cut", "twice")


@dataclass
class Road:
    """Carries requests to the far side, and holds each of them and its reply against the API's description.

    fault: what goes wrong with each POST.
    """

    url: str
    fault: str | None = None
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def send(self, request: Filled) -> Reply:
        path = request.url.split("/", 3)[3]
        self.asked.append((request.method, path, request.body))
        Contract.load().check_request(request.method, f"/{path}", request.body)
        fault = self.fault if request.method == "POST" else None
        if fault in BEFORE:
            return _lost(fault)
        reply = await self._carry(request, path)
        if fault == "twice":
            reply = await self._carry(request, path)
        return reply if fault is None else _spoilt(fault, reply)

    async def _carry(self, request: Filled, path: str) -> Reply:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            url = f"{self.url}/{path}"
            reply = await client.request(request.method, url, headers=dict(request.headers), content=request.body)
        Contract.load().check(request.method, f"/{path}", reply.status_code, reply.content)
        return Reply(reply.status_code, dict(reply.headers), reply.content)


def _lost(fault: str) -> Reply:
    if fault == "down":
        raise RequestNotSent
    if fault == "lost_request":
        raise ConnectionResetError
    return Reply({"busy": 429, "locked_out": 401, "maintenance": 503}[fault], {}, HTML)


def _spoilt(fault: str, reply: Reply) -> Reply:
    if fault in ("lost_reply", "slow"):
        raise ConnectionResetError if fault == "lost_reply" else TimeoutError
    if fault == "broken":
        return Reply(500, {}, b'{"error":{"code":"internal_server_error","message":"","param":null,"details":null}}')
    if fault == "html":
        return Reply(502, {}, HTML)
    return Reply(reply.status, reply.headers, reply.body[:100]) if fault == "cut" else reply


@dataclass
class Stand:
    """The adapter, its account, and the far side's own books."""

    processor: Processor
    vault: Vault
    far: Azukari
    road: Road
    account: AccountUse | None
    house: House
    good: str = "4111111111111111"
    bad: str = "4123111111111059"

    async def account_with(self, secret_key: str) -> AccountUse:
        """Another account, with a key of its own."""
        return await _account(self.vault, self.house, secret_key)

    def unreachable(self, order: ProcessorRequest) -> ProcessorRequest:
        return _by(order, DOWN)

    def unanswered(self, order: ProcessorRequest) -> ProcessorRequest:
        return _by(order, LOSSY)

    async def let_time_pass(self) -> None:
        """What the far side has taken, it shows at once."""

    def stands(self, ref: str) -> bool:
        return any(payment["status"] in ("captured", "authorized") for payment in self.payments(ref))

    def payments(self, ref: str) -> list[dict[str, Any]]:
        """What the far side has of a ref, failed ones too."""
        found: list[dict[str, Any]] = self.far.client.get("/payments", params={"external_order_num": ref}).json()[
            "data"
        ]
        return found

    def payment(self, payment_id: str) -> dict[str, Any]:
        """One of the far side's payments."""
        found: dict[str, Any] = self.far.client.get(f"/payments/{payment_id}").json()
        return found

    def order(
        self, ref: str, kind: Kind = "sale", *, amount: int = 1000, number: str = "", parent: str | None = None
    ) -> ProcessorRequest:
        """A request, with a card where its kind needs one."""
        use = None
        if kind in ("sale", "authorize"):
            use = self.vault.grant_unsaved(OWNER, PaymentDetails.parse(card(number or self.good), now=NOW))
            use.note()
        return ProcessorRequest(OWNER, ref.ljust(32, "0"), kind, amount, "JPY", parent, use, account=self.account)


def _by(order: ProcessorRequest, host: str) -> ProcessorRequest:
    assert order.account is not None
    return msgspec.structs.replace(order, account=msgspec.structs.replace(order.account, host=host))


async def stand_of(house: House, far: Azukari) -> Stand:
    """A vault of its own, whose hosts are this far side alone."""
    services = house.services
    vault = Vault(
        main=services.stores.main,
        keys=services.stores.keys,
        sad=services.stores.sad,
        provider=key_provider(services.settings),
        clock=house.clock,
        ids=services.ids,
    )
    await vault.open()
    road = Road(far.url)
    vault.allow(HOST, road)
    vault.allow(DOWN, Road(far.url, "down"))
    vault.allow(LOSSY, _Lossy(far.url))
    return Stand(Komoju(vault, house.clock), vault, far, road, await _account(vault, house, far.secret_key), house)


async def _account(vault: Vault, house: House, secret_key: str) -> AccountUse:
    sealed = await vault.seal_account(OWNER, {SECRET_KEY: Secret(secret_key)})
    await house.services.db.write(vault.add, OWNER, sealed, house.clock.now())
    return AccountUse(OWNER, "account", HOST, AccountKey(OWNER, sealed.id))


class _Lossy(Road):
    """A road on which the replies to what would charge are lost, and no other."""

    async def send(self, request: Filled) -> Reply:
        reply = await super().send(request)
        if request.method == "POST" and request.url.endswith("/payments"):
            raise ConnectionResetError
        return reply
