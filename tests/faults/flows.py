"""Every flow of the server that commits or calls: what a crash is tried in."""

from tests.cards import KONBINI, PAYPAY
from tests.faults import actions
from tests.faults.scenes import FRICTIONLESS, POOR, Flow, Scene
from tests.faults.truth import TO_DELIVER
from tests.house import Api, card
from tests.wallets import agree

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
    scene.keep("payment", await actions.charge(api, {"customer": scene.made["customer"], "capture": "false"}))


async def a_payment(api: Api, scene: Scene) -> None:
    await a_customer(api, scene)
    scene.keep("payment", await actions.charge(api, {"customer": scene.made["customer"]}))


async def an_answered_key(api: Api, scene: Scene) -> None:
    scene.keep("token", await actions.make_token(api, scene))


async def a_wallet(api: Api, scene: Scene) -> None:
    assert scene.site is not None
    made = await api.post("/customers", json={"email": "w@example.com"})
    scene.made["customer"] = made.json()["id"]
    async with scene.site.opened() as services:
        await agree(services, (await services.api_keys.resolve(api.key, None)).owner, scene.made["customer"])


async def a_revoked_wallet(api: Api, scene: Scene) -> None:
    await a_wallet(api, scene)
    assert (await actions.revoke(api, scene)).status_code == 200


async def a_konbini_payment(api: Api, scene: Scene) -> None:
    scene.keep("payment", await actions.charge(api, {"payment_details": KONBINI}))


async def a_paid_konbini_payment(api: Api, scene: Scene) -> None:
    await a_konbini_payment(api, scene)
    scene.keep("payment", await actions.pay_at_last(api, scene))


async def a_payment_at_a_wallets_page(api: Api, scene: Scene) -> None:
    scene.keep("payment", await actions.charge(api, {"payment_details": {"type": "paypay"}}))


async def a_short_payment(api: Api, scene: Scene) -> None:
    order = {"amount": 150_000, "payment_details": actions.prepaid(f"first{scene.number:011}")}
    assert scene.keep("payment", await actions.charge(api, order))["status"] == "pending"


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
    await actions.try_session(api, scene, actions.prepaid(f"third{scene.number:011}"), {})


async def a_session_at_a_wallets_page(api: Api, scene: Scene) -> None:
    await a_storing_session(api, scene)
    await actions.try_session(api, scene, PAYPAY, {})


async def a_session_whose_wallet_is_asked(api: Api, scene: Scene) -> None:
    await a_checking_session(api, scene)
    await actions.try_session(api, scene, PAYPAY, {})


async def a_webhook(api: Api, scene: Scene) -> None:
    scene.keep("webhook", await actions.add_webhook(api, scene))


async def a_subscription(api: Api, scene: Scene) -> None:
    await a_customer(api, scene)
    scene.keep("subscription", await actions.subscribe(api, scene))


async def a_webhook_and_an_event(api: Api, scene: Scene) -> None:
    await a_webhook(api, scene)
    assert (await api.post("/customers")).status_code == 200


async def a_rolled_webhook(api: Api, scene: Scene) -> None:
    await a_webhook(api, scene)
    assert (await actions.roll_webhook(api, scene)).status_code == 200


async def a_request_to_refund(api: Api, scene: Scene) -> None:
    await a_paid_konbini_payment(api, scene)
    payment = scene.keep("payment", await actions.request_refund(api, scene))
    scene.made["request"] = payment["refund_requests"][0]["id"]


async def a_payment_at_a_terminal(api: Api, scene: Scene) -> None:
    scene.keep("payment", await actions.charge(api, {"payment_details": actions.TERMINAL}))


# What must be true


async def what_webhooks_tell_arrives(api: Api, scene: Scene) -> None:
    """By the endpoint that is left, signed."""
    assert scene.site is not None
    await scene.site.until_none(TO_DELIVER)
    for got in scene.site.receiver.got:
        assert len(got.headers["x-komoju-signature"]) == 64
        assert (await api.get(f"/events/{got.id}")).content == got.body


