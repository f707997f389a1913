"""The validator every other test leans on must itself say no."""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.compat.contract import ROOT, Contract

SERVED = json.loads((ROOT / "src/azukari/static/openapi.json").read_text(encoding="utf-8"))
PAYMENT = SERVED["paths"]["/payments"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
ERROR = {"error": {"code": "not_found", "message": "The requested resource could not be found.", "param": None}}
BARE_ID = "7t2yvd1mg8hx5o0qk3wnc4rzj"

contract = Contract.load()


def _payment(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(PAYMENT) | changes


def test_a_right_answer_passes_as_an_object_and_as_bytes():
    contract.check("POST", "/api/v1/payments", 200, _payment())
    contract.check("post", "/payments?anything=1", 200, json.dumps(_payment()).encode())
    contract.check("GET", f"/api/v1/payments/{BARE_ID}", 404, ERROR)


@pytest.mark.parametrize(
    "wrong",
    [
        _payment(status="paid"),
        _payment(amount="1000"),
        _payment(amount=1.5),
        _payment(amount=True),
        _payment(id="tok_" + BARE_ID),
        _payment(resource="customer"),
        _payment(created_at="yesterday"),
        _payment(created_at=None),
        _payment(payment_details={"type": "credit_card", "brand": "visa"}),
        _payment(metadata={"order": 1}),
        _payment(refunds=None),
        {key: value for key, value in _payment().items() if key != "session"},
        [],
        None,
        b"",
        b"<html></html>",
        b'{"id":',
    ],
)
def test_a_wrong_body_fails(wrong):
    with pytest.raises(AssertionError):
        contract.check("POST", "/api/v1/payments", 200, wrong)


@pytest.mark.parametrize("wrong", [{}, {"error": "no"}, {"error": {"code": "x", "message": "y"}}])
def test_a_wrong_error_fails(wrong):
    with pytest.raises(AssertionError):
        contract.check("POST", "/api/v1/payments", 422, wrong)
    with pytest.raises(AssertionError):
        contract.check_error(wrong)


def test_an_error_outside_any_operation_can_be_checked_alone():
    contract.check_error(json.dumps(ERROR).encode())


def test_an_unknown_operation_fails():
    for method, path in [
        ("GET", "/api/v1/nothing"),
        ("PUT", "/api/v1/payments"),
        ("GET", "/api/v1/payments/"),
        ("", ""),
    ]:
        with pytest.raises(AssertionError, match="no such operation"):
            contract.check(method, path, 200, _payment())


def test_a_status_that_is_not_declared_fails():
    with pytest.raises(AssertionError, match="not a status"):
        contract.check("POST", "/api/v1/payments", 201, _payment())


def test_what_azukari_adds_is_no_part_of_the_contract():
    contract.check("POST", "/api/v1/payments", 202, _payment(status="pending"))
    with pytest.raises(AssertionError, match="not a status"):
        contract.check("POST", "/api/v1/payments", 202, _payment(status="pending"), served=False)


def test_the_contract_itself_is_asked_where_it_speaks(monkeypatch: pytest.MonkeyPatch):
    lenient = copy.deepcopy(SERVED)
    lenient["components"]["schemas"]["Payment"] = {}
    strict = Contract(SERVED, lenient)
    with pytest.raises(AssertionError, match=r"\(contract\)"):
        strict.check("POST", "/payments", 200, {})


def test_an_operation_that_succeeds_must_be_listed_as_served():
    settlement = "/api/v1/settlements/" + BARE_ID
    contract.check("GET", settlement, 404, ERROR)
    with pytest.raises(AssertionError, match=r"additions\.yaml"):
        contract.check("GET", settlement, 200, {})


def test_a_fixed_path_comes_before_a_template():
    contract.check("GET", "/disbursements/report", 200, b"a,b\n", served=False)
    with pytest.raises(AssertionError, match="the body is not what"):
        contract.check("GET", "/disbursements/other", 200, {}, served=False)


def test_an_answer_without_a_body_must_have_none():
    path = f"/chargeback_requests/{BARE_ID}/accept"
    contract.check("POST", path, 204, b"", served=False)
    with pytest.raises(AssertionError, match="has a body"):
        contract.check("POST", path, 204, b"{}", served=False)


@pytest.mark.parametrize("wrong", [_payment(amount="9" * 5000), b"9" * 5000 + b"}", _payment(description=["x"] * 5000)])
def test_a_complaint_says_where_and_stays_short(wrong):
    with pytest.raises(AssertionError) as caught:
        contract.check("POST", "/payments", 200, wrong)
    assert len(str(caught.value)) < 1000


def test_a_complaint_names_the_place_and_the_reason():
    with pytest.raises(AssertionError, match=r'at amount: .* is not of type "integer", got \'many\''):
        contract.check("POST", "/payments", 200, _payment(amount="many"))


def test_checking_is_cheap_enough_for_every_answer():
    def fastest_ms(run: Callable[[], None]) -> float:
        times = []
        for _ in range(50):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        return min(times) * 1000

    body = json.dumps(_payment()).encode()
    assert fastest_ms(lambda: contract.check("POST", "/api/v1/payments", 200, body)) < 0.3
