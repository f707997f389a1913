"""Bodies and queries: bytes to a tree, the tree to a Struct."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from azukari.core.errors import ApiError, BadRequest, InvalidParameter, MissingParameter, UnsupportedMediaType
from azukari.core.money import MAX_AMOUNT
from azukari.wire import bodies
from azukari.wire.bodies import (
    COMMAS,
    Amount,
    Currency,
    Expiration,
    Flag,
    LongText,
    Metadata,
    Name,
    Number,
    PageNumber,
    PerPage,
    PositiveAmount,
    ShortText,
    Tax,
    Timestamp,
)

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


# Content types


@pytest.mark.parametrize("content_type", [None, "", JSON, FORM, "multipart/form-data", "text/plain", "nonsense"])
def test_an_empty_body_holds_nothing_whatever_its_type(content_type: str | None) -> None:
    assert bodies.parse(content_type, b"") == {}


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/vnd.api+json",
        " application/json ; v=1",
    ],
)
def test_json_is_known_by_its_type(content_type: str) -> None:
    assert bodies.parse(content_type, b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("content_type", [FORM, FORM + "; charset=UTF-8", FORM.upper()])
def test_a_form_is_known_by_its_type(content_type: str) -> None:
    assert bodies.parse(content_type, b"a=1") == {"a": "1"}


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/json", "multipart/form-data; boundary=x", "application/xml", "application/json-p",
     "application/json; charset=utf-16", FORM + "; charset=shift_jis"],
)  # fmt: skip
def test_a_body_of_another_type_is_415(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        bodies.parse(content_type, b"{}")


def test_an_empty_list_is_php_s_empty_object() -> None:
    assert bodies.parse(JSON, b"[]") == bodies.parse(JSON, b" [ ]\n") == {}


def test_null_is_axios_s_body_that_is_none() -> None:
    assert bodies.parse(JSON, b"null") == bodies.parse(JSON, b" null\n") == {}


def test_a_form_that_is_only_an_id_is_read() -> None:
    assert bodies.parse(FORM, b"0f3k2j1h4g5f6d7s8a9q1w2e3") == {"0f3k2j1h4g5f6d7s8a9q1w2e3": ""}


def test_the_words_null_and_undefined_in_a_form_are_empty_but_within_metadata() -> None:
    raw = b"a=null&b=undefined&c=nullable&d[e]=null&d[f]=1&g[]=null&g[]=2&metadata[h]=null&metadata[i]=undefined"

    assert bodies.parse(FORM, raw) == {
        "a": "",
        "b": "",
        "c": "nullable",
        "d": {"e": "", "f": "1"},
        "g": ["2"],
        "metadata": {"h": "null", "i": "undefined"},
    }
    assert bodies.parse(FORM, b"metadata=null&a=1") == {"metadata": "", "a": "1"}


# JSON


@pytest.mark.parametrize(
    "raw",
    [
        b" ", b"nul", b"[null]", b"1", b'"a"', b"[1]", b"{", b"{}{}", b"{} x", b"{'a':1}", b'{"a":1,}', b"{a:1}",
        b"// c\n{}",
        b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":01}', b'{"a":.5}', b'{"a":+1}', b'{"a":1.}',
        b'{"a":"\x00"}', b'{"a":"\\u0000"}', b'{"\\u0000":1}', b'{"a":"\n"}', b'{"a":"\\x"}',
        b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}', b'{"\\udfff":1}', b'{"a":["\\ud800"]}',
        b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-32-le"),
        b'{"a":1,"a":1}', b'{"a":1,"\\u0061":1}', b'{"x":[{"y":{"a":1,"b":2,"a":3}}]}',
        b'{"a":' + b"9" * 65 + b"}", b'{"a":' + b"9" * 200_000 + b"}", b'{"a":0.' + b"9" * 200_000 + b"}",
        b'{"a":1e' + b"9" * 200_000 + b"}",
        b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", b'{"a":' * 20 + b"{}" + b"}" * 20,
        b"[" * 200_000, b'{"a":' * 50_000, b"[" * 100_000 + b"]" * 100_000,
    ],
)  # fmt: skip
def test_json_that_is_not_plain_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        bodies.parse(JSON, raw)


def test_json_keeps_its_numbers_as_they_were_written() -> None:
    tree = bodies.parse(JSON, b'{"a":500.0,"b":1e3,"c":-0.10,"d":12345678901234567890}')

    assert tree == {"a": Number("500.0"), "b": Number("1e3"), "c": Number("-0.10"), "d": 12345678901234567890}
    assert str(tree["a"]) == "500.0"
    assert "500" not in repr(tree["a"])


def test_json_of_twenty_levels_and_pairs_of_surrogates_are_read() -> None:
    assert bodies.parse(JSON, b'{"a":' + b"[" * 19 + b"]" * 19 + b"}")
    assert bodies.parse(JSON, b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}
    assert len(bodies.parse(JSON, b'{"a":[' + b"{}," * 100 + b"{}]}")) == 1


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | _text,
    lambda children: st.lists(children) | st.dictionaries(_text, children),
    max_leaves=10,
)


@given(st.dictionaries(_text, _json), st.booleans())
def test_plain_json_reads_as_the_standard_library_reads_it(tree: dict[str, Any], ascii_only: bool) -> None:
    raw = json.dumps(tree, ensure_ascii=ascii_only).encode()

    assert bodies.parse(JSON, raw) == json.loads(raw) == tree


_bits = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b'"a"',
        b'"b"',
        b"1",
        b"1.0",
        b"1e9",
        b"NaN",
        b"null",
        b"\\ud800",
        b"\\u0061",
        b"\\",
        b" ",
        b"\x00",
        b"\xff",
        b"-",
        b"true",
    ]
)
_nearly_json = st.lists(_bits, max_size=20).map(lambda bits: b"{" + b"".join(bits) + b"}")


def outcome(read: Callable[[], object]) -> Any:
    """What it returns, or the caller's error it raises; anything else is a bug."""
    try:
        return read()
    except ApiError as error:
        return error


