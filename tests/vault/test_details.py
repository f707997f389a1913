"""Payment details as they come in: what is taken, what is refused and how, and that nothing of it shows."""

import copy
import json
import logging
import pickle
import sys
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.clock import parse_iso
from azukari.core.errors import ApiError, MissingParameter
from azukari.core.pan import luhn
from azukari.core.secret import Secret
from azukari.vault import AccessGrant, PaymentDetails, looks_like_card_number
from azukari.vault.inside.entries import Plain
from azukari.vault.inside.numbers import brand_of, masked

from .conftest import AMEX, CARDS, DINERS, JCB, MASTER, NOW, VISA, A, card

CARD: dict[str, object] = {"type": "credit_card", "number": VISA, "month": 8, "year": 2030}
FULL_WIDTH = "４１１１１１１１１１１１１１１１"
ARABIC = "٤١١١١١١١١١١١١١١١"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"brand": "visa", "bin": "41111111", "last4": "1111", "month": 8, "year": 2030}),
        ({"number": "4111 1111 1111 1111"}, {"last4": "1111"}),
        ({"number": "4111-1111-1111-1111"}, {"last4": "1111"}),
        ({"number": " 4111111111111111 "}, {"last4": "1111"}),
        ({"number": MASTER}, {"brand": "master", "bin": "55555555"}),
        ({"number": AMEX}, {"brand": "american_express", "bin": "378282", "last4": "0005"}),
        ({"number": JCB}, {"brand": "jcb", "bin": "35301113"}),
        ({"number": DINERS}, {"brand": "diners_club", "bin": "305693"}),
        ({"number": "6011111111111117"}, {"brand": "discover"}),
        ({"number": "6200000000000005"}, {"brand": "unionpay"}),
        ({"number": "2223003122003222"}, {"brand": "master"}),
        ({"number": "000000000000"}, {"brand": "unknown", "bin": "000000"}),
        ({"number": "4000000000000000006"}, {"brand": "visa", "bin": "40000000", "last4": "0006"}),
        ({"month": "08"}, {"month": 8}),
        ({"month": "8"}, {"month": 8}),
        ({"month": 1, "year": 2026}, {"month": 1, "year": 2026}),
        ({"month": "02", "year": "29"}, {"month": 2, "year": 2029}),
        ({"year": 29}, {"year": 2029}),
        ({"year": "2030"}, {"year": 2030}),
        ({"year": 2099}, {"year": 2099}),
        ({"verification_value": "123"}, {"verification_value": "123"}),
        ({"verification_value": "0123"}, {"verification_value": "0123"}),
        ({"verification_value": 987}, {"verification_value": "987"}),
        ({"verification_value": ""}, {"verification_value": None}),
        ({"verification_value": None}, {"verification_value": None}),
        ({"name": "Hana Sato"}, {"name": "Hana Sato", "holder": "Hana Sato"}),
        ({"name": "佐藤 花"}, {"name": "佐藤 花"}),
        ({"name": ""}, {"name": None, "holder": None}),
        ({"name": None, "given_name": "Hana", "family_name": "Sato"}, {"holder": "Hana Sato"}),
        ({"name": "X", "given_name": "Hana"}, {"holder": "X"}),
        ({"family_name": "Sato"}, {"holder": "Sato"}),
        ({"name": "n" * 255}, {"name": "n" * 255}),
        ({"email": "", "phone": ""}, {"email": None, "phone": None}),
        ({"email": " ａ＠example。com"}, {"email": "a@example.com"}),
        ({"phone": "+81 90-1234-5678"}, {"phone": "+81 90-1234-5678"}),
        ({"phone": "+49 151 12345678"}, {"phone": "+49 151 12345678"}),
        ({"phone": 81312345678}, {"phone": "81312345678"}),
        ({"intent": "card_on_file", "three_d_secure": True, "whatever": [1]}, {"brand": "visa"}),
    ],
)
def test_what_is_taken(given: dict[str, object], expected: dict[str, object]) -> None:
    details = PaymentDetails.parse(CARD | given, now=NOW)

    for name, value in expected.items():
        got = getattr(details, name)
        assert (got.reveal() if isinstance(got, Secret) else got) == value


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"type": None}, "missing_parameter", "type"),
        ({"type": ""}, "missing_parameter", "type"),
        ({"type": 1}, "invalid_parameter", "type"),
        ({"type": "card"}, "invalid_payment_type", "type"),
        ({"type": VISA}, "invalid_payment_type", "type"),
        ({"type": "konbini"}, "invalid_payment_type", "type"),
        ({"type": "paypay"}, "invalid_payment_type", "type"),
        ({"number": None}, "missing_parameter", "number"),
        ({"number": ""}, "missing_parameter", "number"),
        ({"number": 4111111111111111}, "invalid_parameter", "number"),
        ({"number": [VISA]}, "invalid_parameter", "number"),
        ({"number": {"0": VISA}}, "invalid_parameter", "number"),
        ({"number": True}, "invalid_parameter", "number"),
        ({"number": "4111111111111112"}, "invalid_parameter", "number"),
        ({"number": "41111111111"}, "invalid_parameter", "number"),
        ({"number": "0" * 20}, "invalid_parameter", "number"),
        ({"number": VISA + "\n"}, "invalid_parameter", "number"),
        ({"number": "4111\u00a0111111111111"}, "invalid_parameter", "number"),
        ({"number": "4111.1111.1111.1111"}, "invalid_parameter", "number"),
        ({"number": FULL_WIDTH}, "invalid_parameter", "number"),
        ({"number": ARABIC}, "invalid_parameter", "number"),
        ({"number": "  --  "}, "invalid_parameter", "number"),
        ({"number": "411111111111111²"}, "invalid_parameter", "number"),
        ({"month": None}, "missing_parameter", "month"),
        ({"month": ""}, "missing_parameter", "month"),
        ({"month": 0}, "invalid_parameter", "month"),
        ({"month": 13}, "invalid_parameter", "month"),
        ({"month": -1}, "invalid_parameter", "month"),
        ({"month": "008"}, "invalid_parameter", "month"),
        ({"month": "８"}, "invalid_parameter", "month"),
        ({"month": " 8"}, "invalid_parameter", "month"),
        ({"month": 8.0}, "invalid_parameter", "month"),
        ({"month": True}, "invalid_parameter", "month"),
        ({"month": "Aug"}, "invalid_parameter", "month"),
        ({"year": None}, "missing_parameter", "year"),
        ({"year": "030"}, "invalid_parameter", "year"),
        ({"year": "02030"}, "invalid_parameter", "year"),
        ({"year": 2100}, "invalid_parameter", "year"),
        ({"year": 10**30}, "invalid_parameter", "year"),
        ({"year": 1999}, "invalid_parameter", "year"),
        ({"year": -1}, "invalid_parameter", "year"),
        ({"year": 2025}, "invalid_parameter", "year"),
        ({"year": "25"}, "invalid_parameter", "year"),
        ({"year": False}, "invalid_parameter", "year"),
        ({"verification_value": "12"}, "invalid_parameter", "verification_value"),
        ({"verification_value": "12345"}, "invalid_parameter", "verification_value"),
        ({"verification_value": "12a"}, "invalid_parameter", "verification_value"),
        ({"verification_value": "１２３"}, "invalid_parameter", "verification_value"),
        ({"verification_value": 12}, "invalid_parameter", "verification_value"),
        ({"verification_value": -123}, "invalid_parameter", "verification_value"),
        ({"verification_value": True}, "invalid_parameter", "verification_value"),
        ({"verification_value": ["123"]}, "invalid_parameter", "verification_value"),
        ({"name": "n" * 256}, "invalid_parameter", "name"),
        ({"name": "Hana\nSato"}, "invalid_parameter", "name"),
        ({"name": "Hana\x00"}, "invalid_parameter", "name"),
        ({"name": "Hana\x7f"}, "invalid_parameter", "name"),
        ({"name": "花\u202eotaS"}, "invalid_parameter", "name"),
        ({"given_name": "\u2066x"}, "invalid_parameter", "given_name"),
        ({"family_name": "花\u0085"}, "invalid_parameter", "family_name"),
        ({"name": "花\ud800"}, "invalid_parameter", "name"),
        ({"name": True}, "invalid_parameter", "name"),
        ({"name": int(VISA)}, "invalid_parameter", "name"),
        ({"phone": int(VISA)}, "invalid_parameter", "phone"),
        ({"name": VISA}, "invalid_parameter", "name"),
        ({"name": "Hana 4111 1111 1111 1111"}, "invalid_parameter", "name"),
        ({"email": f"{AMEX}@example.com"}, "invalid_parameter", "email"),
        ({"phone": "5555-5555-5555-4444"}, "invalid_parameter", "phone"),
        ({"phone": DINERS}, "invalid_parameter", "phone"),
        ({"phone": FULL_WIDTH}, "invalid_parameter", "phone"),
    ],
)
def test_what_is_refused(given: dict[str, object], code: str, param: str) -> None:
    with pytest.raises(ApiError) as raised:
        PaymentDetails.parse(CARD | given, now=NOW)

    error = raised.value
    assert (error.status, error.code, error.param) == (422, code, f"payment_details[{param}]")
    told = f"{error.message}{error}{error!r}{error.args}"
    assert VISA not in told
    assert not any(sign in told for sign in ("Hana", "12345", FULL_WIDTH))


