"""Whatever is done in whatever order, the server says what the contract's reader would say.

The small form is the same with every change. The large one (``AZUKARI_TEST_RUNS=release``) is new every time. A failure
prints the shortest way to it that was found, with each request and its answer, and the two settings that replay it.
"""

import asyncio
import os
import random
from importlib.util import find_spec
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests import postgres
from tests.house import copy_template, settings_for
from tests.machine import rules
from tests.machine.base import Base
from tests.machine.houses import houses

LARGE = os.environ.get("AZUKARI_TEST_RUNS", "change") == "release"
RUNS = int(os.environ.get("AZUKARI_MACHINE_RUNS", 2_000 if LARGE else 20))
SEED = int(os.environ.get("AZUKARI_MACHINE_SEED", random.getrandbits(32) if LARGE else 1))
STEPS = 30
#: A machine that never comes to these shows nothing; so many runs come to all of them.
ENOUGH_RUNS = 500
HAPPENS = {
    ("POST /payments", 200, None), ("POST /payments", 422, "invalid_token"), ("POST /payments", 404, "not_found"),
    ("POST /payments", 502, "invalid_account"), ("POST /payments/{id}/capture", 200, None),
    ("POST /payments/{id}/capture", 422, "invalid_parameter"), ("POST /payments/{id}/cancel", 200, None),
    ("POST /payments/{id}/cancel", 422, "not_cancellable"), ("POST /payments/{id}/refund", 200, None),
    ("POST /payments/{id}/refund", 422, "not_refundable"), ("POST /payments/{id}/refund_request", 200, None),
    ("POST /test/payments/{id}/simulate", 200, None), ("PATCH /payments/{id}", 200, None),
    ("PATCH /payments/{id}", 502, "used_number"), ("DELETE /customers/{id}", 200, None),
    ("POST /test/customers/{id}/revoke", 200, None), ("POST /sessions/{id}/pay", 200, None),
    ("POST /sessions/{id}/pay", 422, "session_expired"), ("POST /sessions/{id}/pay", 422, "session_completed"),
    ("POST /sessions/{id}/cancel", 200, None), ("POST /sessions", 422, "invalid_parameter"), ("again", 200, None),
    ("again", 422, "invalid_parameter"), ("at the wallet", 200, "approved"), ("at the wallet", 200, "declined"),
}  # fmt: skip


def _rooms() -> tuple[type[Base], ...]:
    """What the server has, beyond what it always had."""
    found: list[type[Base]] = []
    if find_spec("azukari.time_travel"):
        from tests.machine.clock import Clocks

        found.append(Clocks)
    if find_spec("azukari.subscriptions"):
        from tests.machine.subscriptions import Subscriptions

        found.append(Subscriptions)
    return tuple(found)


def test_the_server_and_the_model_agree(template: tuple[Path, str | None], tmp_path: Path) -> None:
    source, template_url = template
    copy_template(source, tmp_path / "data")
    print(f"Replay with: AZUKARI_MACHINE_SEED={SEED} AZUKARI_MACHINE_RUNS={RUNS}")
    machine = type("Machine", (*_rooms(), rules.Beginning, rules.Strangers, rules.Time), {})
    Base.tally.clear()
    with asyncio.Runner() as runner:
        url = template_url and runner.run(postgres.create_database(template_url, template_url))
        opened = houses(settings_for(tmp_path / "data", url))
        Base.runner, Base.houses = runner, runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                seed(SEED)(machine),
                settings=settings(
                    max_examples=RUNS,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    phases=(Phase.generate, Phase.shrink),
                    print_blob=False,
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
            if url is not None:
                runner.run(postgres.drop_database(url))
    print("\n".join(f"{count:6} {what}" for what, count in sorted(Base.tally.items(), key=str)))
    if RUNS >= ENOUGH_RUNS:
        expected = HAPPENS.union(*(vars(each).get("happens", ()) for each in machine.__mro__))
        assert expected - Base.tally.keys() == set()
