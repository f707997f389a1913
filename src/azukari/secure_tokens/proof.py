"""What proves an authentication (CAVV), shown to its merchant's secret keys while it waits for the charge.

It is read anew for each answer, and put into none that is stored: a repeat shows it as long as it is kept, and an empty
text from then on. Source: contract section 9; ``docs/security.md``, "Card data".
"""

import msgspec

from azukari.core import log
from azukari.core.errors import Unavailable
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.tokens import store
from azukari.vault import Unreadable
from azukari.wire.call import Call


async def show(call: Call, out: SecureTokenOut) -> None:
    """Put it into a secure token that is about to be shown. Raises Unavailable."""
    if out.three_ds_auth_result is not msgspec.UNSET:
        out.three_ds_auth_result.authentication_value = await _read(call, out.id)


async def show_if_possible(call: Call, out: SecureTokenOut) -> None:
    """The same in the answer to ``POST /secure_tokens``: it is done, so should a store be away, it goes without."""
    try:
        await show(call, out)
    except Unavailable:
        log.warning("authentication_value.not_read", reason="unavailable")


async def _read(call: Call, token_id: str) -> str:
    """It, or an empty text: for others than secret keys, once it is used or over, and where there is none."""
    if not call.is_secret:
        return ""
    token = await call.db.read(store.find, call.owner, token_id)
    if token is None or not token.has_authentication_value or token.used_at is not None:
        return ""
    if token.verification_at(await call.services.moment_of(call.owner)) != "OK":
        return ""
    try:
        value = await call.vault.read_authentication_value(call.owner, token_id, actor=call.actor)
    except Unreadable as error:
        log.warning("authentication_value.not_read", reason=error.reason)
        return ""
    return "" if value is None else value.reveal()
