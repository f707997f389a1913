"""Every way through the server that commits or calls: what a crash is tried in."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from azukari.core.clock import DAY, HOUR
from tests.cards import KONBINI, MASTER, PAYPAY
from tests.faults.sites import Site
from tests.faults.truth import OPEN_ATTEMPTS
from tests.house import Api, card
from tests.wallets import agree

#: The bank declines it for want of funds.
POOR = "4123111111111000"
#: Their issuer verifies them at once, and after a challenge.
FRICTIONLESS, CHALLENGED = "4100000000000100", "4100000000005000"


@dataclass
class Scene:
    """One try of a flow: what was prepared for it. acknowledged: answers that must stay true, by their paths."""

    number: int
    site: Site | None = None
    made: dict[str, Any] = field(default_factory=dict)
    acknowledged: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dict[str, str]:
        """The headers of a request with the try's own idempotency key."""
        return {"X-KOMOJU-IDEMPOTENCY": f"try-{self.number}"}

    def keep(self, name: str, reply: httpx.Response) -> Any:
        """Remember an answer that was given."""
        assert reply.status_code == 200, reply.text
        body = reply.json()
        self.made[name] = body["id"]
        if body.get("resource") in ("payment", "customer"):
            self.acknowledged[path_of(body) or ""] = body
        return body


def path_of(body: dict[str, Any]) -> str | None:
    """Where an answer can be read again; a token cannot."""
    if "resource" not in body and "redirect_url" in body:
        return None  # what a session's try came to
    if "secure_token" in body and "resource" not in body:
        return f"/secure_tokens/{body['id']}"
    return None if body["resource"] in ("token", "webhook_replay") else f"/{body['resource']}s/{body['id']}"


Prepare = Callable[[Api, Scene], Awaitable[None]]
Act = Callable[[Api, Scene], Awaitable[httpx.Response]]


async def nothing(api: Api, scene: Scene) -> None:
    """There is nothing to prepare, or to look at."""


@dataclass(frozen=True)
class Flow:
    """prepare: runs undisturbed. act: one request, killed at each of its points; the same again gives the one answer.

    check: what must be true afterwards, besides what must always be. changes: the acknowledged thing itself changes.
    anew: on an installation that nobody has used. again: how a repeat without a key may be answered besides.
    """

    name: str
    act: Act
    prepare: Prepare = nothing
    check: Prepare = nothing
    keyed: bool = True
    changes: bool = False
    anew: bool = False
    status: int = 200
    again: int = 404

    def __str__(self) -> str:
        return self.name


# What is prepared


async def a_customer(api: Api, scene: Scene) -> None:
    scene.keep("customer", await api.post("/customers", json={"payment_details": card(), "email": "a@example.com"}))


async def a_token(api: Api, scene: Scene) -> None:
    scene.made["token"] = await api.token(verification_value="123")


async def a_token_to_verify(api: Api, scene: Scene) -> None:
    scene.made["token"] = await api.token(FRICTIONLESS, verification_value="123")


async def a_secure_token(api: Api, scene: Scene) -> None:
    scene.made["token"] = (await api.secure_token(FRICTIONLESS))["id"]


async def a_poor_token(api: Api, scene: Scene) -> None:
    scene.made["token"] = await api.token(POOR, verification_value="123")


async def a_hold(api: Api, scene: Scene) -> None:
    await a_customer(api, scene)
    scene.keep("payment", await _charge(api, {"customer": scene.made["customer"], "capture": "false"}))


async def a_payment(api: Api, scene: Scene) -> None:
    await a_customer(api, scene)
    scene.keep("payment", await _charge(api, {"customer": scene.made["customer"]}))


async def an_answered_key(api: Api, scene: Scene) -> None:
    scene.keep("token", await make_token(api, scene))


async def a_wallet(api: Api, scene: Scene) -> None:
    assert scene.site is not None
    made = await api.post("/customers", json={"email": "w@example.com"})
    scene.made["customer"] = made.json()["id"]
    async with scene.site.opened() as services:
        await agree(services, (await services.keyring.resolve(api.key, None)).owner, scene.made["customer"])


async def a_revoked_wallet(api: Api, scene: Scene) -> None:
    await a_wallet(api, scene)
    assert (await revoke(api, scene)).status_code == 200


