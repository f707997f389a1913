"""One request, as a service sees it."""

import msgspec

from azukari.attempts.store import AttemptDraft
from azukari.core.clock import Moment
from azukari.core.config import FAULTS
from azukari.core.errors import InvalidParameter
from azukari.db import Database, Owner
from azukari.merchants.keys import ApiKey
from azukari.processors.base import SimulatorDirectives
from azukari.vault import Vault
from azukari.wire.idempotency import Claim
from azukari.wiring import Services


class Call(msgspec.Struct, frozen=True):
    """Who calls, when, and what the house has to answer with.

    claim: the idempotency key, where one was sent. now: when the request came by the merchant's clock, milliseconds.
    real: by the machine's, which leases, audit lines and all that guards us go by.
    """

    services: Services
    key: ApiKey
    api_version: str
    claim: Claim | None
    directives: SimulatorDirectives
    now: int
    real: int
    client: str | None
    request_id: str

    @property
    def owner(self) -> Owner:
        return self.key.owner

    @property
    def idempotency_key(self) -> str | None:
        return None if self.claim is None else self.claim.key

    @property
    def db(self) -> Database:
        return self.services.stores.main

    @property
    def vault(self) -> Vault:
        return self.services.vault

    @property
    def moment(self) -> Moment:
        """When the request came, by both clocks."""
        return Moment(self.now, self.real)

    def draft_attempt(self, directives: SimulatorDirectives | None = None) -> AttemptDraft:
        """A new attempt of this call. directives: others than the call's own."""
        ids = self.services.ids
        return AttemptDraft(
            self.owner,
            ids.new(),
            ids.ref(),
            self.real,
            self.api_version,
            directives or self.directives,
            self.idempotency_key,
        )

    def new_id(self) -> str:
        """A resource id."""
        return self.services.ids.new()


LONGEST_DELAY = 60_000


def read_directives(
    scenario: str | None, fault: str | None, delay: str | None, scenarios: frozenset[str]
) -> SimulatorDirectives:
    """The headers of a test request. Raises InvalidParameter."""
    if scenario is not None and scenario not in scenarios:
        raise InvalidParameter("Komoju-Scenario")
    if fault is not None and fault not in FAULTS:
        raise InvalidParameter("Azukari-Fault")
    if delay is None:
        return SimulatorDirectives(scenario, fault, None)
    if not (delay.isascii() and delay.isdigit() and len(delay) < 7 and int(delay) <= LONGEST_DELAY):
        raise InvalidParameter("Azukari-Delay")
    return SimulatorDirectives(scenario, fault, int(delay))
