"""The ``azukari`` command."""

import gc
import resource
from typing import Annotated

import typer

from azukari import __version__
from azukari.cli import accounts, clock, developing, keys, merchants, running, webhooks

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    # What a start makes stays: without this the collector looks through it a hundred times.
    gc.set_threshold(250_000, 20, 100)
    # A core dump would hold the keys of the vault and whatever card is in flight.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if version:
        typer.echo(__version__)
        raise typer.Exit


for command in (
    running.init,
    running.serve,
    running.worker,
    running.migrate,
    running.doctor,
    developing.listen,
    developing.trigger,
    developing.tail,
):
    app.command()(command)
for name, group in (
    ("merchants", merchants.app),
    ("accounts", accounts.app),
    ("keys", keys.app),
    ("webhooks", webhooks.app),
    ("clock", clock.app),
):
    app.add_typer(group, name=name)