@given(st.sampled_from([JSON, FORM, "text/plain", None]), st.binary(max_size=60) | _nearly_json)
def test_any_body_is_an_object_or_an_error_of_the_callers(content_type: str | None, raw: bytes) -> None:
    read = outcome(lambda: bodies.parse(content_type, raw))

    assert type(read) in (dict, BadRequest, UnsupportedMediaType)


# Members


class Item(msgspec.Struct, kw_only=True):
    amount: PositiveAmount
    quantity: int = 1


class Order(msgspec.Struct, kw_only=True):
    amount: PositiveAmount
    currency: Currency
    tax: Tax = 0
    platform_fee: Amount | None = None
    capture: Flag = True
    external_order_num: ShortText | None = None
    description: LongText | UnsetType | None = UNSET
    family_name: Name | None = None
    locale: Literal["ja", "en", "ko"] | None = None
    email: str | None = None
    line_items: list[Item] = []
    payment_types: list[str] | None = None
    payment_details: object = None
    metadata: Metadata | UnsetType | None = UNSET


def order(**members: object) -> Order:
    return bodies.convert({"amount": 1000, "currency": "JPY", **members}, Order)


AMOUNTS = [
    (1, 1), ("1000", 1000), (Number("500.0"), 500), ("1000.00", 1000), ("10.0", 10), ("1000.0000", 1000),
    (MAX_AMOUNT, MAX_AMOUNT), (str(MAX_AMOUNT), MAX_AMOUNT), ("0100", 100),
]  # fmt: skip
NO_AMOUNTS = [
    -1, MAX_AMOUNT + 1, 10**30, True, False, [], {}, [1], "1.5", "1000.01", "1e3", "1 000", " 1", "1 ", "+1", "-1",
    "1,000", "１０００", "1.", ".5", "1_000", "0x10", "NaN", "auto", "1\n", "9" * 100, "1." + "0" * 100, "¥1", "²",
    Number("1.5"), Number("1e3"), Number("1.0e3"), Number("-1.0"), Number("0.1"), Number("1E0"), Number("-0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "read"), AMOUNTS)
def test_whole_amounts_are_read_however_they_are_written(written: object, read: int) -> None:
    for found in (order(amount=written).amount, order(tax=written).tax, order(platform_fee=written).platform_fee):
        assert found == read
        assert type(found) is int


@pytest.mark.parametrize("written", NO_AMOUNTS)
def test_anything_else_is_no_amount(written: object) -> None:
    with pytest.raises(InvalidParameter) as refused:
        order(amount=written)

    assert refused.value.param == "amount"
    assert refused.value.message.startswith("The value of amount is invalid: it must be a whole number")


@pytest.mark.parametrize("zero", [0, "0", "0.00", Number("0.0")])
def test_zero_is_an_amount_but_not_a_positive_one(zero: object) -> None:
    assert order(platform_fee=zero).platform_fee == 0
    with pytest.raises(InvalidParameter) as refused:
        order(amount=zero)
    assert (refused.value.param, refused.value.message) == ("amount", "Amount must be greater than 0")
    with pytest.raises(InvalidParameter) as refused:
        order(line_items=[{"amount": 1}, {"amount": zero}])
    assert refused.value.param == "line_items[1][amount]"
    assert refused.value.message == "Amount must be greater than 0"


def test_a_tax_may_be_left_to_us() -> None:
    assert order(tax="auto").tax == "auto"


@pytest.mark.parametrize(
    ("written", "read"), [(True, True), (False, False), ("true", True), ("false", False), ("1", True), ("0", False)]
)
def test_flags_are_read_from_words_too(written: object, read: bool) -> None:
    assert order(capture=written).capture is read


@pytest.mark.parametrize("written", ["yes", "TRUE", 2, -1, Number("1.0"), [], {}, "auto"])
def test_anything_else_is_no_flag(written: object) -> None:
    with pytest.raises(InvalidParameter) as refused:
        order(capture=written)
    assert refused.value.param == "capture"


def test_numbers_become_text_where_text_is_meant() -> None:
    assert order(external_order_num=17).external_order_num == "17"
    assert order(external_order_num=Number("1.50")).external_order_num == "1.50"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("external_order_num", "a" * 256),
        ("external_order_num", True),
        ("external_order_num", []),
        ("email", "a" * 256),
        ("email", {"a": "b"}),
        ("description", "a" * 2_001),
        ("family_name", "a" * 256),
        ("family_name", "a\nb"),
        ("family_name", "a\x7fb"),
        ("family_name", "a\u202eb"),
        ("family_name", "a\u2067b"),
        ("locale", "fr"),
        ("locale", 1),
        ("currency", "jpy"),
        ("currency", "XXX"),
        ("currency", 392),
        ("line_items", "x"),
        ("line_items", {"a": {"amount": 1}}),
        ("line_items[0]", None),
        ("payment_types", "konbini"),
        ("metadata", "x"),
        ("metadata", ["x"]),
        ("metadata", {"k" * 31: "v"}),
        ("metadata", {"": "v"}),
        ("metadata", {"k": "v" * 2_001}),
        ("metadata", {"k": {"4111": "v"}}),
        ("metadata", {"k": ["v"]}),
        ("metadata", {f"k{number}": "v" for number in range(101)}),
    ],
)
def test_a_wrong_member_is_named_and_its_value_is_not_repeated(member: str, value: object) -> None:
    with pytest.raises(InvalidParameter) as refused:
        order(**({"line_items": [5]} if member == "line_items[0]" else {member: value}))

    assert refused.value.param == member
    assert refused.value.message.startswith(f"The value of {member} is invalid")
    assert len(refused.value.message) < 250


