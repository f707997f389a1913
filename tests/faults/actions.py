"""What is done in a scene: one request each."""

from typing import Any

import httpx

from tests.cards import KONBINI, MASTER, PAYPAY
from tests.faults.scenes import CHALLENGED, FRICTIONLESS, POOR, Scene
from tests.house import Api, card


def prepaid(number: str) -> dict[str, str]:
    """A card with ¥100,000 on it, of which nobody has taken anything."""
    return {"type": "web_money", "prepaid_number": number}


async def charge(api: Api, order: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
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
    return await charge(api, {"customer": scene.made["customer"]}, scene.key)


async def charge_customer_without_key(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"customer": scene.made["customer"]})


async def charge_token(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"payment_details": scene.made["token"]}, scene.key)


async def charge_card(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"payment_details": card(verification_value="123")}, scene.key)


async def charge_poor_card(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"payment_details": card(POOR, verification_value="123")}, scene.key)


async def authorize(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"customer": scene.made["customer"], "capture": "false"}, scene.key)


async def begin_konbini(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"payment_details": KONBINI}, scene.key)


async def begin_at_a_wallets_page(api: Api, scene: Scene) -> httpx.Response:
    return await charge(api, {"payment_details": {"type": "paypay"}}, scene.key)


async def begin_short(api: Api, scene: Scene) -> httpx.Response:
    order = {"amount": 150_000, "payment_details": prepaid(f"other{scene.number:011}")}
    return await charge(api, order, scene.key)


async def top_up(api: Api, scene: Scene) -> httpx.Response:
    body = {"payment_details": prepaid(f"second{scene.number:010}")}
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


async def transfer(api: Api, scene: Scene) -> httpx.Response:
    path = f"/test/refund_requests/{scene.made['request']}/simulate"
    return await api.post(path, json={"outcome": "completed"})


TERMINAL = {"type": "credit_card_terminal", "track2": "4111111111111111=991220112345", "flowType": "1"}


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


async def try_session(api: Api, scene: Scene, details: Any, headers: dict[str, str]) -> httpx.Response:
    body = {"payment_details": details}
    return await api.post(f"/sessions/{scene.made['session']}/pay", json=body, headers=headers)


async def pay_session(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, card(MASTER, verification_value="123"), scene.key)


async def top_up_session(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, prepaid(f"fourth{scene.number:010}"), scene.key)


async def pay_session_without_key(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, card(MASTER, verification_value="123"), {})


async def pay_session_with_token(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, scene.made["token"], scene.key)


async def pay_session_with_poor_card(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, card(POOR, verification_value="123"), scene.key)


async def pay_session_by_wallet(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, PAYPAY, scene.key)


async def pay_session_by_konbini(api: Api, scene: Scene) -> httpx.Response:
    return await try_session(api, scene, KONBINI, scene.key)


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
    return await subscribe_customer(api, scene.made["customer"], scene.key)


async def subscribe_customer(api: Api, customer: str, headers: dict[str, str] | None = None) -> httpx.Response:
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
