"""Processors with accounts, for tests."""

from collections.abc import Awaitable, Callable

from azukari.core.secret import Secret
from azukari.processors.account import Account, AccountFields, Fault

FIELDS = AccountFields(
    secrets=("secret_key", "signing_key"),
    profile=("shop_id",),
    hosts={"live": "api.acme.example", "test": "sandbox.acme.example"},
)
SECRETS = {"secret_key": Secret("zq7-first-secret"), "signing_key": Secret("zq7-second-secret")}
OTHERS = {"secret_key": Secret("zq7-third-secret"), "signing_key": Secret("zq7-fourth-secret")}
PROFILE = {"shop_id": "tshop00001"}

Answer = Callable[[Account], Awaitable[Fault | None]]


async def well(account: Account) -> Fault | None:
    """All is well."""
    return None


class Acme:
    """A processor that can be asked about an account. answer: what it says then."""

    name = "acme"
    account_fields = FIELDS

    def __init__(self, answer: Answer = well) -> None:
        self.answer = answer
        self.asked: list[Account] = []

    async def probe(self, account: Account) -> Fault | None:
        """What the test wants."""
        self.asked.append(account)
        return await self.answer(account)


class LiveAlone:
    """One without a sandbox, and without a way to try an account."""

    name = "live-alone"
    account_fields = AccountFields(secrets=("secret_key",), hosts={"live": "api.live.example"})


class Silent:
    """One with a sandbox and without a way to try an account."""

    name = "silent"
    account_fields = AccountFields(secrets=("secret_key",), hosts={"test": "sandbox.silent.example"})


class Bare:
    """One that needs no account."""

    name = "bare"
