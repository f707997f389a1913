"""Mail addresses: one rule, wherever one is given."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.house import ON_BOTH, Api, card
from tests.mail_addresses import REFUSED, TAKEN

ORDER = {"amount": 1000, "currency": "JPY"}
KONBINI = {"type": "konbini", "store": "lawson"}
BACK = {"return_url": "https://shop.example"}


def _of_details(shown: dict[str, Any]) -> Any:
    return shown["payment_details"]["email"]


def _own(shown: dict[str, Any]) -> Any:
    return shown["email"]


#: Path, what to send, the parameter, and where the address is shown again.
Road = tuple[str, Callable[[Any], dict[str, Any]], str, Callable[[dict[str, Any]], Any]]


def _by_details(path: str, shown: Callable[[dict[str, Any]], Any] = _of_details, **more: Any) -> Road:
    details = more or card()
    order = ORDER if path == "/payments" else {}
    return (
        path,
        lambda email: {**order, "payment_details": {**details, "email": email}},
        "payment_details[email]",
        shown,
    )


ROADS: dict[str, Road] = {
    "customer": ("/customers", lambda email: {"email": email}, "email", _own),
    "session": ("/sessions", lambda email: {**ORDER, **BACK, "email": email}, "email", _own),
    "customer's card": _by_details("/customers", _own),
    "token of a card": _by_details("/tokens"),
    "token of another": _by_details("/tokens", **KONBINI),
    "payment by card": _by_details("/payments"),
    "payment that needs one": _by_details("/payments", **KONBINI),
    "payment that needs none": _by_details("/payments", type="paypay"),
}

#: What is refused, and what is shown again, is the same text on both databases.
on_one = pytest.mark.parametrize("engine", ON_BOTH[:1], indirect=True)


@on_one
@pytest.mark.parametrize("road", ROADS)
async def test_an_address_is_read_alike_on_every_road(api: Api, road: str) -> None:
    path, body, _, shown = ROADS[road]
    # Not held against the description: the format it names knows neither docomo's addresses nor other scripts.
    async with httpx.AsyncClient(transport=api._transport, base_url=api.base_url, auth=(api.key, "")) as client:
        replies = {given: await client.post(path.lstrip("/"), json=body(given)) for given in TAKEN}

    assert {given: _read(reply, shown) for given, reply in replies.items()} == TAKEN


@on_one
@pytest.mark.parametrize("road", ROADS)
async def test_what_is_no_address_is_refused_on_every_road(api: Api, road: str) -> None:
    path, body, param, _ = ROADS[road]
    replies = {given: await api.post(path, json=body(given)) for given in REFUSED}

    assert [given for given, reply in replies.items() if not _is_refused(reply, param)] == []
    more = [await api.post(path, json=body(given)) for given in (7, True, ["a@example.com"], {"a": "a@example.com"})]
    assert [reply.status_code for reply in more] == [422] * 4


async def test_a_change_and_a_try_in_a_session_read_it_alike(api: Api) -> None:
    customer = await api.customer()
    order = {**ORDER, **BACK}
    for given in ("a＠example。com　", "a@example.com, b@example.com", "mailto:a@example.com"):
        taken = given.startswith("a＠")
        for details in (card(email=given), {**KONBINI, "email": given}):
            tried = await api.post(f"/sessions/{await api.session()}/pay", json={"payment_details": details})
            assert (tried.status_code == 200) == taken
            assert taken or tried.json()["error"]["param"] == "payment_details[email]"
        details = card("4100000000000100", email=given, verification_value="123")
        step = await api.post("/secure_tokens", json={**order, "payment_details": details})
        assert (step.status_code == 200) == taken
        for body in ({"email": given}, {"payment_details": card(email=given)}):
            changed = await api.patch(f"/customers/{customer}", json=body)
            assert (changed.status_code == 200) == taken
    assert (await api.get(f"/customers/{customer}")).json()["email"] == "a@example.com"


@pytest.mark.parametrize("road", ROADS)
async def test_none_and_blanks_alone_are_no_address(api: Api, road: str) -> None:
    path, body, param, shown = ROADS[road]
    needed = road in ("payment that needs one", "token of another")
    for nothing in (None, "", " ", "　\t"):
        reply = await api.post(path, json=body(nothing))
        if needed:
            assert (reply.status_code, reply.json()["error"]["code"]) == (422, "missing_parameter")
            assert reply.json()["error"]["param"] == param
        else:
            assert (reply.status_code, shown(reply.json())) == (200, None), reply.text


async def test_a_form_reads_it_alike(api: Api) -> None:
    made = await api.post("/customers", data={"email": "　ａ＠example。com"})
    assert made.json()["email"] == "a@example.com"
    assert (await api.post("/customers", data={"email": "a@example.com b@example.com"})).status_code == 422
    assert (await api.post("/customers", data={"email": "null"})).json()["email"] is None


async def test_fraud_details_hold_whatever_they_do(api: Api) -> None:
    for anything in ("", "mailto:a@example.com", "not known", None, 7):
        fraud = {"customer_ip": "", "customer_email": anything}
        reply = await api.post(
            "/payments", json={**ORDER, "payment_details": card(), "fraud_details": fraud, "customer_email": anything}
        )
        assert reply.status_code == 200, reply.text


def _read(reply: httpx.Response, shown: Callable[[dict[str, Any]], Any]) -> Any:
    return shown(reply.json()) if reply.status_code == 200 else reply.text


def _is_refused(reply: httpx.Response, param: str) -> bool:
    if reply.status_code != 422:
        return False
    error = reply.json()["error"]
    says_why = "one mail address, like taro@example.com" in error["message"]
    return says_why and (error["code"], error["param"]) == ("invalid_parameter", param)
