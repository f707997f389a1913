"""What our own pages do without a key, request by request: what a crash is tried in there."""

import html
import re
from typing import Any

import httpx

from tests.faults.flows import a_session_at_a_wallets_page
from tests.faults.scenes import CHALLENGED, FRICTIONLESS, Flow, Scene
from tests.house import Api, card

#: Its issuer asks, and refuses whatever is typed.
REFUSED = "4100000000300005"
#: The passwords that the simulated issuer lets pass, and not.
RIGHT, WRONG = "123456", "111111"
#: What addresses start with here, and so the origin of our pages.
OURS = "http://127.0.0.1:8420"
CHALLENGE = "/three_d_secure_service/offsite"


async def _open(api: Api, path: str) -> httpx.Response:
    return await api.get(_at(api, path), auth=None)


async def _post(api: Api, path: str, body: dict[str, Any]) -> httpx.Response:
    return await api.post(_at(api, path), json=body, headers={"Origin": OURS}, auth=None)


def _at(api: Api, path: str) -> httpx.URL:
    return api.base_url.join(path.removeprefix(OURS))


async def _mark(api: Api, path: str) -> str:
    """What the page at a path sends back."""
    text = html.unescape((await _open(api, path)).text)
    found = re.search(r'"csrf":"(\w+)"', text) or re.search(r'data-csrf="(\w+)"', text)
    assert found is not None, text
    return found[1]


# What is prepared


async def an_open_page(api: Api, scene: Scene) -> None:
    scene.made["session"] = await api.session()
    scene.made["csrf"] = await _mark(api, f"/sessions/{scene.made['session']}")


async def an_open_page_that_stores(api: Api, scene: Scene) -> None:
    scene.made["session"] = await api.session(mode="customer_payment")
    path = f"/sessions/{scene.made['session']}"
    scene.made["csrf"] = await _mark(api, path)
    told = (await _open(api, f"{path}/words?locale=en")).json()
    scene.made["consent"] = {"text": told["m"]["credit_card"]["consent"], "version": "1"}


async def a_challenged_page(api: Api, scene: Scene) -> None:
    await an_open_page(api, scene)
    sent = await _pay(api, scene, CHALLENGED)
    scene.made["challenge"] = httpx.URL(sent.json()["redirect_url"]).params


async def a_page_after_its_challenge(api: Api, scene: Scene) -> None:
    await a_challenged_page(api, scene)
    assert (await answer_challenge(api, scene)).status_code == 200


async def a_page_after_a_challenge_that_failed(api: Api, scene: Scene) -> None:
    await an_open_page(api, scene)
    sent = await _pay(api, scene, REFUSED)
    scene.made["challenge"] = httpx.URL(sent.json()["redirect_url"]).params
    assert (await _answer(api, scene, WRONG)).status_code == 200


async def a_wallets_page(api: Api, scene: Scene) -> None:
    await a_session_at_a_wallets_page(api, scene)
    session = (await api.get(f"/sessions/{scene.made['session']}")).json()
    await _find_wallet(api, scene, session["payment"])


async def a_wallets_page_without_a_session(api: Api, scene: Scene) -> None:
    order = {
        "amount": 1000, "currency": "JPY", "payment_details": {"type": "paypay"}, "return_url": "https://shop.example/"
    }  # fmt: skip
    await _find_wallet(api, scene, scene.keep("payment", await api.post("/payments", json=order)))


async def _find_wallet(api: Api, scene: Scene, payment: dict[str, Any]) -> None:
    scene.made["wallet"] = payment["payment_details"]["redirect_url"].removeprefix(OURS)
    scene.made["csrf"] = await _mark(api, scene.made["wallet"])


# What is done


async def _pay(api: Api, scene: Scene, number: str) -> httpx.Response:
    body = {
        "csrf": scene.made["csrf"],
        "nonce": f"press-{scene.number}",
        "locale": "en",
        "payment_details": card(number, verification_value="123"),
        "consent": scene.made.get("consent"),
    }
    return await _post(api, f"/sessions/{scene.made['session']}/pay", body)


async def pay_without_a_challenge(api: Api, scene: Scene) -> httpx.Response:
    return await _pay(api, scene, FRICTIONLESS)


async def pay_with_a_challenge(api: Api, scene: Scene) -> httpx.Response:
    return await _pay(api, scene, CHALLENGED)


async def answer_challenge(api: Api, scene: Scene) -> httpx.Response:
    return await _answer(api, scene, RIGHT)