def test_text_at_its_limits_passes() -> None:
    read = order(
        external_order_num="a" * 255, description="a" * 2_000, family_name="山田 太郎", metadata={"k" * 30: "v" * 2_000}
    )

    assert (len(read.external_order_num or ""), read.family_name) == (255, "山田 太郎")


def test_metadata_holds_text_and_empty_text_removes_a_key() -> None:
    written = {"a": "x", "b": 1, "c": True, "d": False, "e": Number("1.50"), "f": None, "g": "", "h": "null"}

    assert order(metadata=written).metadata == {
        "a": "x",
        "b": "1",
        "c": "true",
        "d": "false",
        "e": "1.50",
        "f": "",
        "g": "",
        "h": "null",
    }


def test_empty_strings_and_nulls_stand_for_nothing() -> None:
    read = order(
        tax="",
        capture=None,
        platform_fee=None,
        external_order_num="",
        description=None,
        email="",
        locale="",
        line_items=None,
        payment_types=["", None, "konbini"],
        payment_details="",
        metadata="",
    )

    assert (read.tax, read.capture, read.platform_fee, read.external_order_num) == (0, True, None, None)
    assert (read.email, read.locale, read.line_items, read.payment_types) == (None, None, [], ["konbini"])
    assert (read.payment_details, read.metadata) == (None, UNSET)
    assert read.description is None


