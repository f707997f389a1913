"""A flow that is killed, and the scene that is prepared for each try of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.sites import Site
from tests.house import Api

#: The bank declines it for want of funds.
POOR = "4123111111111000"
#: Their issuer verifies them at once, and after a challenge.
FRICTIONLESS, CHALLENGED = "4100000000000100", "4100000000005000"


@dataclass
class Scene:
    """One try of a flow: what was prepared for it. acknowledged: answers that must stay true, by their paths."""

    number: int
    site: Site | None = None
    made: dict[str, Any] = field(default_factory=dict)
    acknowledged: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> dict[str, str]:
        """The headers of a request with the try's own idempotency key."""
        return {"X-KOMOJU-IDEMPOTENCY": f"try-{self.number}"}

    def keep(self, name: str, reply: httpx.Response) -> Any:
        """Remember an answer that was given."""
        assert reply.status_code == 200, reply.text
        body = reply.json()
        self.made[name] = body["id"]
        if body.get("resource") in ("payment", "customer"):
            self.acknowledged[path_of(body) or ""] = body
        return body


def path_of(body: dict[str, Any]) -> str | None:
    """Where an answer can be read again; a token cannot."""
    if "resource" not in body and "redirect_url" in body:
        return None  # what a session's try came to
    if "secure_token" in body and "resource" not in body:
        return f"/secure_tokens/{body['id']}"
    return None if body["resource"] in ("token", "webhook_replay") else f"/{body['resource']}s/{body['id']}"


Prepare = Callable[[Api, Scene], Awaitable[None]]
Act = Callable[[Api, Scene], Awaitable[httpx.Response]]


async def nothing(api: Api, scene: Scene) -> None:
    """There is nothing to prepare, or to look at."""


@dataclass(frozen=True)
class Flow:
    """prepare: runs undisturbed. act: one request, killed at each of its points; the same again gives the one answer.

    check: what must be true afterwards, besides what must always be. changes: the acknowledged thing itself changes.
    anew: on an installation that nobody has used. again: how a repeat without a key may be answered besides.
    """

    name: str
    act: Act
    prepare: Prepare = nothing
    check: Prepare = nothing
    keyed: bool = True
    changes: bool = False
    anew: bool = False
    status: int = 200
    again: int = 404

    def __str__(self) -> str:
        return self.name
