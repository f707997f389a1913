"""Lists of payments, by pages and by filters. Source: contract section 3."""

from typing import Any

import pytest

from azukari.core.clock import DAY
from azukari.merchants import store as merchants
from tests.house import Api, House
from tests.payments.by_card import hold, pay
from tests.replies import refusal


async def test_a_list_is_filtered_by_each_of_its_words(api: Api) -> None:
    captured = (await pay(api, external_order_num="1"))["id"]
    dollars = (await pay(api, currency="USD"))["id"]
    held, cancelled = await hold(api), await hold(api)
    await api.post(f"/payments/{cancelled}/cancel")

    async def ids(**query: str) -> list[str]:
        listed = (await api.get("/payments", params=query)).json()
        assert listed["total"] == len(listed["data"])
        return [payment["id"] for payment in listed["data"]]

    assert await ids() == [cancelled, held, dollars, captured]
    assert await ids(currency="USD") == [dollars]
    assert await ids(currency="EUR") == []
    assert await ids(external_order_num="1") == [captured]
    assert await ids(external_order_num="2") == []
    assert await ids(status="authorized") == [held]
    assert await ids(status="authorized,cancelled") == [cancelled, held]
    assert await ids(status="captured,authorized,cancelled,failed,expired,pending,refunded") == await ids()
    assert await ids(status="captured", currency="JPY", external_order_num="1") == [captured]
    assert await ids(status="refunded") == []
    assert await ids(merchant_id="somebody") == []
    assert await ids(currency="", status="", external_order_num="") == await ids()


async def test_a_list_is_of_ones_own_and_of_known_words(house: House) -> None:
    merchant = (await house.services.db.read(merchants.list_merchants))[0].id
    made = await pay(house.api)

    own = (await house.api.get("/payments", params={"merchant_id": merchant, "status": "captured"})).json()
    assert (own["data"], own["total"]) == ([made], 1)
    other = (await house.api.get("/payments", params={"merchant_id": "0" * 25})).json()
    assert (other["data"], other["total"], other["last_page"]) == ([], 0, 0)
    for name, wrong, code in (
        ("status", "done", "invalid_parameter"),
        ("status", "captured,done", "invalid_parameter"),
        ("currency", "YEN", "invalid_currency"),
    ):
        assert refusal(await house.api.get("/payments", params={name: wrong})) == (422, code, name)


@pytest.mark.parametrize("way", ["json", "data"])
async def test_a_list_is_filtered_by_the_body_of_the_request_too(api: Api, way: str) -> None:
    ordered = await pay(api, external_order_num="A-1")
    await pay(api, external_order_num="A-2")

    async def listed(filters: dict[str, Any], query: str = "") -> Any:
        return await api.request("GET", f"/payments{query}", **{way: filters})  # type: ignore[arg-type]

    assert (await listed({"external_order_num": "A-1", "per_page": 1})).json()["data"] == [ordered]
    assert (await listed({"external_order_num": "A-1"}, "?status=captured")).json()["total"] == 1
    assert (await listed({"status": "failed"}, "?external_order_num=A-1")).json()["total"] == 0
    assert refusal(await listed({"status": "done"})) == (422, "invalid_parameter", "status")


async def test_payments_are_listed_by_pages_and_by_when_they_were_made(house: House) -> None:
    made = []
    for _ in range(3):
        made.append(await pay(house.api))
        house.clock.advance(DAY)
    middle = made[1]["created_at"]

    async def listed(**query: Any) -> list[Any]:
        found = (await house.api.get("/payments", params=query)).json()
        return list(found["data"])

    assert await listed() == made[::-1]
    assert await listed(per_page=2) == made[:0:-1]
    assert await listed(per_page=2, page=2) == [made[0]]
    assert await listed(per_page=2, page=3) == []
    assert await listed(start_time=middle) == made[:0:-1]
    assert await listed(end_time=middle) == made[1::-1]
    assert await listed(start_time=middle, end_time=middle, status="captured", currency="JPY") == [made[1]]
