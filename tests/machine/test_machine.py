"""Whatever is done in whatever order, the server says what the contract's reader would say."""

import asyncio
import os
import random
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests import postgres
from tests.house import copy_template, settings_for
from tests.machine import rules
from tests.machine.houses import houses

#: The small form runs with every change, and is the same every time; the large one is new every time.
LARGE = os.environ.get("AZUKARI_TEST_RUNS", "change") == "release"
RUNS = int(os.environ.get("AZUKARI_MACHINE_RUNS", 2_000 if LARGE else 20))
PHASES = (Phase.generate,) if os.environ.get("NOSHRINK") else (Phase.generate, Phase.shrink)
STEPS = 40 if LARGE else 30
SEED = int(os.environ.get("AZUKARI_MACHINE_SEED", random.getrandbits(32) if LARGE else 1))


class Machine(
    rules.Beginning, rules.Shoppers, rules.Strangers, rules.Time
):  # fmt: skip
    """All of it."""


def test_the_server_and_the_model_agree(template: tuple[Path, str | None], tmp_path: Path) -> None:
    source, template_url = template
    copy_template(source, tmp_path / "data")
    print(f"AZUKARI_MACHINE_SEED={SEED} AZUKARI_MACHINE_RUNS={RUNS}")
    with asyncio.Runner() as runner:
        url = template_url and runner.run(postgres.create_database(template_url, template_url))
        opened = houses(settings_for(tmp_path / "data", url))
        Machine.runner = runner
        Machine.houses = runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                seed(SEED)(Machine),
                settings=settings(
                    max_examples=RUNS, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False,
                    suppress_health_check=list(HealthCheck), phases=PHASES,
                ),
            )  # fmt: skip
            if os.environ.get("AZUKARI_MACHINE_TALLY"):
                print("\n".join(f"{count:6} {what}" for what, count in sorted(Machine.tally.items(), key=str)))
        finally:
            runner.run(opened.__aexit__(None, None, None))
            if url is not None:
                runner.run(postgres.drop_database(url))
