"""What the KOMOJU adapter makes of each reply, readable or not."""

import json
from typing import Any

import pytest

from azukari.processors.base import Approved, Declined, Expired, NotSent, Outcome, Refused, Unknown
from azukari.processors.capabilities import Kind
from azukari.processors.declines import DECLINES
from azukari.processors.kit import at
from azukari.processors.komoju.replies import CODES, found_by_ref, of_payment, outcome_of
from azukari.vault import Reply

REF = "5" * 32
ID = "7t2yvd1mg8hx5o0qk3wnc4rzj"
#: Of a proxy on the way, and of a connection that broke off.
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def failed(status: int, code: str, param: str | None = None) -> Reply:
    error = {"code": code, "message": "No.", "param": param, "details": None}
    return Reply(status, {}, json.dumps({"error": error}).encode())


def payment(status: str, **more: Any) -> dict[str, Any]:
    return {"id": ID, "status": status, "external_order_num": REF, "refunds": [], **more}


def paid(status: str, **more: Any) -> Reply:
    return Reply(200, {}, json.dumps(payment(status, **more)).encode())


def listed(*payments: Any) -> Reply:
    return Reply(200, {}, json.dumps({"resource": "list", "data": payments}).encode())


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_code_of_the_wire_is_a_decline_under_its_own_status(code: str) -> None:
    assert outcome_of(failed(DECLINES[code].status, code), "sale", REF) == Declined(code, raw=code)


@pytest.mark.parametrize("status", [402, 422, 502])
def test_statuses_of_declines_are_alike(status: int) -> None:
    assert outcome_of(failed(status, "fraudulent"), "sale", REF) == Declined("fraudulent", raw="fraudulent")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (failed(400, "bad_request"), Refused("unsupported")),
        (failed(401, "unauthorized"), Refused("credentials")),
        (Reply(401, {}, HTML), Refused("credentials")),
        (failed(403, "forbidden"), Refused("credentials")),
        (failed(404, "not_found"), Refused("unsupported")),
        (failed(429, "too_many_requests"), Refused("busy")),
        (Reply(429), Refused("busy")),
        (failed(422, "invalid_currency"), Refused("unsupported")),
        (failed(422, "invalid_parameter", "amount"), Refused("unsupported")),
        (failed(422, "unsupported_card_brand"), Refused("unsupported")),
    ],
)  # fmt: skip
def test_what_was_not_let_in_has_not_happened(reply: Reply, outcome: Outcome) -> None:
    assert outcome_of(reply, "sale", REF) == outcome