@pytest.mark.parametrize("tree", [None, "", [], "text", 1, True])
def test_what_is_no_object_is_refused(tree: object) -> None:
    with pytest.raises(ApiError) as raised:
        PaymentDetails.parse(tree, now=NOW)
    assert (raised.value.status, raised.value.param) == (422, "payment_details")


def test_errors_name_the_parameter_the_caller_knows() -> None:
    with pytest.raises(MissingParameter) as raised:
        PaymentDetails.parse({"type": "credit_card"}, now=NOW, param="card")
    assert raised.value.param == "card[number]"


def test_a_type_that_is_no_card_is_not_named() -> None:
    for value in ("konbini", "6011 1111"):
        with pytest.raises(ApiError) as raised:
            PaymentDetails.parse({"type": value}, now=NOW)
        assert value not in raised.value.message


@pytest.mark.parametrize(
    ("moment", "param"),
    [
        ("2030-08-31T23:59:59Z", None),
        ("2030-09-01T11:59:59Z", None),  # still August twelve hours west of Greenwich
        ("2030-09-01T12:00:00Z", "month"),
        ("2031-01-01T12:00:00Z", "year"),
    ],
)
def test_a_card_is_good_through_the_last_day_of_its_month(moment: str, param: str | None) -> None:
    if param is None:
        PaymentDetails.parse(CARD, now=parse_iso(moment))
        return
    with pytest.raises(ApiError) as raised:
        PaymentDetails.parse(CARD, now=parse_iso(moment))
    assert raised.value.param == f"payment_details[{param}]"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(CARDS),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "number", "month", "year", "verification_value", "name", "email", "phone"]), _json
    ),
    st.booleans(),
)
def test_any_json_is_taken_or_refused_and_nothing_else(tree: dict[str, object], over_a_good_one: bool) -> None:
    try:
        details = PaymentDetails.parse(CARD | tree if over_a_good_one else tree, now=NOW)
    except ApiError as error:
        answer: ApiError | str = error
    else:
        answer = details.number.reveal()
    assert luhn(answer) if isinstance(answer, str) else answer.status == 422


