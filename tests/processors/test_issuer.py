"""The simulator's issuer, which is an authenticator like any other, and its journal."""

import dataclasses
import json
import threading
from pathlib import Path

import msgspec
import pytest

from azukari.processors.base import AuthenticationRequest, Processor, SimulatorDirectives
from azukari.processors.simulator import issuer
from azukari.processors.simulator.issuer import IssuerEntry, journal
from azukari.vault import Vault
from tests.house import House
from tests.processors.contract import AuthenticatorContract, AuthStand


class TestIssuer(AuthenticatorContract):
    """What every authenticator promises."""

    @dataclasses.dataclass
    class Stand:
        """A stand whose issuers are the house's own."""

        processor: Processor
        vault: Vault
        passes: str = "4100000000000100"
        challenged: str = "5100000000005007"
        right: str = "123456"
        stranger: str = "4111111111111111"

        def unreachable(self, order: AuthenticationRequest) -> AuthenticationRequest:
            return dataclasses.replace(order, test=SimulatorDirectives(fault="processor_down"))

    @pytest.fixture
    def engine(self) -> str:
        """No database has a part in this."""
        return "sqlite"

    @pytest.fixture
    def stand(self, house: House) -> AuthStand:
        processor = house.services.processors.named("simulator")
        assert processor is not None
        return self.Stand(processor, house.services.vault)


def _entry(ref: str, tries: int = 0) -> IssuerEntry:
    return IssuerEntry(ref, 1000, "JPY", "visa", "challenge", "CHALLENGE", 1, tries)


def test_the_journal_is_shared_and_the_latest_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "issuer.jsonl"
    one, two = journal(path), journal(path)
    assert one.find("a") is None
    one.write(_entry("a"))
    two.write(_entry("b"))
    assert two.find("a") == _entry("a")
    two.write(_entry("a", 1))
    assert one.find("a") == _entry("a", 1)
    assert journal(path).find("b") == _entry("b")


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "issuer.jsonl"
    own = journal(path)
    own.write(_entry("a"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    reader = journal(path)
    assert reader.find("a") == _entry("a")
    path.write_bytes(whole + whole.replace(b'"tries":0', b'"tries":2'))
    assert reader.find("a") == _entry("a", 2)


def test_a_full_file_makes_way_for_a_new_one_and_nothing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks seldom, or begins late, knows as much as who looks at each."""
    monkeypatch.setattr(issuer, "FULL_AT", 1_000)
    path = tmp_path / "issuer.jsonl"
    writers = [journal(path), journal(path)]
    often, seldom, half = journal(path), journal(path), journal(path)
    fits = 1_000 // len(msgspec.json.encode(_entry("000")))

    for number in range(200):
        writers[number % 2].write(_entry(f"{number:03}"))
        assert often.find(f"{number:03}") is not None
        if number % (fits // 2) == 0:
            half.find("none")
    late = journal(path)

    assert [number for number in range(200) if often.find(f"{number:03}") is None] == []
    assert [number for number in range(200) if half.find(f"{number:03}") is None] == []
    for own in (seldom, late):
        assert [number for number in range(200 - fits, 200) if own.find(f"{number:03}") is None] == []
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3_000


def test_lines_of_several_processes_all_come_into_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer, "FULL_AT", 2_000)
    path, reader = tmp_path / "issuer.jsonl", journal(tmp_path / "issuer.jsonl")
    found: set[str] = set()

    def write(name: str) -> None:
        own = journal(path)
        for number in range(100):
            own.write(_entry(f"{name}{number}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        reader.find("none")
    reader.find("none")
    for thread in threads:
        thread.join()
    found.update(reader._recent)
    left = {json.loads(line)["ref"] for file in tmp_path.iterdir() for line in file.read_bytes().splitlines()}

    assert left <= found


def test_a_line_that_a_crash_cut_short_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "issuer.jsonl"
    journal(path).write(_entry("a"))
    path.write_bytes(path.read_bytes() + b'{"ref":"b"\n')
    journal(path).write(_entry("c"))

    assert [journal(path).find(ref) is not None for ref in "abc"] == [True, False, True]


async def test_the_journal_holds_no_card_and_nothing_that_proves(house: House) -> None:
    made = await house.api.secure_token("4100000000000100")
    assert made["verification_status"] == "OK"
    written = (house.services.settings.data / "issuer.jsonl").read_text()
    assert "4100000000000100" not in written
    assert set(json.loads(written)) == {
        "ref",
        "amount",
        "currency",
        "brand",
        "plan",
        "status",
        "at",
        "tries",
    }
