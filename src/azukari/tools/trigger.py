"""``azukari trigger``: makes an event happen, with real test objects and through the API alone.

A recipe is the requests that lead to an event, each with a name; ``--set`` changes what the first of them sends, or
with its name in front any other. Everything a recipe makes carries a mark in its metadata, by which the events that
came of it are told from others.
"""

import asyncio
import difflib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from rich.text import Text

from azukari.tools import screen as on
from azukari.tools.screen import Screen, Seen
from azukari.tools.server import Away, Numbered, Reply, Server, ToolError, not_running

#: How long to look for the event.
SECONDS = 15
_LOOK_SECONDS = 5
_MARK = "azukari_trigger"
_DECLINES = "Komoju-Scenario"
_DECLINED = "insufficient_funds"

Form = dict[str, str]

_CARD: Form = {
    "payment_details.type": "credit_card", "payment_details.number": "4111111111111111",
    "payment_details.month": "12", "payment_details.year": "2099", "payment_details.verification_value": "123",
    "payment_details.name": "Taro Yamada",
}  # fmt: skip
#: For customers: what is charged later has no code.
_CARD_TO_KEEP: Form = {name: value for name, value in _CARD.items() if not name.endswith("verification_value")}
#: Charges in which a card that is good this month expires, also of a weekly subscription.
_MOST_CHARGES = 6
_KONBINI: Form = {
    "payment_details.type": "konbini", "payment_details.store": "seven-eleven",
    "payment_details.email": "taro@shop.example", "payment_details.name": "Taro Yamada",
}  # fmt: skip
_PRICE: Form = {"amount": "1000", "currency": "JPY"}
_MONTHLY: Form = {**_PRICE, "period": "monthly"}


class Wish(NamedTuple):
    """What was asked for. changes: ``path=value``, the path with dots and maybe a request's name in front."""

    type: str
    customer: str | None = None
    changes: Sequence[str] = ()


class Recipe(NamedTuple):
    """How an event is made. requests: names, the one first that changes go to. customer: whether one may be named."""

    make: Callable[["Kitchen"], Awaitable[None]]
    requests: tuple[str, ...]
    customer: bool
    says: str