@pytest.mark.parametrize(
    "reply",
    [
        failed(409, "conflict"),
        failed(422, "invalid_parameter", "external_order_num"),
        failed(422, "invalid_parameter", "X-KOMOJU-IDEMPOTENCY"),
        failed(423, "locked"),
        failed(500, "internal_server_error"),
        failed(500, "card_declined"),
        failed(502, "bad_gateway"),
        failed(502, "a_word_of_next_year"),
        failed(503, "service_unavailable"),
        failed(504, "gateway_timeout"),
        Reply(500),
        Reply(502, {}, HTML),
        Reply(504, {}, HTML),
        Reply(402, {}, HTML),
        Reply(301),
        Reply(204),
        # Of what was done, as far as that can be known.
        Reply(200),
        Reply(200, {}, HTML),
        Reply(200, {}, b"[]"),
        Reply(200, {}, b'{"id": 7, "status": "captured"}'),
        Reply(200, {}, b'{"id": "7", "status": null}'),
        Reply(200, {}, b"\xff\xfe"),
        paid("pending"),
        paid("cancelled"),
        paid("a_status_of_next_year"),
        Reply(202, {}, json.dumps(payment("pending")).encode()),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_unknown(reply: Reply) -> None:
    assert outcome_of(reply, "sale", REF) == Unknown()


def test_a_body_that_is_cut_anywhere_is_unknown() -> None:
    for whole in (paid("captured"), failed(502, "card_declined")):
        for length in range(len(whole.body)):
            assert outcome_of(Reply(whole.status, {}, whole.body[:length]), "sale", REF) == Unknown()


@pytest.mark.parametrize(
    ("param", "code"),
    [
        ("payment_details[number]", "invalid_number"),
        ("payment_details[month]", "other_invalid"),
        ("payment_details", "other_invalid"),
    ],
)
def test_a_card_that_is_no_card_is_a_decline(param: str, code: str) -> None:
    assert outcome_of(failed(422, "invalid_parameter", param), "sale", REF) == Declined(code, raw="invalid_parameter")


@pytest.mark.parametrize(("kind", "code"), [("capture", "not_capturable"), ("refund", "not_refundable")])
def test_a_change_that_may_not_be_made_now_is_over(kind: Kind, code: str) -> None:
    assert outcome_of(failed(422, code), kind, REF) == Declined("other_error", raw=code)


_MINE, _OTHER = {"id": "r1", "description": REF}, {"id": "r2", "description": None}


@pytest.mark.parametrize(
    ("kind", "found", "outcome"),
    [
        ("sale", payment("captured"), Approved(ID)),
        ("authorize", payment("authorized"), Approved(ID)),
        ("sale", payment("captured", payment_details={"verification_value": "Approved"}),
         Approved(ID, cvc_result="Approved")),
        ("sale", payment("captured", payment_details=None), Approved(ID)),
        ("sale", payment("failed"), Declined("other_error", raw="failed")),
        ("sale", payment("expired"), Expired()),
        ("sale", payment("cancelled"), NotSent()),
        ("sale", payment("refunded"), NotSent()),
        ("sale", payment("pending"), Unknown()),
        ("capture", payment("captured"), Approved(ID)),
        ("capture", payment("refunded"), Approved(ID)),
        ("capture", payment("authorized"), NotSent()),
        ("capture", payment("expired"), NotSent()),
        ("capture", payment("pending"), Unknown()),
        ("cancel", payment("cancelled"), Approved(ID)),
        ("cancel", payment("authorized"), NotSent()),
        ("cancel", payment("captured"), Declined("not_cancellable", raw="captured")),
        ("refund", payment("captured", refunds=[_OTHER, _MINE]), Approved("r1")),
        ("refund", payment("refunded", refunds=[_OTHER]), NotSent()),
        ("refund", payment("captured"), NotSent()),
        ("refund", {"id": ID, "status": "captured"}, Unknown()),
        ("refund", payment("captured", refunds="many"), Unknown()),
        ("refund", None, Unknown()),
        ("capture", [], Unknown()),
    ],
)  # fmt: skip
def test_a_payment_shows_what_became_of_a_request(kind: Kind, found: Any, outcome: Outcome) -> None:
    assert of_payment(found, kind, REF) == outcome


def test_the_payment_of_a_ref_that_stands_counts_before_one_that_failed() -> None:
    assert found_by_ref(listed(payment("failed"), payment("captured")), REF)["status"] == "captured"
    assert found_by_ref(listed(payment("failed")), REF)["status"] == "failed"
    assert found_by_ref(listed(payment("captured"), payment("new_word")), REF)["status"] == "new_word"


def test_an_empty_list_alone_says_that_there_is_none() -> None:
    assert found_by_ref(listed(), REF) is None
    # Everybody's payments: the filter was not followed. And what is no list.
    for reply in (listed(payment("captured", external_order_num="another")), Reply(500), Reply(200, {}, HTML),
                  Reply(200, {}, b"{}"), failed(401, "unauthorized"), Reply(404, {}, b'{"data": []}')):  # fmt: skip
        assert of_payment(found_by_ref(reply, REF), "sale", REF) == Unknown()


def test_json_pointers() -> None:
    tree = {"a": [{"b": 1}, None], "c": "text"}
    assert at(tree, "/a/0/b") == 1
    for nowhere in ("/a/2", "/a/x", "/a/1/b", "/c/0", "/d/e/f"):
        assert at(tree, nowhere) is None
