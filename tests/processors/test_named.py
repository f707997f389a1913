"""Which processors are loaded: those that the setting names, in its order, with the hosts they declare at the start."""

import dataclasses
import io
import json
from pathlib import Path

import pytest

from azukari.core import config
from azukari.core.config import SettingError, Settings
from azukari.db import Owner
from azukari.merchants import keys
from azukari.processors.registry import NoProcessor
from azukari.vault import HostsFixed
from azukari.wiring import Services
from tests.commands import Server, azukari, done, of, running
from tests.house import House, card
from tests.leaks.conftest import logged
from tests.processors.planted import found_by_commands, live, plant, traces, with_key_elsewhere

__all__ = ["logged"]

LIVE = Owner("0000000000000000000000000", keys.LIVE)
NUMBER, CODE = "4111111111111111", "917"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that this process finds."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def apart(settings: Settings, tmp_path: Path) -> Settings:
    """An installation that may have live keys: the vault's key lies elsewhere."""
    return with_key_elsewhere(settings, tmp_path)


async def loaded(settings: Settings, *names: str) -> dict[str, list[str]]:
    """The processors of live keys, and their hosts. Raises SettingError."""
    services = await Services.assemble(dataclasses.replace(settings, processors=names))
    try:
        return services.processors.live_hosts
    finally:
        await services.close()


async def refused(settings: Settings, *names: str) -> str:
    """Why an installation with these names does not start."""
    with pytest.raises(SettingError) as raised:
        await loaded(settings, *names)
    return str(raised.value)


def a_charge() -> dict[str, object]:
    return {"amount": 1000, "currency": "JPY", "payment_details": card(NUMBER, verification_value=CODE)}


# A package that is not named gets nothing


async def test_without_the_setting_no_package_is_imported_and_live_keys_are_refused(
    apart: Settings, site: Path
) -> None:
    folder = plant(site, "aaa")
    async with live(apart) as (house, api):
        reply = await api.post("/payments", json=a_charge())
        in_test_mode = await house.api.post("/payments", json=a_charge())
        hosts = house.services.vault.hosts

    assert (reply.status_code, reply.json()["error"]["message"]) == (422, NoProcessor.message)
    assert in_test_mode.json()["status"] == "captured"
    assert hosts == {"simulator", "issuer.simulator"}
    assert traces(folder) == set()


async def test_a_package_that_is_not_named_gets_nothing_of_what_another_takes(apart: Settings, site: Path) -> None:
    aaa, acme = plant(site, "aaa"), plant(site, "acme")
    async with live(apart, "acme") as (house, api):
        reply = await api.post("/payments", json=a_charge())
        hosts = house.services.vault.hosts

    assert reply.json()["status"] == "captured", reply.text
    [order] = map(json.loads, (acme / "orders").read_bytes().splitlines())
    assert (order["number"], order["code"]) == (NUMBER, CODE)
    assert hosts == {"simulator", "issuer.simulator", "api.acme.example"}
    assert traces(aaa) == set()


async def test_a_package_that_calls_its_processor_simulator_is_left_alone(apart: Settings, site: Path) -> None:
    folder = plant(site, "simulator", package="aaa")
    async with live(apart) as (house, _):
        reply = await house.api.post("/payments", json=a_charge())

    assert reply.json()["status"] == "captured"
    assert traces(folder) == set()


# Which is picked


@pytest.mark.parametrize("names", [("acme", "zeta"), ("zeta", "acme")])
async def test_live_cards_go_to_the_one_that_is_named_first(
    apart: Settings, site: Path, names: tuple[str, ...]
) -> None:
    folders = {name: plant(site, name) for name in names}
    async with live(apart, *names) as (house, api):
        reply = await api.post("/payments", json=a_charge())
        assert list(house.services.processors.live_hosts) == list(names)
        assert house.services.live_cards == names[0]

    assert reply.json()["status"] == "captured", reply.text
    first, second = (traces(folders[name]) for name in names)
    assert (first, second) == ({"imported", "built", "orders"}, {"imported", "built"})


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_one_that_takes_no_cards_is_passed_over_for_them(settings: Settings, site: Path) -> None:
    plant(site, "wallets", methods=["paypay"])
    plant(site, "acme")
    services = await Services.assemble(dataclasses.replace(settings, processors=("wallets", "acme")))
    picked = [services.processors.pick(LIVE, type).name for type in ("credit_card", "paypay")]
    taker = services.live_cards
    await services.close()

    assert (picked, taker) == (["acme", "wallets"], "acme")


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_without_test_mode_those_that_are_named_stay(settings: Settings, site: Path) -> None:
    plant(site, "acme")

    assert await loaded(dataclasses.replace(settings, test_mode=False), "acme") == {"acme": ["api.acme.example"]}


