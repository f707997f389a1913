"""The simulator: the processor of test keys. It writes orders with blanks like any other; its bank answers them."""

from azukari.core.clock import Clock
from azukari.core.config import Settings
from azukari.core.ids import Ids
from azukari.processors.simulator import issuer
from azukari.processors.simulator.bank import HOST, Bank
from azukari.processors.simulator.offsite import OffsiteBackend
from azukari.processors.simulator.processor import Simulator
from azukari.vault import Vault


def build(settings: Settings, vault: Vault, clock: Clock, ids: Ids) -> Simulator:
    """Called once, at start-up, as every processor's entry point is."""
    offsite = OffsiteBackend(
        settings.data / "simulator-desk.jsonl",
        clock,
        lambda text: vault.mac("pepper", b"simulator " + text),
        settings.base_url,
    )
    bank = Bank(
        settings.data / "simulator.jsonl", offsite, ids, delay=settings.simulator_delay, fault=settings.simulator_fault
    )
    vault.allow(HOST, bank)
    vault.allow(
        issuer.HOST,
        issuer.Issuer(
            settings.data / "issuer.jsonl", clock, delay=settings.simulator_delay, fault=settings.simulator_fault
        ),
    )
    return Simulator(vault, offsite)