class Kitchen:
    """One recipe's requests. made: ids of what came of them, by resource, the latest last."""

    def __init__(self, server: Server, wish: Wish, changes: Mapping[str, Form]) -> None:
        self._server = server
        self._changes = changes
        self.type = wish.type
        self.customer = wish.customer
        self.mark = secrets.token_hex(8)
        self.made: list[str] = []

    async def send(
        self,
        name: str,
        method: str,
        path: str,
        form: Form,
        *,
        makes: bool = False,
        declined: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request, changed as was asked. makes: something new. declined: an error is what we want.

        Raises ToolError: the server refused it.
        """
        marked = {**form, f"metadata.{_MARK}": self.mark} if makes else form
        changed = _changed(marked, self._changes.get(name, {}))
        reply = await self._ask(method, path, {_bracketed(each): value for each, value in changed.items()}, headers)
        if not reply.well:
            if declined:
                return {}
            raise ToolError(f"The server refused {method} {path}: {reply.in_words}.")
        answer: dict[str, Any] = msgspec.json.decode(reply.body)
        if isinstance(answer.get("id"), str):
            self.made.append(answer["id"])
        return answer

    async def _ask(self, method: str, path: str, form: Form, headers: Mapping[str, str] | None) -> Reply:
        try:
            return await self._server.ask(method, path, form=form or None, headers=headers)
        except Away:
            raise not_running(self._server.place) from None

    async def get(self, path: str) -> Any:
        """Look something up."""
        reply = await self._ask("GET", path, {}, None)
        if not reply.well:
            raise ToolError(f"The server refused GET {path}: {reply.in_words}.")
        return msgspec.json.decode(reply.body)

    async def pay(self, form: Form, **more: Any) -> dict[str, Any]:
        """A payment with the customer that was named, or with a card."""
        by = _CARD if self.customer is None else {"customer": self.customer}
        return await self.send("payment", "POST", "/payments", {**_PRICE, **by, **form}, makes=True, **more)

    async def keep(self, card: Form | None = None) -> str:
        """The id of the customer that was named, or of a new one with a card. card: what is different about it."""
        if self.customer is not None:
            return self.customer
        made = await self.send("customer", "POST", "/customers", {**_CARD_TO_KEEP, **(card or {})}, makes=True)
        return str(made["id"])

    async def subscribe(self, customer: str | None = None, **more: Any) -> dict[str, Any]:
        """A monthly subscription."""
        form = {**_MONTHLY, "customer": customer or await self.keep()}
        return await self.send("subscription", "POST", "/subscriptions", form, makes=True, **more)


def _bracketed(path: str) -> str:
    """``a.b`` as forms write it: ``a[b]``."""
    first, *rest = path.split(".")
    return first + "".join(f"[{each}]" for each in rest)


def _changed(form: Form, changes: Form) -> Form:
    """A form with other values; what they stand in place of goes."""
    kept = dict(form)
    for path in changes:
        for each in list(kept):
            if each == path or each.startswith(f"{path}.") or _replaces(path, changes[path], each, form):
                del kept[each]
    return kept | changes


def _replaces(path: str, value: str, other: str, form: Form) -> bool:
    """Another way to pay takes the place of all of ours."""
    if path == "payment_details.type":
        return other.startswith("payment_details.") and form.get(path) != value
    return (path == "customer" and other.startswith("payment_details.")) or (
        path.startswith("payment_details") and other == "customer"
    )


# The recipes


async def _captured(kitchen: Kitchen) -> None:
    await kitchen.pay({})


async def _authorized(kitchen: Kitchen) -> None:
    await kitchen.pay({"capture": "false"})


async def _failed(kitchen: Kitchen) -> None:
    await kitchen.pay({}, declined=True, headers={_DECLINES: _DECLINED})


async def _cancelled(kitchen: Kitchen) -> None:
    payment = await kitchen.pay({"capture": "false"})
    await kitchen.send("cancel", "POST", f"/payments/{payment['id']}/cancel", {})


async def _refunded(kitchen: Kitchen) -> None:
    payment = await kitchen.pay({})
    await kitchen.send("refund", "POST", f"/payments/{payment['id']}/refund", {})


async def _partly_refunded(kitchen: Kitchen) -> None:
    payment = await kitchen.pay({})
    part = {"amount": str(max(payment["total"] // 2, 1))}
    await kitchen.send("refund", "POST", f"/payments/{payment['id']}/refund", part)


async def _updated(kitchen: Kitchen) -> None:
    payment = await kitchen.pay({})
    await kitchen.send("update", "PATCH", f"/payments/{payment['id']}", {"description": "Changed by azukari trigger"})


async def _expired(kitchen: Kitchen) -> None:
    payment = await kitchen.send("payment", "POST", "/payments", {**_PRICE, **_KONBINI}, makes=True)
    await kitchen.send("simulate", "POST", f"/test/payments/{payment['id']}/simulate", {"outcome": "expired"})


async def _customer_created(kitchen: Kitchen) -> None:
    await kitchen.keep()


async def _customer_updated(kitchen: Kitchen) -> None:
    customer = await kitchen.keep()
    await kitchen.send("update", "PATCH", f"/customers/{customer}", {"email": f"{kitchen.mark}@shop.example"})


async def _customer_deleted(kitchen: Kitchen) -> None:
    customer = await kitchen.keep()
    await kitchen.send("delete", "DELETE", f"/customers/{customer}", {})


async def _ping(kitchen: Kitchen) -> None:
    endpoints = (await kitchen.get("/webhook_endpoints?per_page=100"))["data"]
    active = [each["id"] for each in endpoints if each["active"]]
    if not active:
        raise ToolError(
            "A ping goes to a webhook endpoint, and there is none that is switched on. Make one with "
            "`azukari webhooks add`."
        )
    for each in active:
        await kitchen.send("ping", "POST", f"/webhook_endpoints/{each}/ping", {})


async def _subscribed(kitchen: Kitchen) -> None:
    await kitchen.subscribe()


async def _subscription_failed(kitchen: Kitchen) -> None:
    await kitchen.subscribe(declined=True, headers={_DECLINES: _DECLINED})


async def _subscription_suspended(kitchen: Kitchen) -> None:
    clock = await kitchen.get("/test/clock")
    year, month, _ = clock["now"].split("-")
    last = {"payment_details.year": year, "payment_details.month": month}
    subscription = await kitchen.subscribe(await kitchen.keep(last))
    path = f"/subscriptions/{subscription['id']}"
    try:
        for _ in range(_MOST_CHARGES):
            await kitchen.send("", "POST", "/test/clock", {"now": subscription["next_capture_at"]})
            subscription = await kitchen.get(path)
            if subscription["status"] == "suspended":
                break
    finally:
        back = {"reset": "true"} if clock["real"] else {"now": clock["now"]}
        await kitchen.send("", "POST", "/test/clock", back)


async def _subscription_deleted(kitchen: Kitchen) -> None:
    subscription = await kitchen.subscribe()
    await kitchen.send("delete", "DELETE", f"/subscriptions/{subscription['id']}", {})


RECIPES: Mapping[str, Recipe] = {
    "payment.captured": Recipe(_captured, ("payment",), True, "a payment by card"),
    "payment.authorized": Recipe(_authorized, ("payment",), True, "a payment by card, not captured"),
    "payment.failed": Recipe(_failed, ("payment",), True, "a payment that the bank declines"),
    "payment.cancelled": Recipe(_cancelled, ("payment",), True, "an authorised payment, cancelled"),
    "payment.updated": Recipe(_updated, ("update", "payment"), True, "a payment, then another description"),
    "payment.expired": Recipe(_expired, ("payment",), False, "a konbini payment that nobody pays"),
    "payment.refund.created": Recipe(_partly_refunded, ("payment", "refund"), True, "a payment, half of it refunded"),
    "payment.refunded": Recipe(_refunded, ("payment", "refund"), True, "a payment, refunded"),
    "customer.created": Recipe(_customer_created, ("customer",), False, "a customer with a card"),
    "customer.updated": Recipe(_customer_updated, ("update", "customer"), True, "a customer, then another address"),
    "customer.deleted": Recipe(_customer_deleted, ("customer",), True, "a customer, deleted"),
    "subscription.created": Recipe(_subscribed, ("subscription", "customer"), True, "a monthly subscription"),
    "subscription.captured": Recipe(_subscribed, ("subscription", "customer"), True, "its first charge"),
    "subscription.failed": Recipe(
        _subscription_failed, ("subscription", "customer"), True, "a first charge that the bank declines"
    ),
    "subscription.suspended": Recipe(
        _subscription_suspended, ("subscription", "customer"), False,
        "one whose card expires; the test clock goes on a month for it, and back",
    ),
    "subscription.deleted": Recipe(
        _subscription_deleted, ("subscription", "customer"), True, "a subscription, ended"
    ),
    "ping": Recipe(_ping, (), False, "a ping to each webhook endpoint"),
}  # fmt: skip


# The command


def check(wish: Wish) -> tuple[Recipe, Mapping[str, Form]]:
    """How it is made, and what is changed of that. Raises ToolError."""
    recipe = _recipe(wish)
    return recipe, _read_changes(recipe, wish)


async def trigger(server: Server, wish: Wish, screen: Screen) -> None:
    """Make an event happen and show what came of it. Raises ToolError."""
    recipe, changes = check(wish)
    since = await server.first_contact()
    kitchen = Kitchen(server, wish, changes)
    await recipe.make(kitchen)
    try:
        async with asyncio.timeout(SECONDS):
            found = await _came_of_it(server, since, kitchen)
    except TimeoutError:
        raise ToolError(
            f"All requests were answered, but {wish.type} has not come in {SECONDS} seconds. "
            "A server run with AZUKARI_WORKER=0 needs `azukari worker` beside it."
        ) from None
    except Away:
        raise not_running(server.place) from None
    _show(wish, kitchen, found, screen)


def _recipe(wish: Wish) -> Recipe:
    recipe = RECIPES.get(wish.type)
    if recipe is None:
        near = difflib.get_close_matches(wish.type, RECIPES, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ToolError(f"This is no event that can be triggered.{meant} There are: {', '.join(RECIPES)}.")
    if wish.customer is not None and not recipe.customer:
        raise ToolError(f"{wish.type} is made without a customer of yours: leave --customer out.")
    return recipe


def _read_changes(recipe: Recipe, wish: Wish) -> dict[str, Form]:
    """By the request they are for. Raises ToolError."""
    changes: dict[str, Form] = {}
    for each in wish.changes:
        path, equals, value = each.partition("=")
        name, colon, rest = path.partition(":")
        if not colon:
            name, rest = next(iter(recipe.requests), ""), path
        if not equals or not rest:
            raise ToolError("--set must look like amount=500, or payment_details.store=lawson, or refund:amount=200.")
        if name not in recipe.requests:
            known = " and ".join(recipe.requests) or "none"
            raise ToolError(f"{wish.type} has no such request to change; it has: {known}.")
        changes.setdefault(name, {})[rest] = value
    return changes


async def _came_of_it(server: Server, since: int, kitchen: Kitchen) -> list[Numbered]:
    """What happened to what we made, oldest first, once the event is among it."""
    found: list[Numbered] = []
    while True:
        page = await server.events(since, _LOOK_SECONDS)
        found, since = found + page.data, page.next
        if any(event.type == kitchen.type for event in _ours(found, kitchen)) and not page.has_more:
            # What was written together with it may have its number a moment later.
            return _ours(found + (await server.events(since, 0)).data, kitchen)


def _ours(found: Sequence[Numbered], kitchen: Kitchen) -> list[Numbered]:
    known = set(kitchen.made)
    read = [(event, msgspec.json.decode(event.data)) for event in found]
    for _, data in read:
        if _is_ours(data, known, kitchen.mark):
            known.add(str(data["id"]))
            known.update(str(each) for each in data.get("payments") or ())
    return [
        event for event, data in read if _is_ours(data, known, kitchen.mark) or event.type == kitchen.type == "ping"
    ]


def _is_ours(data: dict[str, Any], known: set[str], mark: str) -> bool:
    return data.get("id") in known or (data.get("metadata") or {}).get(_MARK) == mark


def _show(wish: Wish, kitchen: Kitchen, found: Sequence[Numbered], screen: Screen) -> None:
    shown = [(event, Seen.of(event)) for event in found]
    wanted = next(seen for _, seen in shown if seen.type == wish.type)
    screen.put_json(
        {
            "type": wish.type,
            "object": wanted.object,
            "events": [
                {
                    "id": seen.id,
                    "type": seen.type,
                    "sequence": event.sequence,
                    "object": seen.object,
                    "amount": seen.amount,
                    "currency": seen.currency,
                }
                for event, seen in shown
            ],
        }
    )
    for event, seen in shown:
        screen.say(on.row(Text(f"{event.sequence}".rjust(6), "dim"), *on.event_cells(seen)))


def list_all(screen: Screen) -> None:
    """What can be triggered."""
    for type, recipe in RECIPES.items():
        fields = {"type": type, "says": recipe.says, "requests": recipe.requests, "customer": recipe.customer}
        requests = Text(", ".join(recipe.requests).ljust(24), "cyan")
        screen.put(on.row(Text(type.ljust(24), "magenta"), requests, Text(recipe.says)), fields)
