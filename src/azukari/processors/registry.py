"""The processors of this installation: the simulator, and those that ``AZUKARI_PROCESSORS`` names.

Each of these is an entry point of an installed package. What the setting does not name is not even imported: a
package that somebody installed to try it, or that came with another one, is handed no card.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from azukari.core import log
from azukari.core.clock import Clock
from azukari.core.config import SettingError, Settings
from azukari.core.errors import Unprocessable
from azukari.core.ids import Ids
from azukari.db import Owner
from azukari.processors import simulator
from azukari.processors.base import Processor
from azukari.processors.methods import CREDIT_CARD
from azukari.processors.simulator.processor import Simulator
from azukari.vault import HostTaken, Vault

GROUP = "azukari.processors"
SIMULATOR = "simulator"
SETTING = "AZUKARI_PROCESSORS"

#: What an entry point names. It is called once, at start-up, and declares its hosts then (``vault.allow``); later is
#: too late. The processor is named as its entry point is. Raises SettingError when it is not set up.
Builder = Callable[[Settings, Vault, Clock, Ids], Processor]


class NoProcessor(Unprocessable):
    """A live key, and no processor to move real money with."""

    message = "No processor is set up for live payments on this installation. Test keys run on the built-in simulator."


class Processors:
    """Those that are loaded. by_name: in the order in which they are picked. hosts: where each one's orders may go."""

    def __init__(self, by_name: Mapping[str, Processor], hosts: Mapping[str, frozenset[str]]) -> None:
        self._by_name = by_name
        self._hosts = hosts

    def pick(self, owner: Owner, type: str = CREDIT_CARD) -> Processor:
        """Who takes a new payment with details of this type: test keys the simulator, live keys the first that can.

        Raises NoProcessor.
        """
        for processor in self.candidates(owner, type):
            return processor
        raise NoProcessor

    def candidates(self, owner: Owner, type: str) -> Iterator[Processor]:
        """Those that take new payments with details of this type, in their order."""
        if owner.mode == "test":
            if SIMULATOR in self._by_name:
                yield self._by_name[SIMULATOR]
            return
        for name, processor in self._by_name.items():
            if name != SIMULATOR and processor.can.takes(type):
                yield processor

    @property
    def simulator(self) -> Simulator:
        """The one of test keys, for those who play its shoppers."""
        found = self._by_name[SIMULATOR]
        assert isinstance(found, Simulator)
        return found

    def named(self, name: str) -> Processor | None:
        """The one that took an earlier attempt, should it still be loaded."""
        return self._by_name.get(name)

    @property
    def live_hosts(self) -> dict[str, list[str]]:
        """The processors of live keys by name, in the order in which they are picked, each with its hosts."""
        return {name: sorted(self._hosts[name]) for name in self._by_name if name != SIMULATOR}


def load(settings: Settings, vault: Vault, clock: Clock, ids: Ids) -> Processors:
    """Build the simulator and every processor that is named; from then on the vault takes no more hosts.

    Raises SettingError.
    """
    builders: dict[str, Builder] = {SIMULATOR: simulator.build} if settings.test_mode else {}
    builders |= {point.name: _import(point) for point in _find(settings.processors)}
    built: dict[str, Processor] = {}
    hosts: dict[str, frozenset[str]] = {}
    for name, build in builders.items():
        before = vault.hosts
        try:
            built[name] = _checked(name, build(settings, vault, clock, ids))
        except HostTaken as error:
            raise SettingError(_both_declare(error.host, name, hosts)) from None
        hosts[name] = vault.hosts - before
    vault.fix_hosts()
    return Processors(built, hosts)


def _find(names: Sequence[str]) -> list[EntryPoint]:
    """The entry points of these names, in their order; nothing is imported, nor looked for without a name.

    Raises SettingError.
    """
    if not names:
        return []
    if SIMULATOR in names:
        raise SettingError(
            f"{SETTING} names the simulator. It takes test keys alone, without being named: leave it out."
        )
    installed = entry_points(group=GROUP)
    return [_only(name, [point for point in installed if point.name == name], installed.names) for name in names]


def _only(name: str, points: Sequence[EntryPoint], installed: set[str]) -> EntryPoint:
    """Raises SettingError where no package has a processor of this name, or several have."""
    if not points:
        others = ", ".join(sorted(installed - {SIMULATOR})) or "none"
        raise SettingError(
            f"{SETTING} names {name}, and no installed package has a processor of this name. Installed are: {others}. "
            "Install its package into the environment that Azukari runs in, or mend the name."
        )
    if len(points) > 1:
        packages = " and ".join(sorted(point.dist.name for point in points if point.dist is not None))
        raise SettingError(f"{SETTING} names {name}, which several packages have: {packages}. Uninstall all but one.")
    return points[0]


def _import(point: EntryPoint) -> Builder:
    """Raises SettingError when what the entry point names is not there."""
    try:
        build: Builder = point.load()
    except (ImportError, AttributeError) as error:
        log.bug("processor.not_imported", error, processor=point.name)
        raise SettingError(
            f"The processor {point.name} cannot be imported ({type(error).__name__}); the log says where it stopped. "
            f"Install its package anew, or take it out of {SETTING}."
        ) from None
    return build


def _checked(name: str, processor: Processor) -> Processor:
    """Raises SettingError unless it bears its own name: attempts are found by it, and one is the simulator's."""
    if getattr(processor, "name", None) != name:
        raise SettingError(f"What was built as the processor {name} has another name: its package does not fit.")
    return processor


def _both_declare(host: str, name: str, hosts: Mapping[str, frozenset[str]]) -> str:
    other = next((other for other, declared in hosts.items() if host in declared), name)
    return f"The processors {other} and {name} both declare the host {host}. Take one of them out of {SETTING}."