@pytest.mark.parametrize("given_members", [{}, {"amount": None}, {"amount": ""}])
def test_a_required_member_that_is_not_given_is_missing(given_members: dict[str, object]) -> None:
    with pytest.raises(MissingParameter) as missing:
        bodies.convert({"currency": "JPY", **given_members}, Order)

    assert missing.value.message == "A required parameter (amount) is missing."
    with pytest.raises(MissingParameter) as missing:
        order(line_items=[{"amount": 1}, {"quantity": "2"}])
    assert missing.value.param == "line_items[1][amount]"


def test_unknown_members_are_ignored_and_raw_ones_left_alone() -> None:
    raw = {"number": "", "nested": [None, {"a": ""}]}

    assert order(payment_details=raw, unknown={"a": 1}).payment_details is raw
    assert order(payment_details="tok_1").payment_details == "tok_1"


def test_a_list_may_be_written_as_php_writes_it() -> None:
    tree = bodies.parse(FORM, b"amount=1&currency=JPY&line_items[0][amount]=2&line_items[1][amount]=3")

    assert [item.amount for item in bodies.convert(tree, Order).line_items] == [2, 3]


@pytest.mark.parametrize("value", ["x - at `$.amount`", "Object missing required field `amount`", "`", "$.x[9]"])
def test_what_a_caller_wrote_cannot_pose_as_the_place_of_an_error(value: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        order(locale=value)
    assert refused.value.param == "locale"


def test_a_type_that_says_two_ways_to_read_it_is_a_bug() -> None:
    class Torn(msgspec.Struct):
        amount: Amount | ShortText

    with pytest.raises(TypeError):
        bodies.convert({"amount": 1}, Torn)


_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.floats().map(repr).map(Number),
    st.sampled_from(["1", "0", "auto", "JPY", "", "true", "ja"]),
)
_values = st.recursive(
    _leaves,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(["amount", "0", "x"]), children),
    max_leaves=4,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Order.__struct_fields__, _values)))
def test_any_tree_is_an_order_or_an_error_of_the_callers(tree: dict[str, object]) -> None:
    read = outcome(lambda: bodies.convert({"amount": 1, "currency": "JPY", **tree}, Order))

    if isinstance(read, Order):
        assert 0 < read.amount <= MAX_AMOUNT
    else:
        assert type(read) in (MissingParameter, InvalidParameter)
        assert read.param.partition("[")[0] in Order.__struct_fields__


# Queries


class Query(msgspec.Struct, kw_only=True):
    page: PageNumber = 1
    per_page: PerPage = 10
    start_time: Timestamp | None = None
    currency: Currency | None = None
    external_order_num: ShortText | None = None
    expiration: Expiration | None = None
    status: Annotated[list[Literal["pending", "captured"]], COMMAS] = []


def test_a_query_without_anything_has_its_defaults() -> None:
    read = bodies.convert_query(b"page=&per_page=&start_time=&unknown=1&status=", Query)

    assert (read.page, read.per_page, read.start_time, read.status) == (1, 10, None, [])


@pytest.mark.parametrize(
    "raw",
    [
        b"status=pending,captured", b"status[]=pending&status[]=captured", b"status=pending%2Ccaptured,",
        b"status[0]=pending&status[1]=captured",
    ],
)  # fmt: skip
def test_several_statuses_are_read(raw: bytes) -> None:
    assert bodies.convert_query(raw, Query).status == ["pending", "captured"]