def test_the_setting_has_names_with_commas_between_them() -> None:
    def processors(text: str) -> tuple[str, ...]:
        return config.read({"AZUKARI_PROCESSORS": text}).processors

    assert config.read({}).processors == processors("") == processors(" , ") == ()
    assert processors("acme") == ("acme",)
    assert processors(" zeta, acme ,") == ("zeta", "acme")
    with pytest.raises(SettingError, match="AZUKARI_PROCESSORS has a name twice"):
        processors("acme,zeta,acme")


# What stops the start


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_name_that_no_package_has_stops_the_start_before_anything_is_imported(
    settings: Settings, site: Path
) -> None:
    folders = [plant(site, "zeta"), plant(site, "acme")]

    why = await refused(settings, "zeta", "acmee")

    assert "AZUKARI_PROCESSORS names acmee, and no installed package has a processor of this name" in why
    # Beside those that come with us.
    installed = why.partition("Installed are: ")[2].partition(". ")[0].split(", ")
    assert [name for name in installed if name in ("acme", "zeta")] == ["acme", "zeta"]
    assert [traces(folder) for folder in folders] == [set(), set()]


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_name_that_several_packages_have_stops_the_start(settings: Settings, site: Path) -> None:
    folders = [plant(site, "acme"), plant(site, "acme", package="evil-twin")]

    assert "which several packages have: azukari-acme and evil-twin." in await refused(settings, "acme")
    assert [traces(folder) for folder in folders] == [set(), set()]


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_the_simulator_is_not_to_be_named(settings: Settings, site: Path) -> None:
    plant(site, "simulator", package="aaa")

    assert "names the simulator" in await refused(settings, "simulator")


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("called", ["simulator", "zeta"])
async def test_a_processor_bears_the_name_of_its_entry_point(settings: Settings, site: Path, called: str) -> None:
    plant(site, "acme", called=called)

    assert "What was built as the processor acme has another name" in await refused(settings, "acme")


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(
    ("target", "error"), [("not_there_at_all:build", "ModuleNotFoundError"), ("json:not_there", "AttributeError")]
)
async def test_what_cannot_be_imported_stops_the_start(
    settings: Settings, site: Path, logged: io.StringIO, target: str, error: str
) -> None:
    plant(site, "acme", target=target)

    assert f"The processor acme cannot be imported ({error})" in await refused(settings, "acme")
    assert '"event":"processor.not_imported","processor":"acme"' in logged.getvalue()


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("host", ["api.acme.example", "API.acme.example", "api.acme.example:443", "api.acme.example."])
async def test_two_processors_that_declare_one_host_stop_the_start(
    settings: Settings, site: Path, logged: io.StringIO, host: str
) -> None:
    plant(site, "acme")
    plant(site, "zeta", hosts=["api.zeta.example", host])

    why = await refused(settings, "acme", "zeta")

    assert "The processors acme and zeta both declare the host api.acme.example." in why
    assert '"event":"host.refused","host":"api.acme.example","reason":"HostTaken"' in logged.getvalue()


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_another_port_is_another_host(settings: Settings, site: Path) -> None:
    plant(site, "acme")
    plant(site, "zeta", hosts=["api.acme.example:8443"])

    found = await loaded(settings, "acme", "zeta")

    assert found == {"acme": ["api.acme.example"], "zeta": ["api.acme.example:8443"]}


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_the_simulators_hosts_are_taken_too(settings: Settings, site: Path) -> None:
    plant(site, "acme", hosts=["issuer.simulator"])

    assert "The processors simulator and acme both declare" in await refused(settings, "acme")


# Hosts are fixed at the start


