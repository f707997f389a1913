"""The key file."""

import asyncio
import stat
import threading
import time
from pathlib import Path

import pytest

from azukari.vault import Context, FileKeyProvider, KeyFileError, ProviderDown
from azukari.vault.inside import provider as providers

from .provider_contract import CONTEXT, KeyProviderContract


class TestFileKeyProvider(KeyProviderContract):
    """The conformance suite on key files."""

    @pytest.fixture
    def provider(self, tmp_path: Path) -> FileKeyProvider:
        return made(tmp_path / "ours.key")

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> FileKeyProvider:
        return made(tmp_path / "theirs.key")


def made(path: Path, data: Path | None = None) -> FileKeyProvider:
    return FileKeyProvider.load(path, data=data or path.parent / "data", create=True)


def test_a_new_file_is_ours_to_read_alone(tmp_path: Path) -> None:
    made(tmp_path / "custody" / "vault.key")

    assert [path.name for path in (tmp_path / "custody").iterdir()] == ["vault.key"]
    assert stat.S_IMODE((tmp_path / "custody" / "vault.key").stat().st_mode) == 0o400


def test_the_file_holds_one_key_of_32_bytes(tmp_path: Path) -> None:
    made(tmp_path / "vault.key")

    *_, line = (tmp_path / "vault.key").read_text().splitlines()
    mark, kek_id, version, key = line.split()
    assert (mark, version, len(kek_id), len(bytes.fromhex(key))) == ("azk1", "1", 16, 32)


def test_it_is_made_once(tmp_path: Path) -> None:
    wrapped = made(tmp_path / "vault.key").wrap(bytes(32), CONTEXT)

    assert made(tmp_path / "vault.key").unwrap(wrapped, CONTEXT) == bytes(32)


def test_servers_that_start_together_share_one_key(tmp_path: Path) -> None:
    found: list[FileKeyProvider] = []
    threads = [threading.Thread(target=lambda: found.append(made(tmp_path / "vault.key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wrapped = found[0].wrap(bytes(32), CONTEXT)
    assert [one.unwrap(wrapped, CONTEXT) for one in found] == [bytes(32)] * 8


def test_a_missing_file_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no key file"):
        FileKeyProvider.load(tmp_path / "vault.key", data=tmp_path)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644, 0o420])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    made(tmp_path / "vault.key")
    (tmp_path / "vault.key").chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 0400"):
        made(tmp_path / "vault.key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only words\n",
        "azk1 a 1 00\n",
        "azk1 a 0 " + "00" * 32,
        "azk1 A 1 " + "00" * 32,
        "azk2 a 1 " + "00" * 32,
        "00" * 32,
        f"azk1 a 1 {'00' * 32}\nazk1 a 1 {'11' * 32}",
        f"azk1 a 1 {'00' * 32}\nazk1 b 2 {'11' * 32}",
        "azk1 a 1 " + "００" * 32,
    ],
)
def test_a_damaged_file_is_told_and_its_content_is_not(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vault.key"
    path.write_text(text)
    path.chmod(0o400)

    with pytest.raises(KeyFileError) as raised:
        made(path)
    assert "00" * 8 not in str(raised.value)


def test_it_guards_live_cards_only_from_outside_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"

    assert not made(data / "vault.key", data).fit_for_live
    assert not made(data / "deeper" / "vault.key", data).fit_for_live
    assert made(tmp_path / "custody" / "vault.key", data).fit_for_live
    (tmp_path / "link.key").symlink_to(data / "vault.key")
    assert not made(tmp_path / "link.key", data).fit_for_live


def test_a_running_server_learns_of_another_process_rotation(tmp_path: Path) -> None:
    running, tool = made(tmp_path / "vault.key"), made(tmp_path / "vault.key")

    assert tool.rotate() == 2
    assert running.unwrap(tool.wrap(bytes(32), CONTEXT), CONTEXT) == bytes(32)
    assert running.rotate() == 3
    assert stat.S_IMODE((tmp_path / "vault.key").stat().st_mode) == 0o400


class Hanging(FileKeyProvider):
    """A provider over a network, on a bad day."""

    blocks = True
    asked = 0
    answers_at = 99

    def unwrap(self, *args: object) -> bytes:
        self.asked += 1
        if self.asked >= self.answers_at:
            return b"key"
        time.sleep(0.3)
        raise ProviderDown


@pytest.mark.parametrize("limit", [0.05, 2.0])
async def test_a_provider_that_hangs_or_fails_is_asked_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr(providers, "LIMIT_SECONDS", limit)
    made(tmp_path / "vault.key")
    hanging = Hanging.load(tmp_path / "vault.key", data=tmp_path)
    wrapped = hanging.wrap(bytes(32), Context("mk"))

    with pytest.raises(ProviderDown):
        await providers.ask(hanging, hanging.unwrap, wrapped, CONTEXT)
    assert hanging.asked == 3


async def test_a_provider_that_answers_late_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    made(tmp_path / "vault.key")
    hanging = Hanging.load(tmp_path / "vault.key", data=tmp_path)
    hanging.answers_at = 2
    asking = asyncio.create_task(providers.ask(hanging, hanging.unwrap))

    turns = 0
    while not asking.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert await asking == b"key"
    assert turns > 5
