"""Members of bodies: the tree to a Struct."""

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from azukari.core.errors import InvalidParameter, MissingParameter
from azukari.core.money import MAX_AMOUNT
from azukari.wire import bodies
from azukari.wire.bodies import Amount, Currency, Flag, LongText, Metadata, Name, Number, PositiveAmount, ShortText, Tax
from tests.web.reading import FORM, outcome


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