async def _answer(api: Api, scene: Scene, password: str) -> httpx.Response:
    params = scene.made["challenge"]
    return await _post(api, CHALLENGE, {"token": params["token"], "state": params["state"], "password": password})


async def open_challenge(api: Api, scene: Scene) -> httpx.Response:
    return await _open(api, f"{CHALLENGE}?{scene.made['challenge']}")


async def resume(api: Api, scene: Scene) -> httpx.Response:
    return await _post(api, f"/sessions/{scene.made['session']}/resume", {"csrf": scene.made["csrf"]})


async def approve_and_come_back(api: Api, scene: Scene) -> httpx.Response:
    body = {"csrf": scene.made["csrf"], "decision": "approved"}
    decided = await _post(api, scene.made["wallet"], body)
    assert decided.status_code == 200, decided.text
    return await _open(api, decided.json()["redirect_url"])


async def refuse_and_come_back(api: Api, scene: Scene) -> httpx.Response:
    body = {"csrf": scene.made["csrf"], "decision": "declined"}
    decided = await _post(api, scene.made["wallet"], body)
    return await _open(api, decided.json()["redirect_url"])


# What must be true


async def the_page_leads_on(api: Api, scene: Scene) -> None:
    """Money was taken once at most, and the shopper is never at a loss."""
    session = (await api.get(f"/sessions/{scene.made['session']}")).json()
    listed = (await api.get("/payments", params={"per_page": 100})).json()["data"]
    taken = [each for each in listed if each["session"] == session["id"] and each["status"] == "captured"]
    assert len(taken) == int(session["status"] == "completed")
    if session["status"] == "completed" and session.get("customer_id") is not None:
        assert (await api.charge(session["customer_id"])).status_code == 200
    state = (await _open(api, f"/sessions/{scene.made['session']}/state")).json()
    assert not state["busy"]
    assert (await _open(api, f"/sessions/{scene.made['session']}")).status_code == 200


async def the_card_was_refused(api: Api, scene: Scene) -> None:
    await the_page_leads_on(api, scene)
    assert (await api.get(f"/sessions/{scene.made['session']}")).json()["status"] == "pending"


async def the_session_is_completed(api: Api, scene: Scene) -> None:
    await the_page_leads_on(api, scene)
    assert (await api.get(f"/sessions/{scene.made['session']}")).json()["status"] == "completed"


async def the_challenge_is_passed(api: Api, scene: Scene) -> None:
    done = await resume(api, scene)
    assert done.json()["status"] == "completed", done.text
    await the_session_is_completed(api, scene)


async def the_payment_is_captured(api: Api, scene: Scene) -> None:
    assert (await api.get(f"/payments/{scene.made['payment']}")).json()["status"] == "captured"


FLOWS = (
    Flow("the page: a card", pay_without_a_challenge, an_open_page, the_page_leads_on, keyed=False, again=422),
    Flow(
        "the page: a card that is stored",
        pay_without_a_challenge,
        an_open_page_that_stores,
        the_page_leads_on,
        keyed=False,
        changes=True,
        again=422,
    ),
    # An issuer that was not asked in time has not said yes.
    Flow(
        "the page: a card that is challenged",
        pay_with_a_challenge,
        an_open_page,
        the_page_leads_on,
        keyed=False,
        again=422,
    ),
    Flow("the page: a challenge is opened", open_challenge, a_challenged_page, the_page_leads_on, keyed=False),
    Flow("the page: a challenge is passed", answer_challenge, a_challenged_page, the_challenge_is_passed, keyed=False),
    Flow("the page: back from a challenge", resume, a_page_after_its_challenge, the_page_leads_on, keyed=False),
    Flow(
        "the page: back from a challenge that failed",
        resume,
        a_page_after_a_challenge_that_failed,
        the_card_was_refused,
        keyed=False,
        status=422,
        again=200,
    ),
    Flow(
        "the page: back from a wallet",
        approve_and_come_back,
        a_wallets_page,
        the_session_is_completed,
        keyed=False,
        changes=True,
        status=303,
    ),
    Flow(
        "the page: back from a wallet that refuses",
        refuse_and_come_back,
        a_wallets_page,
        the_page_leads_on,
        keyed=False,
        changes=True,
        status=303,
    ),
    Flow(
        "the page: back from a wallet to a shop",
        approve_and_come_back,
        a_wallets_page_without_a_session,
        the_payment_is_captured,
        keyed=False,
        changes=True,
        status=303,
    ),
)
