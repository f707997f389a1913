"""Packages with processors, planted where Python looks for packages. Nothing but their entry points is installed."""

import dataclasses
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from azukari.core.config import Settings
from azukari.merchants import keys, store
from azukari.wiring import KEK_NAME
from tests.house import Api, House, running

#: ``{folder}/imported`` and ``{folder}/built`` are there once it was; ``{folder}/orders`` has what its bank received.
_MODULE = '''
"""The processor {name}."""

from pathlib import Path

from azukari.processors.base import Approved
from azukari.processors.capabilities import KINDS, Capabilities, Recovery, TypeCapability
from azukari.vault import Blank, Outbound, Reply

FOLDER = Path({folder!r})
(FOLDER / "imported").touch()


class Bank:
    async def send(self, request):
        with (FOLDER / "orders").open("ab") as orders:
            orders.write(request.body + b"\\n")
        return Reply(200, {{}}, b"{{}}")


class Planted:
    name = {called!r}
    can = Capabilities(
        types={{type: TypeCapability(kinds=frozenset(KINDS)) for type in {methods!r} or ["credit_card"]}},
        recovery=dict.fromkeys(KINDS, Recovery("void", believe_after=0)),
        timeout=20_000,
        dedupes_by_ref=True,
    )

    def __init__(self, vault):
        self.vault = vault

    async def perform(self, request):
        host = {late!r}
        if host is not None:
            self.vault.allow(host, Bank())
        order = {{"ref": request.ref, "number": Blank.NUMBER, "code": Blank.VERIFICATION_VALUE}}
        outbound = Outbound("POST", "https://" + (host or {hosts!r}[0]) + "/charges", json=order)
        await self.vault.send(request.use, request.verification_value, outbound)
        return Approved(request.ref)

    async def void(self, query):
        return False


def build(settings, vault, clock, ids):
    (FOLDER / "built").touch()
    for host in {hosts!r}:
        vault.allow(host, Bank())
    return Planted(vault)
'''


def plant(
    site: Path,
    name: str,
    *,
    hosts: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    called: str | None = None,
    late: str | None = None,
    package: str | None = None,
    target: str | None = None,
) -> Path:
    """Plant a package with one processor; returns the folder that shows what became of it.

    hosts: what it declares, else ``api.NAME.example``. methods: the payment types it takes, else cards. called: what
    its processor is named, else as the entry point. late: a host that it declares with each order. package: its name,
    else ``azukari-NAME``. target: what the entry point leads to, else what builds the processor.
    """
    package = package or f"azukari-{name}"
    # Named as no other test's is: Python keeps what it has imported.
    module = f"{package.replace('-', '_')}_{abs(hash(str(site)))}"
    folder = site / f"of-{package}"
    folder.mkdir(parents=True)
    source = _MODULE.format(
        name=name,
        folder=str(folder),
        called=called or name,
        methods=None if methods is None else frozenset(methods),
        late=late,
        hosts=tuple(hosts) if hosts is not None else (f"api.{name}.example",),
    )
    (site / f"{module}.py").write_text(source)
    described = site / f"{package.replace('-', '_')}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    entry = f"[azukari.processors]\n{name} = {target or f'{module}:build'}\n"
    (described / "entry_points.txt").write_text(entry)
    return folder


def found_by_commands(site: Path) -> dict[str, str]:
    """The environment in which a command finds what was planted."""
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def traces(folder: Path) -> set[str]:
    """What a planted package has left: ``imported``, ``built``, ``orders``; nothing where it was left alone."""
    return {file.name for file in folder.iterdir()}


def with_key_elsewhere(settings: Settings, folder: Path) -> Settings:
    """Move the vault's key out of the data directory: from then on the installation may have live keys."""
    kek = folder / "elsewhere.key"
    (settings.data / KEK_NAME).rename(kek)
    return dataclasses.replace(settings, kek_file=kek)


@asynccontextmanager
async def live(settings: Settings, *names: str) -> AsyncIterator[tuple[House, Api]]:
    """A running installation with these processors, and its API with a live secret key."""
    async with running(dataclasses.replace(settings, processors=names)) as house:
        services = house.services
        merchant = (await services.db.read(store.list_merchants))[0].id
        pair = await services.api_keys.make_pair(merchant, keys.LIVE)
        yield house, house.api.as_key(pair.secret.reveal())
