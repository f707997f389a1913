"""What every processor over HTTPS needs: replies read without surprises, and what a status says of a request."""

from collections.abc import Mapping
from typing import Any, Literal

from azukari.processors.account import AccountUse
from azukari.processors.base import Declined, NotSent, Outcome, ProcessorRequest, Refused, Unknown
from azukari.vault import Outbound, Reply, ReplyUnknown, Vault

#: For a call that moves money, and for one that asks; connecting takes 5 s of it at most (the vault's transport).
CALL_SECONDS, LOOKUP_SECONDS = 30, 15
#: Statuses with which a request was not looked at, or not let in: nothing happened, whatever their bodies say.
REFUSED: Mapping[int, Literal["credentials", "busy", "unsupported"]] = {
    400: "unsupported",
    401: "credentials",
    403: "credentials",
    404: "unsupported",
    405: "unsupported",
    413: "unsupported",
    415: "unsupported",
    429: "busy",
}


def json_of(reply: Reply) -> Any:
    """The decoded body; None when it cannot be read."""
    try:
        return reply.json()
    except ReplyUnknown:
        return None


def at(tree: Any, pointer: str) -> Any:
    """What stands at a JSON pointer such as ``/error/code`` or ``/data/0``; None when nothing does.

    Source: RFC 6901, without its escapes.
    """
    for name in pointer.split("/")[1:]:
        if isinstance(tree, list):
            tree = tree[int(name)] if name.isdigit() and int(name) < len(tree) else None
        else:
            tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def text_at(tree: Any, pointer: str) -> str | None:
    """A text that is not empty at a JSON pointer, or None."""
    found = at(tree, pointer)
    return found if isinstance(found, str) and found else None


def of_status(reply: Reply) -> Outcome:
    """What the status alone says of a request that was not carried out: Refused where that is certain."""
    reason = REFUSED.get(reply.status)
    return Unknown() if reason is None else Refused(reason)


def unless_done(outcome: Outcome) -> Outcome:
    """An outcome that a reply of success shows: where it shows nothing done, it is not known yet."""
    return Unknown() if isinstance(outcome, NotSent) else outcome


def declined(code: str, raw: str | None = None) -> Declined:
    """The bank's no. code: of the wire; raw: the processor's own word, where it is another."""
    return Declined(code, raw or code)


async def send(vault: Vault, account: AccountUse, outbound: Outbound, request: ProcessorRequest | None = None) -> Reply:
    """Send a request as an account, with the card of ``request`` where it has one.

    Raises the vault's RequestNotSent (its secrets cannot be opened, among others), ReplyUnknown.
    """
    if request is None or request.use is None:
        return await vault.send_plain(outbound, account=account.access)
    return await vault.send(request.use, request.verification_value, outbound, account=account.access)
