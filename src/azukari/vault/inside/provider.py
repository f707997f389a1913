"""Key providers: who holds the key that wraps all other keys (the KEK)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from azukari.core.clock import SECOND, Clock
from azukari.vault.inside.envelope import lp, u32
from azukari.vault.inside.errors import ProviderDown

P = ParamSpec("P")
R = TypeVar("R")

#: How long a provider that answered is known to be well.
REMEMBERED = 2 * SECOND
LIMIT_SECONDS = 2.0
TRIES = 3


@dataclass(frozen=True, slots=True)
class Context:
    """What a wrapped key is bound to.

    purpose: ``mk`` (a merchant key), ``root/<name>``, ``sad`` (an epoch's key), ``sad/machine``
    (a machine's own key).
    mode, merchant_id: empty where the key belongs to no merchant.
    version: of the wrapped key; an epoch's number.
    """

    purpose: str
    mode: str = ""
    merchant_id: str = ""
    version: int = 1

    def encoded(self) -> bytes:
        """As additional data, for providers that take bytes."""
        return lp(self.purpose) + lp(self.mode) + lp(self.merchant_id) + u32(self.version)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key, wrapped: which provider and which of its keys did it, and the provider's own bytes."""

    provider: str
    kek_id: str
    kek_version: int
    blob: bytes


class KeyProvider(Protocol):
    """Wraps and unwraps 32-byte keys. Plain functions: the vault calls those that block from a thread.

    ``tests/vault/provider_contract.py`` is the suite each one must pass.
    """

    @property
    def name(self) -> str:
        """``file``, ``pkcs11``, …: kept with each wrapped key."""
        ...

    @property
    def fit_for_live(self) -> bool:
        """Whether live cards may be sealed under it."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether a call may take longer than a few microseconds (a network, a device)."""
        ...

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        """Wrap under the newest version. Raises ProviderDown."""
        ...

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """The key. Raises WrongKey (another key wrapped it), Unreadable (changed, or another context), ProviderDown."""
        ...

    def rotate(self) -> int:
        """Make a new version, used from now on; older ones still unwrap. The new version's number."""
        ...

    def health(self) -> None:
        """Raises ProviderDown when it could not wrap or unwrap now."""
        ...


class Health:
    """Whether a provider answers: asked every two seconds at most while it does, and one time after another else.

    Anybody may ask for it, and a call may cost money.
    """

    def __init__(self, provider: KeyProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._well_at: int | None = None
        self._asking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raises ProviderDown. That it is back is known at once; those who ask meanwhile hear the same answer."""
        if self._well_at is not None and abs(self._clock.now() - self._well_at) < REMEMBERED:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        # One that goes away takes nothing from the others.
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        self._well_at = None
        await ask(self._provider, self._provider.health)
        self._well_at = self._clock.now()


async def ask(provider: KeyProvider, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a provider without holding up the event loop: 2 seconds, three tries. Raises what the call raises."""
    if not provider.blocks:
        return call(*args, **kwargs)
    for _ in range(TRIES):
        try:
            return await asyncio.wait_for(asyncio.to_thread(call, *args, **kwargs), LIMIT_SECONDS)
        except (TimeoutError, ProviderDown):
            continue
    raise ProviderDown