# What shows


@pytest.fixture
def details() -> PaymentDetails:
    return card(VISA, verification_value="9137")


@pytest.fixture(params=["details", "number", "code", "use", "plain"])
def hidden(request: pytest.FixtureRequest, details: PaymentDetails) -> object:
    assert details.verification_value is not None
    return {
        "details": details,
        "number": details.number,
        "code": details.verification_value,
        "use": AccessGrant(A, "", details),
        "plain": Plain.of(details),
    }[request.param]


def test_printing_shows_no_digits(hidden: object) -> None:
    shown = [repr(hidden), str(hidden), f"{hidden}", f"{hidden!r:>40}", "%s %r" % (hidden, hidden), str([hidden])]  # noqa: UP031
    for text in shown:
        assert VISA not in text
        assert "9137" not in text


def test_a_log_line_shows_no_digits(hidden: object, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("got %s %r", hidden, hidden)

    assert VISA not in caplog.text
    assert "9137" not in caplog.text


def test_a_traceback_with_its_locals_shows_no_digits(hidden: object) -> None:
    try:
        kept = hidden
        raise RuntimeError(kept)
    except RuntimeError:
        text = "".join(traceback.TracebackException(*sys.exc_info(), capture_locals=True).format())  # type: ignore[arg-type]

    assert "kept" in text
    assert VISA not in text
    assert "9137" not in text


def test_pickle_and_copies_are_refused(hidden: object) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(hidden, protocol)
    if isinstance(hidden, Plain):  # never leaves the room, and there it is copied into the order
        return
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(hidden)


def test_json_is_refused(details: PaymentDetails) -> None:
    for hidden in (details, details.number, AccessGrant(A, "", details), {"a": [details]}):
        with pytest.raises(TypeError):
            json.dumps(hidden)
        with pytest.raises(TypeError):
            msgspec.json.encode(hidden)
        with pytest.raises(TypeError):
            msgspec.to_builtins(hidden)


def test_there_is_no_dictionary_to_look_into(details: PaymentDetails) -> None:
    for hidden in (details, details.number, AccessGrant(A, "", details)):
        with pytest.raises(TypeError):
            vars(hidden)


def test_the_masked_form_may_be_stored(details: PaymentDetails) -> None:
    assert json.loads(msgspec.json.encode(details.masked)) == {
        "type": "credit_card",
        "brand": "visa",
        "bin": "41111111",
        "last4": "1111",
        "month": 8,
        "year": 2030,
        "name": "Hana Sato",
        "email": None,
    }


def test_printing_shows_what_may_be_shown(details: PaymentDetails) -> None:
    assert repr(details) == "PaymentDetails(credit_card visa 41111111…1111 08/2030)"


# Numbers


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        (VISA, "41111111****1111"),
        (AMEX, "378282*****0005"),
        (DINERS, "305693****5904"),
        ("0" * 19, "00000000*******0000"),
    ],
)
def test_one_truncation_everywhere(digits: str, shown: str) -> None:
    assert masked(digits) == shown


