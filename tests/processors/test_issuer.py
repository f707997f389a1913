"""The simulator's issuer, which is an authenticator like any other, and its book."""

import dataclasses
import json
from pathlib import Path

import pytest

from azukari.processors.base import AuthOrder, Processor, TestOrders
from azukari.processors.simulator.issuer import IssuerBook, Line
from azukari.vault import Vault
from tests.house import House
from tests.processors.contract import AuthenticatorContract, AuthStand


class TestIssuer(AuthenticatorContract):
    """What every authenticator promises."""

    @dataclasses.dataclass
    class Desk:
        """A stand whose issuers are the house's own."""

        processor: Processor
        vault: Vault
        passes: str = "4100000000000100"
        challenged: str = "5100000000005007"
        right: str = "123456"
        stranger: str = "4111111111111111"

        def unreachable(self, order: AuthOrder) -> AuthOrder:
            return dataclasses.replace(order, test=TestOrders(fault="processor_down"))

    @pytest.fixture
    def engine(self) -> str:
        """No database has a part in this."""
        return "sqlite"

    @pytest.fixture
    def stand(self, house: House) -> AuthStand:
        processor = house.parts.processors.named("simulator")
        assert processor is not None
        return self.Desk(processor, house.parts.vault)


def _line(ref: str, tries: int = 0) -> Line:
    return Line(ref, 1000, "JPY", "visa", "challenge", "CHALLENGE", 1, tries)


def test_the_book_is_shared_and_the_latest_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "issuer.jsonl"
    one, two = IssuerBook(path), IssuerBook(path)
    assert one.find("a") is None
    one.write(_line("a"))
    two.write(_line("b"))
    assert two.find("a") == _line("a")
    two.write(_line("a", 1))
    assert one.find("a") == _line("a", 1)
    assert IssuerBook(path).find("b") == _line("b")


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "issuer.jsonl"
    book = IssuerBook(path)
    book.write(_line("a"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    reader = IssuerBook(path)
    assert reader.find("a") == _line("a")
    path.write_bytes(whole + whole.replace(b'"tries":0', b'"tries":2'))
    assert reader.find("a") == _line("a", 2)


async def test_the_book_holds_no_card_and_nothing_that_proves(house: House) -> None:
    made = await house.api.secure_token("4100000000000100")
    assert made["verification_status"] == "OK"
    written = (house.parts.settings.data / "issuer.jsonl").read_text()
    assert "4100000000000100" not in written
    assert set(json.loads(written)) == {
        "ref", "amount", "currency", "brand", "plan", "status", "at", "tries",
    }  # fmt: skip