async def a_konbini_payment(api: Api, scene: Scene) -> None:
    scene.keep("payment", await _charge(api, {"payment_details": KONBINI}))


async def a_paid_konbini_payment(api: Api, scene: Scene) -> None:
    await a_konbini_payment(api, scene)
    scene.keep("payment", await pay_at_last(api, scene))


async def a_payment_at_a_wallets_page(api: Api, scene: Scene) -> None:
    scene.keep("payment", await _charge(api, {"payment_details": {"type": "paypay"}}))


async def a_short_payment(api: Api, scene: Scene) -> None:
    order = {"amount": 150_000, "payment_details": _prepaid(f"first{scene.number:011}")}
    assert scene.keep("payment", await _charge(api, order))["status"] == "pending"


def _prepaid(number: str) -> dict[str, str]:
    """A card with ¥100,000 on it, of which nobody has taken anything."""
    return {"type": "web_money", "prepaid_number": number}


async def a_session(api: Api, scene: Scene) -> None:
    scene.made["session"] = await api.session()


async def a_storing_session(api: Api, scene: Scene) -> None:
    """For a customer who has a card already."""
    await a_customer(api, scene)
    scene.made["session"] = await api.session(mode="customer_payment", customer_id=scene.made["customer"])


async def a_storing_session_and_a_token(api: Api, scene: Scene) -> None:
    await a_storing_session(api, scene)
    await a_token(api, scene)


async def a_checking_session(api: Api, scene: Scene) -> None:
    await a_customer(api, scene)
    scene.made["session"] = await api.session(mode="customer", customer_id=scene.made["customer"])


async def a_short_session(api: Api, scene: Scene) -> None:
    scene.made["session"] = await api.session(amount=150_000)
    await _pay_session(api, scene, _prepaid(f"third{scene.number:011}"), {})


async def a_session_at_a_wallets_page(api: Api, scene: Scene) -> None:
    await a_storing_session(api, scene)
    await _pay_session(api, scene, PAYPAY, {})


async def a_session_whose_wallet_is_asked(api: Api, scene: Scene) -> None:
    await a_checking_session(api, scene)
    await _pay_session(api, scene, PAYPAY, {})


async def a_webhook(api: Api, scene: Scene) -> None:
    scene.keep("webhook", await add_webhook(api, scene))


async def a_subscription(api: Api, scene: Scene) -> None:
    await a_customer(api, scene)
    scene.keep("subscription", await subscribe(api, scene))


async def a_webhook_and_an_event(api: Api, scene: Scene) -> None:
    await a_webhook(api, scene)
    assert (await api.post("/customers")).status_code == 200


async def a_rolled_webhook(api: Api, scene: Scene) -> None:
    await a_webhook(api, scene)
    assert (await roll_webhook(api, scene)).status_code == 200


# What is done


async def _charge(api: Api, order: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
    return await api.post("/payments", json={"amount": 1000, "currency": "JPY", **order}, headers=headers)


async def add_customer_with_card(api: Api, scene: Scene) -> httpx.Response:
    details = card(verification_value="123")
    return await api.post("/customers", json={"payment_details": details}, headers=scene.key)


async def add_customer_with_token(api: Api, scene: Scene) -> httpx.Response:
    return await api.post("/customers", json={"payment_details": scene.made["token"]}, headers=scene.key)


async def add_bare_customer(api: Api, scene: Scene) -> httpx.Response:
    return await api.post("/customers", json={"email": "b@example.com"}, headers=scene.key)


async def replace_card(api: Api, scene: Scene) -> httpx.Response:
    return await api.patch(f"/customers/{scene.made['customer']}", json={"payment_details": card(MASTER)})


async def rename_customer(api: Api, scene: Scene) -> httpx.Response:
    return await api.patch(f"/customers/{scene.made['customer']}", json={"email": "c@example.com"})


async def delete_customer(api: Api, scene: Scene) -> httpx.Response:
    return await api.delete(f"/customers/{scene.made['customer']}")


async def make_token(api: Api, scene: Scene) -> httpx.Response:
    details = card(verification_value="123")
    return await api.post("/tokens", json={"payment_details": details}, headers=scene.key)


async def verify_card(api: Api, scene: Scene) -> httpx.Response:
    return await _verify(api, scene, {"payment_details": card(FRICTIONLESS, verification_value="123")})


async def challenge_card(api: Api, scene: Scene) -> httpx.Response:
    return await _verify(api, scene, {"payment_details": card(CHALLENGED, verification_value="123")})


async def verify_token(api: Api, scene: Scene) -> httpx.Response:
    return await _verify(api, scene, {"payment_details": scene.made["token"]})


async def verify_customer(api: Api, scene: Scene) -> httpx.Response:
    return await _verify(api, scene, {"customer": scene.made["customer"]})


async def _verify(api: Api, scene: Scene, source: dict[str, Any]) -> httpx.Response:
    order = {"amount": 1000, "currency": "JPY", "return_url": "https://shop.example", **source}
    return await api.post("/secure_tokens", json=order, headers=scene.key)


async def charge_customer(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"customer": scene.made["customer"]}, scene.key)