async def test_a_host_that_is_declared_later_gets_nothing(apart: Settings, site: Path, logged: io.StringIO) -> None:
    folder = plant(site, "acme", late="evil.example")
    async with live(apart, "acme") as (house, api):
        reply = await api.post("/payments", json=a_charge())
        hosts = house.services.vault.hosts

    # What a processor did before a bug of its own, only its far side knows.
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    assert traces(folder) == {"imported", "built"}
    assert "evil.example" not in hosts
    assert '"event":"host.refused","host":"evil.example","reason":"HostsFixed"' in logged.getvalue()


async def test_no_host_is_added_or_replaced_once_the_processors_are_built(house: House) -> None:
    before = house.services.vault.hosts
    for host in ("evil.example", "simulator"):
        with pytest.raises(HostsFixed, match=host):
            house.services.vault.allow(host)

    assert house.services.vault.hosts == before


# Who takes live cards is said


def said_by(server: Server) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in server.errors.read_text().splitlines()]
    about = ("processor.loaded", "live_cards.taken", "live_cards.refused")
    return [{name: line[name] for name in line.keys() - {"time", "level"}} for line in lines if line["event"] in about]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("engine", ["sqlite"])
async def test_the_log_says_at_the_start_who_takes_live_cards(
    settings: Settings, site: Path, tmp_path: Path, workers: str
) -> None:
    plant(site, "wallets", methods=["paypay"])
    plant(site, "acme", hosts=["b.acme.example", "a.acme.example"])
    named = {"AZUKARI_PROCESSORS": "wallets,acme", **found_by_commands(site)}
    with running("serve", *of(settings), "--workers", workers, folder=tmp_path, **named) as server:
        said = said_by(server)

    hosts = "a.acme.example, b.acme.example"
    for line in (
        {"event": "processor.loaded", "processor": "wallets", "host": "api.wallets.example"},
        {"event": "processor.loaded", "processor": "acme", "host": hosts},
        {"event": "live_cards.taken", "processor": "acme", "host": hosts},
    ):
        assert line in said


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_the_log_says_that_nothing_takes_live_cards(settings: Settings, site: Path, tmp_path: Path) -> None:
    plant(site, "acme")
    with running("serve", *of(settings), folder=tmp_path, **found_by_commands(site)) as server:
        assert said_by(server) == [{"event": "live_cards.refused", "setting": "AZUKARI_PROCESSORS"}]


async def test_the_doctor_says_who_takes_live_cards(settings: Settings, site: Path) -> None:
    plant(site, "acme")
    plant(site, "wallets", methods=["paypay"])
    options, path = of(settings), found_by_commands(site)

    both = done("doctor", *options, AZUKARI_PROCESSORS="wallets,acme", **path)
    only_wallets = done("doctor", *options, AZUKARI_PROCESSORS="wallets", **path)
    in_the_clear = done("doctor", *options, AZUKARI_PROCESSORS="acme", AZUKARI_INSECURE_HTTP="1", **path)

    assert both.splitlines() == [
        "The processor wallets is loaded. Its hosts: api.wallets.example.",
        "The processor acme is loaded. Its hosts: api.acme.example.",
        "Live cards are taken by acme, at api.acme.example.",
    ]
    assert "No processor takes live cards" in only_wallets
    assert "No processor takes live cards" in done("doctor", *options, **path)
    assert "No live key is let in: AZUKARI_INSECURE_HTTP=1." in in_the_clear


def test_the_doctor_makes_no_installation(tmp_path: Path) -> None:
    ended = azukari("doctor", "--data", tmp_path / "nowhere")

    assert (ended.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "There is no installation in" in ended.stderr


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("command", [("serve",), ("serve", "--workers", "2"), ("worker",), ("doctor",)])
@pytest.mark.parametrize(("named", "sentence"), [
    ("acmee", "AZUKARI_PROCESSORS names acmee, and no installed package has a processor of this name."),
    ("acme,zeta", "The processors acme and zeta both declare the host api.acme.example."),
])  # fmt: skip
async def test_a_command_that_cannot_start_says_why(
    settings: Settings, site: Path, command: tuple[str, ...], named: str, sentence: str
) -> None:
    plant(site, "acme")
    plant(site, "zeta", hosts=["api.acme.example"])

    ended = azukari(*command, *of(settings), AZUKARI_PROCESSORS=named, **found_by_commands(site))

    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
