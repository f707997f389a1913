"""kill -9 at every point the engines and the vault's relay announce, in every flow (REL-2).

The list of points is the server's own: a first run writes down what a flow announces, then each of these points ends
a server and a try of its own. Afterwards the installation is started again, has to settle them all, and is held against
the bank's book.
"""

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import azukari
from azukari.core.clock import DAY, MINUTE
from azukari.db.units import name_of
from tests.faults import flows, page_flows
from tests.faults.crashing_server import Death
from tests.faults.scenes import Flow, Scene, path_of
from tests.faults.sites import Site
from tests.faults.truth import OPEN_ATTEMPTS, hold_against_book
from tests.faults.work import WORK, leave_work
from tests.house import Api

FLOWS = (*flows.FLOWS, *page_flows.FLOWS)


@dataclass(frozen=True)
class Try:
    """What became of a scene. death: where its server died; None: undisturbed. reply: where one was still given."""

    scene: Scene
    death: Death | None
    reply: httpx.Response | None


@pytest.mark.parametrize("flow", FLOWS, ids=str)
async def test_a_flow_survives_a_kill_at_each_of_its_points(flow: Flow, site: Site, tmp_path: Path) -> None:
    first = await _prepare_first(flow, site)
    undisturbed, deaths = await _record(flow, site, first, tmp_path / "trace")
    assert deaths

    tries = [undisturbed, *[await _die_in(flow, site, scene, death) for scene, death in deaths]]
    await _check(flow, site, tries)


async def _prepare_first(flow: Flow, site: Site) -> Scene:
    """Some points come once in the life of an installation: they are past now, and only ``anew`` brings them back."""
    async with site.serving() as api:
        await api.token()
        await site.until_none("SELECT id FROM api_keys WHERE kind = 'sk' AND last_used_at IS NULL")
        scene = Scene(0, site)
        await flow.prepare(api, scene)
    return scene


async def _renew(flow: Flow, site: Site) -> None:
    if flow.anew:
        await site.rows.change("DELETE FROM azukari_keys.merchant_keys")
        await site.rows.change("UPDATE api_keys SET last_used_at = NULL")


async def _record(flow: Flow, site: Site, first: Scene, trace: Path) -> tuple[Try, list[tuple[Scene, Death]]]:
    """The points of an undisturbed run, each with its number among those of its name, and a scene for each of them."""
    await _renew(flow, site)
    async with site.serving(trace=trace) as api:
        reply = await flow.act(api, first)
        assert reply.status_code == flow.status, reply.text
        points = trace.read_text().split()
        deaths = []
        for number, point in enumerate(points, 1):
            scene = Scene(number, site)
            await flow.prepare(api, scene)
            deaths.append((scene, Death(point, points[:number].count(point))))
    return Try(first, None, reply), deaths


async def _die_in(flow: Flow, site: Site, scene: Scene, death: Death) -> Try:
    await _renew(flow, site)
    async with site.serving(death=death) as api:
        reply = None
        try:
            reply = await flow.act(api, scene)
        except httpx.TransportError:
            pass
        await site.until_dead()
    return Try(scene, death, reply)


async def _check(flow: Flow, site: Site, tries: list[Try]) -> None:
    """Start again, let the worker settle what was left open, and look whether all is well."""
    site.ahead += MINUTE
    overdue = await site.overdue()
    async with site.serving(worker=True) as api:
        await site.until_none(OPEN_ATTEMPTS)
        await site.until_none(overdue)
        await hold_against_book(site.rows, site.settings.data)
        for each in tries:
            try:
                await _nothing_acknowledged_is_lost(flow, api, each.scene)
                await _the_same_again_is_answered(flow, site, api, each.scene, each.reply)
                await flow.check(api, each.scene)
            except Exception as error:
                error.add_note(f"of the try that ended at {each.death}")
                raise
        # An agreement that made way for another try is undone by the worker.
        await site.until_none(OPEN_ATTEMPTS)
        await hold_against_book(site.rows, site.settings.data)


async def _nothing_acknowledged_is_lost(flow: Flow, api: Api, scene: Scene) -> None:
    for path, body in scene.acknowledged.items():
        reply = await api.get(path)
        if flow.changes:
            assert reply.status_code in (200, 404)
        else:
            assert reply.json() == body
    assert (await api.get("/events")).status_code == 200


async def _the_same_again_is_answered(
    flow: Flow, site: Site, api: Api, scene: Scene, given: httpx.Response | None
) -> None:
    """Once and for all: what took place keeps its answer, what did not takes place now, and never anything twice."""
    begun = await _of_key(site, scene, "idempotency_keys WHERE id")
    again = await flow.act(api, scene)
    if not flow.keyed:
        assert again.status_code in (flow.status, flow.again)
        return
    assert again.status_code in (flow.status, 504)
    assert _replayed(again) == bool(begun)
    if given is not None:
        assert again.content == given.content
    repeated = await flow.act(api, scene)
    assert (repeated.status_code, repeated.content, _replayed(repeated)) == (again.status_code, again.content, True)
    assert len(await _of_key(site, scene, "attempts WHERE idempotency_key")) <= 1
    if again.status_code == 200 and (path := path_of(again.json())) is not None:
        assert (await api.get(path)).json() == again.json()


