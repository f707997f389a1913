"""The processors of this installation, each from an entry point, the built-in one too."""

import functools
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from azukari.core.clock import Clock
from azukari.core.config import Settings
from azukari.core.errors import Unprocessable
from azukari.core.ids import Ids
from azukari.db import Owner
from azukari.processors.base import Processor
from azukari.processors.methods import CREDIT_CARD
from azukari.processors.simulator.processor import Simulator
from azukari.vault import Vault

GROUP = "azukari.processors"
SIMULATOR = "simulator"

#: What an entry point names: it is called once, at start-up, and may return None when it is not set up.
Builder = Callable[[Settings, Vault, Clock, Ids], Processor | None]


class NoProcessor(Unprocessable):
    """A live key, and no processor to move real money with."""

    message = "No processor is set up for live payments on this installation. Test keys run on the built-in simulator."


class Processors:
    """Those that are set up, by name."""

    def __init__(self, processors: dict[str, Processor]) -> None:
        self._by_name = processors

    def pick(self, owner: Owner, type: str = CREDIT_CARD) -> Processor:
        """Who takes a new payment with details of this type: test keys the simulator, live keys a real one.

        Raises NoProcessor.
        """
        if owner.mode == "test":
            if SIMULATOR not in self._by_name:
                raise NoProcessor
            return self._by_name[SIMULATOR]
        for name, processor in self._by_name.items():
            if name != SIMULATOR and processor.can.takes(type):
                return processor
        raise NoProcessor

    @property
    def simulator(self) -> Simulator:
        """The one of test keys, for those who play its shoppers."""
        found = self._by_name[SIMULATOR]
        assert isinstance(found, Simulator)
        return found

    def named(self, name: str) -> Processor | None:
        """The one that took an earlier attempt, should it still be set up."""
        return self._by_name.get(name)


def load(settings: Settings, vault: Vault, clock: Clock, ids: Ids) -> Processors:
    """Build every processor that is installed and set up."""
    found: dict[str, Processor] = {}
    for point in _installed():
        if point.name == SIMULATOR and not settings.test_mode:
            continue  # its journals stay closed
        build: Builder = point.load()
        processor = build(settings, vault, clock, ids)
        if processor is not None:
            found[processor.name] = processor
    return Processors(found)


@functools.cache
def _installed() -> list[EntryPoint]:
    """Looks into every package that is installed, which takes a while: once in the life of a process."""
    return sorted(entry_points(group=GROUP), key=lambda point: point.name)