async def charge_customer_without_key(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"customer": scene.made["customer"]})


async def charge_token(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"payment_details": scene.made["token"]}, scene.key)


async def charge_card(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"payment_details": card(verification_value="123")}, scene.key)


async def charge_poor_card(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"payment_details": card(POOR, verification_value="123")}, scene.key)


async def authorize(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"customer": scene.made["customer"], "capture": "false"}, scene.key)


async def begin_konbini(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"payment_details": KONBINI}, scene.key)


async def begin_at_a_wallets_page(api: Api, scene: Scene) -> httpx.Response:
    return await _charge(api, {"payment_details": {"type": "paypay"}}, scene.key)


async def begin_short(api: Api, scene: Scene) -> httpx.Response:
    order = {"amount": 150_000, "payment_details": _prepaid(f"other{scene.number:011}")}
    return await _charge(api, order, scene.key)


async def top_up(api: Api, scene: Scene) -> httpx.Response:
    body = {"payment_details": _prepaid(f"second{scene.number:010}")}
    return await api.patch(f"/payments/{scene.made['payment']}", json=body)


async def pay_at_last(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/test/payments/{scene.made['payment']}/simulate", json={"outcome": "paid"})


async def let_lapse(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/test/payments/{scene.made['payment']}/simulate", json={"outcome": "expired"})


async def request_refund(api: Api, scene: Scene) -> httpx.Response:
    account = {
        "amount": 500, "customer_name": "ヤマダ タロウ", "bank_name": "テスト銀行", "branch_number": "001",
        "account_type": "normal", "account_number": "1234567", "include_payment_method_fee": True,
    }  # fmt: skip
    path = f"/payments/{scene.made['payment']}/refund_request"
    return await api.post(path, json=account, headers=scene.key)


async def a_request_to_refund(api: Api, scene: Scene) -> None:
    await a_paid_konbini_payment(api, scene)
    payment = scene.keep("payment", await request_refund(api, scene))
    scene.made["request"] = payment["refund_requests"][0]["id"]


async def transfer(api: Api, scene: Scene) -> httpx.Response:
    path = f"/test/refund_requests/{scene.made['request']}/simulate"
    return await api.post(path, json={"outcome": "completed"})


TERMINAL = {"type": "credit_card_terminal", "track2": "4111111111111111=991220112345", "flowType": "1"}


async def a_payment_at_a_terminal(api: Api, scene: Scene) -> None:
    scene.keep("payment", await _charge(api, {"payment_details": TERMINAL}))


async def finalize(api: Api, scene: Scene) -> httpx.Response:
    body = {"ac_type": "TC", "track2": TERMINAL["track2"], "field55": "9F02060000000010009F2701409F260812345678"}
    return await api.post(f"/payments/{scene.made['payment']}/finalize", json=body, headers=scene.key)


async def revoke(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/test/customers/{scene.made['customer']}/revoke")


async def make_konbini_token(api: Api, scene: Scene) -> httpx.Response:
    return await api.post("/tokens", json={"payment_details": KONBINI}, headers=scene.key)


async def make_session(api: Api, scene: Scene) -> httpx.Response:
    order = {"amount": 1000, "currency": "JPY", "metadata": {"a": "4242 4242 4242 4242"}}
    return await api.post("/sessions", json=order, headers=scene.key)


async def make_storing_session(api: Api, scene: Scene) -> httpx.Response:
    order = {"mode": "customer", "payment_data": {"external_order_num": f"A-{scene.number}"}}
    return await api.post("/sessions", json=order, headers=scene.key)


async def _pay_session(api: Api, scene: Scene, details: Any, headers: dict[str, str]) -> httpx.Response:
    body = {"payment_details": details}
    return await api.post(f"/sessions/{scene.made['session']}/pay", json=body, headers=headers)


async def pay_session(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, card(MASTER, verification_value="123"), scene.key)


async def top_up_session(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, _prepaid(f"fourth{scene.number:010}"), scene.key)


async def pay_session_without_key(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, card(MASTER, verification_value="123"), {})


async def pay_session_with_token(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, scene.made["token"], scene.key)


async def pay_session_with_poor_card(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, card(POOR, verification_value="123"), scene.key)


async def pay_session_by_wallet(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, PAYPAY, scene.key)


async def pay_session_by_konbini(api: Api, scene: Scene) -> httpx.Response:
    return await _pay_session(api, scene, KONBINI, scene.key)


async def cancel_session(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/sessions/{scene.made['session']}/cancel", headers=scene.key)


async def capture(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/payments/{scene.made['payment']}/capture", headers=scene.key)


async def capture_a_part(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/payments/{scene.made['payment']}/capture", json={"amount": 400}, headers=scene.key)


async def refund_a_part(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/payments/{scene.made['payment']}/refund", json={"amount": 300}, headers=scene.key)


async def cancel(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/payments/{scene.made['payment']}/cancel", headers=scene.key)


async def describe_payment(api: Api, scene: Scene) -> httpx.Response:
    return await api.patch(f"/payments/{scene.made['payment']}", json={"description": "card 4111 1111 1111 1111?"})


async def subscribe(api: Api, scene: Scene) -> httpx.Response:
    return await _subscribe(api, scene.made["customer"], scene.key)


async def _subscribe(api: Api, customer: str, headers: dict[str, str] | None = None) -> httpx.Response:
    order = {"customer": customer, "amount": 1000, "currency": "JPY", "period": "monthly"}
    return await api.post("/subscriptions", json=order, headers=headers)


async def end_subscription(api: Api, scene: Scene) -> httpx.Response:
    return await api.delete(f"/subscriptions/{scene.made['subscription']}")


async def add_webhook(api: Api, scene: Scene) -> httpx.Response:
    assert scene.site is not None
    return await api.post("/webhook_endpoints", json={"url": scene.site.receiver.url})


async def change_webhook(api: Api, scene: Scene) -> httpx.Response:
    return await api.patch(f"/webhook_endpoints/{scene.made['webhook']}", json={"events": ["payment.captured"]})


async def roll_webhook(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/webhook_endpoints/{scene.made['webhook']}/roll")


async def ping_webhook(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(f"/webhook_endpoints/{scene.made['webhook']}/ping", headers=scene.key)


async def send_again(api: Api, scene: Scene) -> httpx.Response:
    return await api.post(
        f"/webhook_endpoints/{scene.made['webhook']}/replay", json={"start_time": "2020-01-01"}, headers=scene.key
    )


async def remove_webhook(api: Api, scene: Scene) -> httpx.Response:
    return await api.delete(f"/webhook_endpoints/{scene.made['webhook']}")


async def ask_with_card_number(api: Api, scene: Scene) -> httpx.Response:
    return await api.get("/payments", params={"external_order_num": "4111111111111111"})


# What must be true


async def what_webhooks_tell_arrives(api: Api, scene: Scene) -> None:
    """By the endpoint that is left, signed."""
    assert scene.site is not None
    await scene.site.until_none(TO_DELIVER)
    for got in scene.site.receiver.got:
        assert len(got.headers["x-komoju-signature"]) == 64
        assert (await api.get(f"/events/{got.id}")).content == got.body


async def the_token_is_used_up(api: Api, scene: Scene) -> None:
    reply = await _charge(api, {"payment_details": scene.made["token"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")


async def the_customer_can_be_charged(api: Api, scene: Scene) -> None:
    assert (await charge_customer_without_key(api, scene)).status_code == 200


async def the_customer_is_gone(api: Api, scene: Scene) -> None:
    assert (await api.get(f"/customers/{scene.made['customer']}")).status_code == 404
    assert (await charge_customer_without_key(api, scene)).status_code == 404


async def the_session_is_paid_once(api: Api, scene: Scene) -> None:
    """Money was taken for it once at most, and only where it is completed; its customer has details either way."""
    session = (await api.get(f"/sessions/{scene.made['session']}")).json()
    listed = (await api.get("/payments", params={"per_page": 100})).json()["data"]
    taken = [each for each in listed if each["session"] == session["id"] and each["status"] == "captured"]
    paid = session["status"] == "completed" and session["mode"] != "customer"
    assert len(taken) == int(paid)
    if session.get("customer_id") is not None:
        source = (await api.get(f"/customers/{session['customer_id']}")).json()["source"]
        assert source["brand"] == (
            "master" if session["status"] == "completed" and "token" not in scene.made else "visa"
        )
        assert (await api.charge(session["customer_id"])).status_code == 200


async def the_session_is_over(api: Api, scene: Scene) -> None:
    reply = await pay_session_without_key(api, scene)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "session_cancelled")


async def a_subscription_is_its_first_charge(api: Api, scene: Scene) -> None:
    """Money was taken for every one that is there, once, and for none that is not."""
    listed = (await api.get("/subscriptions", params={"per_page": 100})).json()["data"]
    assert listed
    for each in listed:
        (payment,) = each["payments"]
        status = (await api.get(f"/payments/{payment}")).json()["status"]
        assert (each["status"], status) in (("active", "captured"), ("deleted", "failed"))


async def the_subscription_has_ended(api: Api, scene: Scene) -> None:
    assert (await api.get(f"/subscriptions/{scene.made['subscription']}")).json()["status"] == "deleted"


FLOWS = (
    Flow("a customer with a raw card", add_customer_with_card),
    Flow("a customer with a token", add_customer_with_token, a_token, the_token_is_used_up),
    Flow("a customer with a declined token", add_customer_with_token, a_poor_token, the_token_is_used_up, status=502),
    Flow("a bare customer", add_bare_customer),
    Flow("another card", replace_card, a_customer, the_customer_can_be_charged, keyed=False, changes=True),
    Flow("another address", rename_customer, a_customer, the_customer_can_be_charged, keyed=False, changes=True),
    Flow("a deleted customer", delete_customer, a_customer, the_customer_is_gone, keyed=False, changes=True),
    Flow("a token", make_token),
    Flow("the first token", make_token, anew=True),
    Flow("a token asked for again", make_token, an_answered_key),
    Flow("a charge", charge_customer, a_customer),
    Flow("a charge without a key", charge_customer_without_key, a_customer, keyed=False),
    Flow("a charge by token", charge_token, a_token, the_token_is_used_up),
    Flow("a charge by raw card", charge_card),
    Flow("a declined charge", charge_poor_card, status=502),
    Flow("a secure token", verify_card),
    Flow("a secure token that needs a challenge", challenge_card),
    Flow("a secure token from a token", verify_token, a_token_to_verify),
    Flow("a secure token about a saved card", verify_customer, a_customer),
    Flow("a charge by secure token", charge_token, a_secure_token, the_token_is_used_up),
    Flow("a customer with a secure token", add_customer_with_token, a_secure_token, the_token_is_used_up),
    Flow("an authorisation", authorize, a_customer),
    Flow("a capture", capture, a_hold, changes=True),
    Flow("a capture of a part", capture_a_part, a_hold, changes=True),
    Flow("a refund", refund_a_part, a_payment, changes=True),
    Flow("a cancellation", cancel, a_hold, changes=True),
    Flow("a konbini payment", begin_konbini),
    Flow("a konbini payment that is paid", pay_at_last, a_konbini_payment, keyed=False, changes=True),
    Flow("a konbini payment that lapses", let_lapse, a_konbini_payment, keyed=False, changes=True),
    Flow("a konbini payment that is cancelled", cancel, a_konbini_payment, changes=True),
    Flow("a request to refund a konbini payment", request_refund, a_paid_konbini_payment, changes=True),
    Flow(
        "a transfer to a payer",
        transfer,
        a_request_to_refund,
        keyed=False,
        changes=True,
    ),
    Flow("what a chip says", finalize, a_payment_at_a_terminal, changes=True),
    Flow("a payment at a wallet's page", begin_at_a_wallets_page),
    Flow("a payment that is approved there", pay_at_last, a_payment_at_a_wallets_page, keyed=False, changes=True),
    Flow("a payment that is cancelled meanwhile", cancel, a_payment_at_a_wallets_page, changes=True),
    Flow("a prepaid card that is short", begin_short),
    Flow("one more prepaid card", top_up, a_short_payment, keyed=False, changes=True, again=422),
    Flow("a charge of a wallet", charge_customer, a_wallet),
    Flow("a charge of a revoked wallet", charge_customer, a_revoked_wallet, status=502),
    Flow("a revocation", revoke, a_wallet, keyed=False),
    Flow("a token for a konbini", make_konbini_token),
    Flow("a session", make_session),
    Flow("a session with a customer", make_storing_session),
    Flow("a session paid by raw card", pay_session, a_session, the_session_is_paid_once),
    Flow("a session paid at a till", pay_session_by_konbini, a_session),
    Flow("a session that stores a raw card", pay_session, a_storing_session, the_session_is_paid_once, changes=True),
    Flow(
        "a session that stores a token's card",
        pay_session_with_token,
        a_storing_session_and_a_token,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow("a session that checks a card", pay_session, a_checking_session, the_session_is_paid_once, changes=True),
    Flow(
        "a declined try at a session",
        pay_session_with_poor_card,
        a_storing_session,
        the_session_is_paid_once,
        changes=True,
        status=502,
    ),
    Flow("a session at a wallet's page", pay_session_by_wallet, a_storing_session, changes=True),
    Flow(
        "a card instead of a wallet", pay_session, a_session_at_a_wallets_page, the_session_is_paid_once, changes=True
    ),
    Flow(
        "a card instead of an agreement",
        pay_session,
        a_session_whose_wallet_is_asked,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow("one more prepaid card at a session", top_up_session, a_short_session, the_session_is_paid_once, changes=True),
    Flow("a session that is cancelled", cancel_session, a_session, the_session_is_over),
    Flow("a session cancelled at a wallet's page", cancel_session, a_session_at_a_wallets_page, the_session_is_over),
    Flow("a subscription", subscribe, a_customer, a_subscription_is_its_first_charge),
    Flow("an ended subscription", end_subscription, a_subscription, the_subscription_has_ended, keyed=False),
    Flow("another description", describe_payment, a_payment, keyed=False, changes=True),
    Flow("a webhook endpoint", add_webhook, check=what_webhooks_tell_arrives, keyed=False),
    Flow("a changed webhook endpoint", change_webhook, a_webhook, keyed=False, changes=True),
    Flow("another secret", roll_webhook, a_rolled_webhook, what_webhooks_tell_arrives, keyed=False, changes=True),
    Flow("a ping", ping_webhook, a_webhook, what_webhooks_tell_arrives),
    Flow("events sent again", send_again, a_webhook_and_an_event, what_webhooks_tell_arrives),
    Flow("a deleted webhook endpoint", remove_webhook, a_rolled_webhook, keyed=False, changes=True),
    Flow("a card number in a URL", ask_with_card_number, keyed=False, status=400),
)


# What the worker has to clear up


async def leave_work(site: Site, number: int) -> None:
    """Leave behind, with a server whose worker stands still, something for each of the worker's steps."""
    await _leave_open_check(site)
    async with site.serving() as api:
        # The one before makes room: a merchant may have fifty.
        for old in (await api.get("/webhook_endpoints", params={"per_page": 100})).json()["data"]:
            await api.delete(f"/webhook_endpoints/{old['id']}")
        # Its secret before is to be forgotten; what happens from here on is to be delivered.
        await a_rolled_webhook(api, Scene(number, site))
        customer = await api.customer()
        await _leave_subscriptions(api, site, customer)
        lost = await api.post(
            "/payments",
            headers={"Azukari-Fault": "lost_reply"},
            json={"amount": 1000, "currency": "JPY", "customer": customer, "webhooks": site.receiver.url},
        )
        assert lost.status_code == 202, lost.text
        # The resolver and the sweep of keys start together: this key has ended before.
        assert (await add_bare_customer(api, Scene(number))).status_code == 200
        held = await api.post(
            "/payments", json={"amount": 700, "currency": "JPY", "customer": customer, "capture": "false"}
        )
        assert held.json()["status"] == "authorized"
        for details in (KONBINI, {"type": "paypay"}):
            waiting = await _charge(api, {"payment_details": details})
            assert waiting.status_code == 200, waiting.text
        failed = await api.charge(customer, headers={"Azukari-Fault": "processor_down"})
        assert failed.status_code == 504, failed.text
        # As if it had been done after all, and we had heard of it too late.
        await site.rows.change(
            "UPDATE attempts SET state = 'undo', due_at = 0 WHERE state = 'not_done' AND kind = 'sale'"
        )
        await api.session(expires_in_seconds=1)
        await api.token(verification_value="123")
        await api.secure_token(CHALLENGED)
        await api.secure_token(customer=customer)
    await _leave_stray_key(site, number)


async def _leave_subscriptions(api: Api, site: Site, customer: str) -> None:
    """One that falls due within a month, and one that cannot be charged then. Those before end."""
    for old in (await api.get("/subscriptions", params={"per_page": 100})).json()["data"]:
        assert (await api.delete(f"/subscriptions/{old['id']}")).status_code == 200
    for _ in range(2):
        made = await _subscribe(api, customer)
        assert made.status_code == 200, made.text
    await site.rows.change(f"UPDATE subscriptions SET time_zone = 'Nowhere' WHERE id = '{made.json()['id']}'")


async def _leave_open_check(site: Site) -> None:
    """A customer's card was being checked when the server died."""
    async with site.serving(delay=60_000) as api:
        checking = asyncio.ensure_future(api.customer())
        sent = "SELECT id FROM attempts WHERE kind = 'verify' AND state = 'sent'"
        while not checking.done() and not await site.rows.all(sent):
            await asyncio.sleep(0.01)
    with suppress(httpx.TransportError):
        await checking


async def _leave_stray_key(site: Site, number: int) -> None:
    """A data key whose record never came."""
    made = time.time_ns() // 1_000_000 + site.ahead + 32 * DAY - 2 * HOUR
    await site.rows.change(f"""
        INSERT INTO azukari_keys.deks (merchant_id, mode, id, gen, mk_version, wrapped, created_at)
        SELECT merchant_id, mode, 'stray-{number}', 1, mk_version, wrapped, {made} FROM azukari_keys.deks LIMIT 1
    """)


#: What endpoints have not been told yet.
TO_DELIVER = "SELECT id FROM webhook_deliveries WHERE due_at IS NOT NULL"
TO_LOOK_AT = """
    SELECT e.id FROM events e JOIN webhook_endpoints p ON p.since IS NOT NULL AND p.payment_id IS NULL
    WHERE e.type <> 'ping' AND e.id > p.since AND (e.sequence IS NULL OR e.sequence > p.told)
    AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id)
    UNION ALL SELECT b.id FROM event_counters b JOIN event_counters c ON c.mode = b.mode
    WHERE b.id = 'of_payments' AND c.id = 'events' AND b.last < c.last
"""
#: Subscriptions that no worker has tried to charge, or of which it is not known what came.
TO_RENEW = """
    SELECT id FROM subscriptions WHERE active_attempt IS NOT NULL
    OR (ended_at IS NULL AND period_no = 0 AND due_at = next_capture_at)
"""
#: What is left of it until the worker is through.
WORK = (
    OPEN_ATTEMPTS,
    "SELECT id FROM payments WHERE status IN ('authorized', 'pending')",
    "SELECT id FROM sessions WHERE open_until IS NOT NULL",
    "SELECT id FROM tokens",
    "SELECT id FROM azukari_keys.deks WHERE id LIKE 'stray-%'",
    "SELECT id FROM azukari_sad.sad_values",
    "SELECT id FROM idempotency_keys",
    TO_RENEW,
    TO_LOOK_AT,
    TO_DELIVER,
    "SELECT id FROM webhook_endpoints WHERE old_until IS NOT NULL",
)
