"""One request, as a service sees it, or what stands in for one."""

import functools
from typing import Self

import msgspec

from azukari.attempts.store import AttemptDraft
from azukari.core.clock import Moment
from azukari.core.config import FAULTS
from azukari.core.errors import InvalidParameter
from azukari.db import Database, Owner
from azukari.merchants.keys import TEST
from azukari.merchants.service import API_VERSIONS
from azukari.processors.base import NO_DIRECTIVES, SimulatorDirectives
from azukari.vault import Vault
from azukari.wire import idempotency
from azukari.wire.idempotency import Claim
from azukari.wiring import Services

#: The actor of what our own page asks for.
HOSTED_PAGE = "hosted_page"


class Call(msgspec.Struct, frozen=True):
    """Who calls, when, and what the house has to answer with.

    actor: its name in audit lines: a key's id, or what acts without one. is_secret: it may do what a secret key may.
    claim: the idempotency key, where one was sent. now: when the request came by the merchant's clock, milliseconds.
    system_now: by the machine's, which leases, audit lines and all that guards us go by.
    """

    services: Services
    owner: Owner
    actor: str
    is_secret: bool
    api_version: str
    claim: Claim | None
    directives: SimulatorDirectives
    now: int
    system_now: int
    client: str | None
    request_id: str

    @classmethod
    def of_worker(
        cls, services: Services, owner: Owner, actor: str, at: Moment, api_version: str = API_VERSIONS[-1]
    ) -> Self:
        """Work that falls due, which no request asks for."""
        return cls(services, owner, actor, True, api_version, None, NO_DIRECTIVES, *at, None, services.ids.new())

    @classmethod
    def of_page(
        cls,
        services: Services,
        owner: Owner,
        at: Moment,
        client: str | None,
        request_id: str,
        nonce: str | None = None,
        body: bytes = b"",
    ) -> Self:
        """A request from our own page, which has no key: it may do what a publishable one may.

        nonce: of the form, once for each: a second submit gets the first one's answer. body: as it came; only a keyed
        hash of it is kept. Raises BadRequest (a nonce of other than 1 to 100 printable ASCII characters).
        """
        claim, name = None, idempotency.read_key(nonce)
        if name is not None:
            mac = functools.partial(services.vault.mac, "idempotency")
            stored = idempotency.stored_name(f"\N{SECTION SIGN}{HOSTED_PAGE} {name}", mac)
            claim = Claim(stored, mac(b"page " + body), *at)
        version = API_VERSIONS[-1]
        return cls(services, owner, HOSTED_PAGE, False, version, claim, NO_DIRECTIVES, *at, client, request_id)

    @property
    def is_test(self) -> bool:
        return self.owner.mode == TEST

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
        return Moment(self.now, self.system_now)

    def draft_attempt(self, directives: SimulatorDirectives | None = None) -> AttemptDraft:
        """A new attempt of this call. directives: others than the call's own."""
        ids = self.services.ids
        return AttemptDraft(
            self.owner,
            ids.new(),
            ids.ref(),
            self.system_now,
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
