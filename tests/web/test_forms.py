"""Forms with brackets: Rack's rules, and what we refuse to guess."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.errors import BadRequest
from azukari.wire import forms


@pytest.mark.parametrize(
    ("raw", "tree"),
    [
        (b"", {}),
        (b"abc123", {"abc123": ""}),
        (b"a=1&b=", {"a": "1", "b": ""}),
        (b"&&a=1&&", {"a": "1"}),
        (b"=1", {}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a+b=c%20d%2Be", {"a b": "c d+e"}),
        (b"a%26b=%3D%26", {"a&b": "=&"}),
        ("名=値".encode(), {"名": "値"}),
        (b"%E5%90%8D=%E5%80%A4", {"名": "値"}),
        (b"a[b]=1", {"a": {"b": "1"}}),
        (b"a%5Bb%5D=1", {"a": {"b": "1"}}),
        (b"a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        (b"a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a[]=1&a[]=2&a[]=", {"a": ["1", "2", ""]}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        (b"a[][b][c]=1&a[][b][d]=2&a[][b][c]=3", {"a": [{"b": {"c": "1", "d": "2"}}, {"b": {"c": "3"}}]}),
        (b"a[][b][]=1&a[][b][]=2", {"a": [{"b": ["1", "2"]}]}),
        (b"a[]=1&a[][b]=2", {"a": ["1", {"b": "2"}]}),
        (b"a[][]=1&a[][]=2", {"a": [["1"], ["2"]]}),
        (b"a[0][b]=1&a[1][b]=2", {"a": {"0": {"b": "1"}, "1": {"b": "2"}}}),
        (b"payment_data[shipping_address][zipcode]=1", {"payment_data": {"shipping_address": {"zipcode": "1"}}}),
    ],
)
def test_a_form_reads_as_rack_reads_it(raw: bytes, tree: dict[str, object]) -> None:
    assert forms.parse(raw) == tree


@pytest.mark.parametrize(
    "raw",
    [
        b"a=1&a=2",
        b"a[b]=1&a[b]=2",
        b"a=1&a[b]=2",
        b"a[b]=1&a=2",
        b"a[b]=1&a[]=2",
        b"a[]=1&a[b]=2",
        b"a[]=1&a=2",
        b"a[][b]=1&a[][b][c]=2&a[][b][c]=3&a[][b]=4&a[][c]=5&a=6",
        b"a[",
        b"a]",
        b"a[b",
        b"a[b]c=1",
        b"a[[b]]=1",
        b"[a]=1",
        b"[]=1",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"%g1=1",
        b"a=\x00",
        b"a=%00",
        b"%00=a",
        b"a=\xff",
        b"a=%FF",
        b"a=%ED%A0%80",
        b"a=%C0%80",
        "a=é".encode("latin-1"),
    ],
)
def test_a_form_that_leaves_room_for_guessing_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        forms.parse(raw)


def test_twenty_levels_are_read_and_no_more() -> None:
    assert forms.parse(b"a" + b"[b]" * 19 + b"=1")
    for deep in (b"a" + b"[b]" * 20, b"a" + b"[]" * 20, b"a" + b"[b]" * 100_000):
        with pytest.raises(BadRequest):
            forms.parse(deep + b"=1")


def test_four_thousand_pairs_are_read_and_no_more() -> None:
    pairs = b"&".join(b"k%d=1" % number for number in range(4_000))
    assert len(forms.parse(pairs)) == 4_000
    with pytest.raises(BadRequest):
        forms.parse(pairs + b"&more=1")


_bits = st.sampled_from([b"a", b"b", b"[", b"]", b"[]", b"[a]", b"=", b"&", b"%", b"%5B", b"%00", b"+", b"\xff", b"1"])


@given(st.one_of(st.binary(max_size=60), st.lists(_bits, max_size=25).map(b"".join)))
def test_any_bytes_are_a_tree_or_a_bad_request(raw: bytes) -> None:
    try:
        tree = forms.parse(raw)
    except BadRequest:
        return
    assert_is_tree(tree)


def assert_is_tree(value: Any) -> None:
    if isinstance(value, dict):
        for key, held in value.items():
            assert key
            assert_is_tree(held)
    elif isinstance(value, list):
        for held in value:
            assert_is_tree(held)
    else:
        assert isinstance(value, str)
        value.encode()


_flat = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[]\0"), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


@given(_flat)
def test_a_flat_form_reads_as_the_standard_library_reads_it(pairs: dict[str, str]) -> None:
    raw = urlencode(pairs).encode()

    assert forms.parse(raw) == pairs == dict(parse_qsl(raw.decode(), keep_blank_values=True))


_trees = st.recursive(
    st.text("xyz ", max_size=3),
    lambda children: (
        st.dictionaries(st.text("abc", min_size=1, max_size=2), children, min_size=1, max_size=3)
        | st.lists(st.text("xyz", max_size=2), min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def written(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, held in value.items() for pair in written(f"{name}[{key}]", held)]
    if isinstance(value, list):
        return [(f"{name}[]", held) for held in value]
    return [(name, value)]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), _trees))
def test_a_tree_written_in_brackets_comes_back(tree: dict[str, Any]) -> None:
    pairs = [pair for key, held in tree.items() for pair in written(key, held)]

    assert forms.parse(urlencode(pairs).encode()) == tree
