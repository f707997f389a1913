"""Lets the simulator promise something else than it does."""

from typing import Any

import msgspec

from azukari.db import Owner
from azukari.processors.account import AccountUse
from azukari.processors.base import AttemptQuery, ProcessorRequest
from azukari.processors.capabilities import KINDS, Recovery
from tests.house import House


def promise(house: House, **promised: Any) -> None:
    """promised: members of ``Capabilities``."""
    simulator: Any = house.services.processors.named("simulator")
    simulator.can = msgspec.structs.replace(simulator.can, **promised)


def recover(house: House, recovery: Recovery) -> None:
    """An unknown outcome of any kind is found out this way."""
    promise(house, recovery=dict.fromkeys(KINDS, recovery))


def query(owner: Owner, ref: str, account: AccountUse | None = None) -> AttemptQuery:
    """What is asked about a sale of which no more is known."""
    return AttemptQuery(owner, ref, "sale", 1000, "JPY", account=account)


def query_of(request: ProcessorRequest) -> AttemptQuery:
    """What is asked about a request."""
    return AttemptQuery(
        request.owner,
        request.ref,
        request.kind,
        request.amount,
        request.currency,
        parent=request.parent,
        account=request.account,
    )