@pytest.mark.parametrize(
    ("raw", "milliseconds"),
    [
        (b"2018-11-13T06:20:21Z", 1_542_090_021_000),
        (b"2018-11-13T15:20:21.500%2B09:00", 1_542_090_021_500),
        (b"2018-11-13T06:20:21.500999999Z", 1_542_090_021_500),
        (b"2018-11-13T15:20:21+09:00", 1_542_090_021_000),
        (b"2018-11-13+15:20:21+0900", 1_542_090_021_000),
        (b"2018-11-13+15%3A20%3A21+%2B0900", 1_542_090_021_000),
        (b"2018-11-13%2001:20:21%20-0500", 1_542_090_021_000),
        (b"2018-11-13+15:20:21++0900", 1_542_090_021_000),
        (b"2018-11-13+15:20:21+09:00", 1_542_090_021_000),
        (b"2018-11-13+06:20:21+UTC", 1_542_090_021_000),
        (b"2018-11-13+06:20:21.5+UTC", 1_542_090_021_500),
        (b"2018-11-13T06:20:21", 1_542_090_021_000),
        (b"2018-11-13", 1_542_067_200_000),
    ],
)
def test_times_are_read_in_all_their_forms(raw: bytes, milliseconds: int) -> None:
    assert bodies.convert_query(b"start_time=" + raw, Query).start_time == milliseconds


@pytest.mark.parametrize(
    "raw",
    [
        b"page=0", b"page=-1", b"page=1.5", b"page=x", b"page=1000001", b"per_page=0", b"per_page=101", b"per_page=1e1",
        b"start_time=x", b"start_time=2018", b"start_time=2018-13-01", b"start_time=2018-11-13T25:00:00Z",
        b"start_time=2018-11-13+06:20:21+JST", b"start_time=2018-11-13+UTC", b"start_time=2018-W01-1",
        b"start_time=1542090021", b"start_time=0001-01-01T00:00:00%2B99:00", b"currency=xxx",
        b"expiration=1328", b"expiration=128", b"expiration=0028-1", b"expiration=2028-01",
        b"external_order_num[a]=1", b"page[]=1",
    ],
)  # fmt: skip
def test_a_wrong_query_is_named(raw: bytes) -> None:
    with pytest.raises(InvalidParameter) as refused:
        bodies.convert_query(raw, Query)
    assert refused.value.param == raw.decode().replace("[", "=").partition("=")[0]


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(InvalidParameter) as refused:
        bodies.convert_query(b"status=pending,unheard_of", Query)
    assert refused.value.param == "status"


def test_the_earliest_and_latest_times_do_not_overflow() -> None:
    assert bodies.convert_query(b"start_time=0001-01-01T00:00:00%2B14:00", Query).start_time is not None
    assert bodies.convert_query(b"start_time=9999-12-31T23:59:59-14:00", Query).start_time is not None


def test_a_card_in_a_month_is_asked_for_by_four_digits() -> None:
    assert bodies.convert_query(b"expiration=0128&currency=USD&external_order_num=1", Query).expiration == "0128"


# Addresses


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/payments/4111111111111111", b""),
        ("/api/v1/payments/4111 1111 1111 1111", b""),
        ("/api/v1/payments/４１１１１１１１１１１１１１１１", b""),
        ("/x", b"number=4111111111111111&a=b"),
        ("/x", b"number=4111-1111-1111-1111"),
        ("/x", b"number=4111+1111+1111+1111"),
        ("/x", b"number=4111%201111%201111%201111"),
        ("/x", b"number=%34111111111111111"),
        ("/x", b"number=%2534111111111111111"),
        ("/x", b"number=12+4111111111111111"),
        ("/x", b"number=378282246310005"),
        ("/x/sk_test_abcdefghij1234567890", b""),
        ("/x", b"key=sk_live_abcdefghij1234567890"),
        ("/x", b"key=%73k_live_abcdefghij1234567890"),
    ],
)
def test_a_card_number_or_a_secret_key_in_a_url_is_refused(path: str, query: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        bodies.url_is_clean(path, query)
    assert "4" not in refused.value.message


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/payments", b""),
        ("/api/v1/payments/0f3k2j1h4g5f6d7s8a9q1w2e3/capture", b""),
        ("/api/v1/payments/a4111111111111111bcdefghij", b""),
        ("/x", b"start_time=2026-03-01T00:00:00Z&end_time=2026-03-31T23%3A59%3A59%2B09:00"),
        ("/x", b"external_order_num=4111111111111112"),
        ("/x", b"external_order_num=7111111111111111114"),
        ("/x", b"key=sk_test_short&other=pk_test_abcdefghij1234567890&bad=%FF%zz"),
    ],
)
def test_other_urls_are_clean(path: str, query: bytes) -> None:
    bodies.url_is_clean(path, query)
