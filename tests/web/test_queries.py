"""Queries, and what no address may hold."""

from typing import Annotated, Literal

import msgspec
import pytest

from azukari.core.errors import BadRequest, InvalidParameter
from azukari.wire import bodies
from azukari.wire.bodies import COMMAS, Currency, Expiration, PageNumber, PerPage, ShortText, Timestamp


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
