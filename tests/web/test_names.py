"""Names and kana of payers: the API takes what cards and banks carry, as it is given and as our page sends it."""

import pytest

from tests.house import ON_BOTH, Api, card
from tests.names_of_payers import DOUBTED, DOUBTED_KANA, KANA, NO_NAMES, ON_CARDS

on_one = pytest.mark.parametrize("engine", ON_BOTH[:1], indirect=True)
BANK = {"type": "bank_transfer", "email": "a@example.com", "phone": "0300000000"}


@on_one
async def test_a_name_is_taken_as_it_stands_on_a_card(api: Api) -> None:
    for name in {*ON_CARDS, *ON_CARDS.values(), *DOUBTED, *DOUBTED.values()} - {"  TARO \t YAMADA  "}:
        halves = card(given_name=name, family_name=name) | {"name": None}
        for details in (
            card(name=name),
            halves,
            {"type": "konbini", "store": "lawson", "email": "a@example.com", "name": name},
        ):
            reply = await api.post("/tokens", json={"payment_details": details})
            assert reply.status_code == 200, (name, reply.text)
            assert reply.json()["payment_details"].get("given_name") == (name if details is halves else None)


@on_one
async def test_what_is_no_name_is_refused(api: Api) -> None:
    for name in NO_NAMES:
        for member in ("name", "given_name", "family_name"):
            reply = await api.post("/tokens", json={"payment_details": card(**{member: name})})
            assert (reply.status_code, reply.json()["error"]["param"]) == (422, f"payment_details[{member}]"), name


@on_one
async def test_kana_are_taken_as_banks_register_them(api: Api) -> None:
    for kana in {*KANA, *KANA.values(), *DOUBTED_KANA}:
        details = {**BANK, "family_name_kana": kana, "given_name_kana": kana}
        reply = await api.post("/tokens", json={"payment_details": details})
        assert reply.status_code == 200, (kana, reply.text)
        shown = reply.json()["payment_details"]
        assert (shown["family_name_kana"], shown["given_name_kana"]) == (kana, kana)
        order = {"amount": 1000, "currency": "JPY", "payment_details": details}
        assert (await api.post("/payments", json=order)).status_code == 200