async def _of_key(site: Site, scene: Scene, where: str) -> list[dict[str, Any]]:
    return await site.rows.all(f"SELECT * FROM {where} = '{await site.stored_key(f'try-{scene.number}')}'")


def _replayed(reply: httpx.Response) -> bool:
    return reply.headers.get("X-Idempotent-Replayed") == "true"


async def test_the_worker_survives_a_kill_at_each_of_its_points(site: Site, tmp_path: Path) -> None:
    recorded = await _record_worker(site, tmp_path / "trace")
    assert recorded

    for number, death in enumerate(recorded, 1):
        await leave_work(site, number)
        site.ahead += 32 * DAY
        async with site.serving(worker=True, death=death):
            await site.until_dead()
        site.ahead += MINUTE
        async with site.serving(worker=True) as api:
            await _until_worked_off(site)
            await hold_against_book(site.rows, site.settings.data)
            assert set(await site.rows.column("SELECT status FROM payments")) == {"captured", "expired", "failed"}
            assert (await api.get("/payments")).json()["total"] == 8 * (number + 1)


async def _record_worker(site: Site, trace: Path) -> list[Death]:
    await leave_work(site, 0)
    site.ahead += 32 * DAY
    async with site.serving(worker=True, trace=trace):
        await _until_worked_off(site)
    points = trace.read_text().split()
    return [Death(point, 1) for point in dict.fromkeys(points)]


async def _until_worked_off(site: Site) -> None:
    for left in WORK:
        await site.until_none(left)


async def test_every_unit_that_writes_is_part_of_a_flow(site: Site, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    scenes = [(flow, Scene(number, site)) for number, flow in enumerate(FLOWS)]
    async with site.serving(trace=trace) as api:
        for flow, scene in scenes:
            await flow.prepare(api, scene)
            await flow.act(api, scene)
    await leave_work(site, len(FLOWS))
    site.ahead += 32 * DAY
    async with site.serving(worker=True, trace=trace):
        await _until_worked_off(site)

    killed = {point.rpartition(":")[2] for point in trace.read_text().split() if point.startswith("commit:")}

    assert _units_written() - killed == SET_UP_ONLY | TEST_CLOCK | BUSY | OTHER_MACHINES | PROMISE_NOTHING
    assert killed <= _units_written()


#: Units that no server runs that keeps anything of worth: setting up and administration, and serving in the clear.
SET_UP_ONLY = {
    "accounts.service._add",
    "accounts.service._edit",
    "accounts.service._note",
    "merchants.clear_text._drop",
    "merchants.clear_text._take",
    "merchants.service._add_keys",
    "merchants.service._enrol",
    "merchants.settings._change",
    "merchants.store.add_merchant",
    "merchants.store.revoke",
    "vault.inside.keys._add_roots",
}


#: Of a payment that something else has this moment: who dies at it leaves a lease that runs out, as elsewhere.
BUSY = {"attempts.store.put_back"}

#: One insert or update that nobody waits for and that is made again: what is written is the same, or nobody's.
PROMISE_NOTHING = {"db.probing.probe", "events.long_lists._add"}

#: Keys of verification values for another machine: one that has not got them asks for them.
OTHER_MACHINES = {"vault.inside.sad_keys._add_shares"}

#: They move no money and promise nothing: what they leave when they die is tested with the clock itself.
TEST_CLOCK = {
    "merchants.clock.hold",
    "time_travel.service.arrive",
    "time_travel.service.depart",
    "time_travel.service.give_up",
    "time_travel.service.move",
    "time_travel.service.set_clock",
}


def _units_written() -> set[str]:
    """Every unit the code gives to a database to write, found in the code itself."""
    found = set()
    source = Path(azukari.__file__).parent
    for path in source.rglob("*.py"):
        if source / "db" in path.parents or source / "migrations" in path.parents:
            continue
        module = importlib.import_module(".".join(("azukari", *path.relative_to(source).with_suffix("").parts)))
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and (unit := _unit_of(call)) is not None:
                found.add(name_of(_named(unit, module)))
    return found


def _unit_of(call: ast.Call) -> ast.expr | None:
    """The unit of ``write(unit, …)`` or ``write_through`` on a database, or of ``retry_on_conflict(db, unit, …)``."""
    match call.func:
        case ast.Attribute(
            ast.Attribute(attr="db" | "stores" | "main" | "_db" | "_main" | "_keys" | "_store"),
            "write" | "write_through",
        ):
            return call.args[0]
        case ast.Attribute(ast.Name("db" | "main" | "keys"), "write" | "write_through"):
            return call.args[0]
        case ast.Attribute(ast.Name("store"), "write"):
            return call.args[0]  # rooms have a `store.change` of their own
        case ast.Name("retry_on_conflict"):
            return call.args[1]
    return None


def _named(unit: ast.expr, module: Any) -> Any:
    """The function behind a name in the code; ``call.vault.audit`` and its like are the vault's."""
    text = ast.unparse(unit).replace("call.vault.", "Vault.").replace("services.vault.", "Vault.")
    return eval(text, {**vars(module), "Vault": azukari.vault.Vault})


def test_the_code_that_finds_units_finds_them() -> None:
    units = _units_written()

    assert {"payments.charge.record_intent", "payments.record.apply_outcome"} <= units