@pytest.mark.parametrize(
    ("prefix", "length", "brand"),
    [
        ("2220", 16, "unknown"), ("2221", 16, "master"), ("2720", 16, "master"), ("2721", 16, "unknown"),
        ("50", 16, "unknown"), ("51", 16, "master"), ("55", 16, "master"), ("56", 16, "unknown"),
        ("34", 15, "american_express"), ("37", 15, "american_express"), ("37", 16, "unknown"),
        ("3527", 16, "unknown"), ("3528", 16, "jcb"), ("3589", 16, "jcb"), ("3590", 16, "unknown"),
        ("300", 14, "diners_club"), ("306", 14, "unknown"), ("3095", 14, "diners_club"), ("36", 14, "diners_club"),
        ("6011", 16, "discover"), ("644", 16, "discover"), ("643", 16, "unknown"), ("65", 16, "discover"),
        ("62", 16, "unionpay"), ("4", 13, "visa"), ("4", 16, "visa"), ("4", 19, "visa"), ("4", 14, "unknown"),
    ],
)  # fmt: skip
def test_the_edges_of_each_brand(prefix: str, length: int, brand: str) -> None:
    assert brand_of(prefix.ljust(length, "0")) == brand


@pytest.mark.parametrize("number", CARDS)
def test_a_card_number_in_text_is_noticed(number: str) -> None:
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    for text in (number, spaced, spaced.replace(" ", "-"), f"my card is {spaced}, thanks", f"no. 2: {number}"):
        assert looks_like_card_number(text)
    assert not looks_like_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))
