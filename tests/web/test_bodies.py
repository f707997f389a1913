"""Bodies: bytes to a tree."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.errors import BadRequest, UnsupportedMediaType
from azukari.wire import bodies
from azukari.wire.bodies import Number
from tests.web.reading import FORM, JSON, outcome

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


@given(st.sampled_from([JSON, FORM, "text/plain", None]), st.binary(max_size=60) | _nearly_json)
def test_any_body_is_an_object_or_an_error_of_the_callers(content_type: str | None, raw: bytes) -> None:
    read = outcome(lambda: bodies.parse(content_type, raw))

    assert type(read) in (dict, BadRequest, UnsupportedMediaType)
