"""``docs/api.md``: every operation of the contract, served or not and why, and every one of ours."""

import re

import pytest
from contract import served as maker

from azukari.app import ROUTERS
from tests.compat.contract import ROOT
from tests.web.paths import OPEN

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `([A-Z]+) (\S+)` \| (.+) \| (contract|Azukari) \| (yes|no: .+) \|")
#: Sections 17 to 19 of the contract.
LEFT_OUT = {"settlements", "balances", "disbursements", "chargeback_requests", "merchants", "live_application"}
ROUTES = {(endpoint.method, endpoint.path) for router in ROUTERS for endpoint in router.endpoints} | OPEN


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], tuple[str, str]]:
    """Whose each operation is, and whether it is served."""
    lines = PAGE.partition(maker.BEGIN)[2].partition(maker.END)[0].strip().splitlines()[2:]
    found = [match.groups() for line in lines if (match := ROW.fullmatch(line))]
    assert len(found) == len(lines)
    table = {(method, path): (whose, served) for method, path, _, whose, served in found}
    assert len(table) == len(found)
    return table


@pytest.fixture(scope="module")
def contract() -> set[tuple[str, str]]:
    paths = maker.read("openapi.yaml")["paths"]
    words = {"get", "post", "put", "patch", "delete"}
    return {(method.upper(), path) for path, item in paths.items() for method in item.keys() & words}


def test_the_table_has_every_operation_of_the_contract_and_every_route(rows, contract):
    assert {call for call, (whose, _) in rows.items() if whose == "contract"} == contract
    assert {call for call, (_, served) in rows.items() if served == "yes"} == ROUTES
    assert rows.keys() == contract | ROUTES


def test_all_but_the_sections_left_out_is_served(rows):
    missing = {path.split("/")[1]: served for (_, path), (_, served) in rows.items() if served != "yes"}
    assert missing.keys() == LEFT_OUT
    for word in LEFT_OUT:
        assert re.search(r"\(section 1[789]\)$", missing[word]), word
    assert {path.split("/")[1] for _, path in ROUTES} & LEFT_OUT == set()


def test_the_table_is_up_to_date():
    assert maker.page_of(maker.build()) == PAGE, "docs/api.md is old: run `make openapi`"