async def the_token_is_used_up(api: Api, scene: Scene) -> None:
    reply = await actions.charge(api, {"payment_details": scene.made["token"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_token")


async def the_customer_can_be_charged(api: Api, scene: Scene) -> None:
    assert (await actions.charge_customer_without_key(api, scene)).status_code == 200


async def the_customer_is_gone(api: Api, scene: Scene) -> None:
    assert (await api.get(f"/customers/{scene.made['customer']}")).status_code == 404
    assert (await actions.charge_customer_without_key(api, scene)).status_code == 404


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
    reply = await actions.pay_session_without_key(api, scene)
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
    Flow("a customer with a raw card", actions.add_customer_with_card),
    Flow("a customer with a token", actions.add_customer_with_token, a_token, the_token_is_used_up),
    Flow(
        "a customer with a declined token",
        actions.add_customer_with_token,
        a_poor_token,
        the_token_is_used_up,
        status=502,
    ),
    Flow("a bare customer", actions.add_bare_customer),
    Flow("another card", actions.replace_card, a_customer, the_customer_can_be_charged, keyed=False, changes=True),
    Flow(
        "another address", actions.rename_customer, a_customer, the_customer_can_be_charged, keyed=False, changes=True
    ),
    Flow("a deleted customer", actions.delete_customer, a_customer, the_customer_is_gone, keyed=False, changes=True),
    Flow("a token", actions.make_token),
    Flow("the first token", actions.make_token, anew=True),
    Flow("a token asked for again", actions.make_token, an_answered_key),
    Flow("a charge", actions.charge_customer, a_customer),
    Flow("a charge without a key", actions.charge_customer_without_key, a_customer, keyed=False),
    Flow("a charge by token", actions.charge_token, a_token, the_token_is_used_up),
    Flow("a charge by raw card", actions.charge_card),
    Flow("a declined charge", actions.charge_poor_card, status=502),
    Flow("a secure token", actions.verify_card),
    Flow("a secure token that needs a challenge", actions.challenge_card),
    Flow("a secure token from a token", actions.verify_token, a_token_to_verify),
    Flow("a secure token about a saved card", actions.verify_customer, a_customer),
    Flow("a charge by secure token", actions.charge_token, a_secure_token, the_token_is_used_up),
    Flow("a customer with a secure token", actions.add_customer_with_token, a_secure_token, the_token_is_used_up),
    Flow("an authorisation", actions.authorize, a_customer),
    Flow("a capture", actions.capture, a_hold, changes=True),
    Flow("a capture of a part", actions.capture_a_part, a_hold, changes=True),
    Flow("a refund", actions.refund_a_part, a_payment, changes=True),
    Flow("a cancellation", actions.cancel, a_hold, changes=True),
    Flow("a konbini payment", actions.begin_konbini),
    Flow("a konbini payment that is paid", actions.pay_at_last, a_konbini_payment, keyed=False, changes=True),
    Flow("a konbini payment that lapses", actions.let_lapse, a_konbini_payment, keyed=False, changes=True),
    Flow("a konbini payment that is cancelled", actions.cancel, a_konbini_payment, changes=True),
    Flow("a request to refund a konbini payment", actions.request_refund, a_paid_konbini_payment, changes=True),
    Flow(
        "a transfer to a payer",
        actions.transfer,
        a_request_to_refund,
        keyed=False,
        changes=True,
    ),
    Flow("what a chip says", actions.finalize, a_payment_at_a_terminal, changes=True),
    Flow("a payment at a wallet's page", actions.begin_at_a_wallets_page),
    Flow(
        "a payment that is approved there", actions.pay_at_last, a_payment_at_a_wallets_page, keyed=False, changes=True
    ),
    Flow("a payment that is cancelled meanwhile", actions.cancel, a_payment_at_a_wallets_page, changes=True),
    Flow("a prepaid card that is short", actions.begin_short),
    Flow("one more prepaid card", actions.top_up, a_short_payment, keyed=False, changes=True, again=422),
    Flow("a charge of a wallet", actions.charge_customer, a_wallet),
    Flow("a charge of a revoked wallet", actions.charge_customer, a_revoked_wallet, status=502),
    Flow("a revocation", actions.revoke, a_wallet, keyed=False),
    Flow("a token for a konbini", actions.make_konbini_token),
    Flow("a session", actions.make_session),
    Flow("a session with a customer", actions.make_storing_session),
    Flow("a session paid by raw card", actions.pay_session, a_session, the_session_is_paid_once),
    Flow("a session paid at a till", actions.pay_session_by_konbini, a_session),
    Flow(
        "a session that stores a raw card",
        actions.pay_session,
        a_storing_session,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow(
        "a session that stores a token's card",
        actions.pay_session_with_token,
        a_storing_session_and_a_token,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow(
        "a session that checks a card", actions.pay_session, a_checking_session, the_session_is_paid_once, changes=True
    ),
    Flow(
        "a declined try at a session",
        actions.pay_session_with_poor_card,
        a_storing_session,
        the_session_is_paid_once,
        changes=True,
        status=502,
    ),
    Flow("a session at a wallet's page", actions.pay_session_by_wallet, a_storing_session, changes=True),
    Flow(
        "a card instead of a wallet",
        actions.pay_session,
        a_session_at_a_wallets_page,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow(
        "a card instead of an agreement",
        actions.pay_session,
        a_session_whose_wallet_is_asked,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow(
        "one more prepaid card at a session",
        actions.top_up_session,
        a_short_session,
        the_session_is_paid_once,
        changes=True,
    ),
    Flow("a session that is cancelled", actions.cancel_session, a_session, the_session_is_over),
    Flow(
        "a session cancelled at a wallet's page",
        actions.cancel_session,
        a_session_at_a_wallets_page,
        the_session_is_over,
    ),
    Flow("a subscription", actions.subscribe, a_customer, a_subscription_is_its_first_charge),
    Flow("an ended subscription", actions.end_subscription, a_subscription, the_subscription_has_ended, keyed=False),
    Flow("another description", actions.describe_payment, a_payment, keyed=False, changes=True),
    Flow("a webhook endpoint", actions.add_webhook, check=what_webhooks_tell_arrives, keyed=False),
    Flow("a changed webhook endpoint", actions.change_webhook, a_webhook, keyed=False, changes=True),
    Flow(
        "another secret", actions.roll_webhook, a_rolled_webhook, what_webhooks_tell_arrives, keyed=False, changes=True
    ),
    Flow("a ping", actions.ping_webhook, a_webhook, what_webhooks_tell_arrives),
    Flow("events sent again", actions.send_again, a_webhook_and_an_event, what_webhooks_tell_arrives),
    Flow("a deleted webhook endpoint", actions.remove_webhook, a_rolled_webhook, keyed=False, changes=True),
    Flow("a card number in a URL", actions.ask_with_card_number, keyed=False, status=400),
)
