"""Trying an account: what its processor says of it, in plain words."""

from collections.abc import Mapping

from azukari.core import log
from azukari.core.clock import SECOND
from azukari.core.deadline import Deadline
from azukari.processors.account import Account, Fault, Probing
from azukari.vault import ReplyUnknown, RequestNotSent, RequestRefused

#: How long trying an account may take.
PATIENCE = 30 * SECOND
_FAULTS: Mapping[Fault, str] = {
    "credentials": "{processor} does not take these secrets. They may be cut short, of the other mode, or revoked "
    "there. Give the right ones with `azukari accounts roll`.",
    "busy": "{processor} answers that it is asked too often. The secrets were not looked at: try again in a minute.",
    "down": "{processor} answers that it is out of service. The secrets were not looked at: try again later.",
    "unsupported": "{processor} knows the account, and its contract does not allow what Azukari needs. Ask "
    "{processor} to allow it.",
}


async def what_is_wrong(processor: Probing, account: Account) -> str | None:
    """What a processor says of an account, or what came in between, in a sentence; None: the account works."""
    try:
        with Deadline(PATIENCE / SECOND):
            fault = await processor.probe(account)
    except RequestRefused:
        return f"This installation sends nothing to {account.host}. Restart it, or look into AZUKARI_PROCESSORS."
    except RequestNotSent:
        return f"{account.host} cannot be reached from here. Look at the network, its names and its firewall."
    except (ReplyUnknown, TimeoutError):
        return f"{account.host} does not answer so that it can be understood. Try again later."
    except Exception as error:
        log.bug("account.probe_failed", error, processor=account.processor)
        return f"{account.processor} could not try it ({type(error).__name__}), which is a fault of its package."
    return None if fault is None else _FAULTS[fault].format(processor=account.processor)
