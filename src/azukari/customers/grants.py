"""Grants: for a while a page may have a customer's saved card verified, with the shop's publishable key.

Ids of customers stand in shops' pages and mails, and to verify a card sends its holder a one-time password. So the
shop's server says for whom that may be done. A grant is stored nowhere: it is its end, and a keyed hash over whose it
is.
"""

import base64
import binascii
import hmac

from azukari.core.clock import MINUTE, SECOND
from azukari.db import Owner
from azukari.vault import Vault

LIFE = 30 * MINUTE
_PREFIX = "grant_"
_END_BYTES, _MAC_BYTES = 5, 20
LENGTH = len(_PREFIX) + (_END_BYTES + _MAC_BYTES) * 8 // 5


def end_of_one_made(now: int) -> int:
    """When a grant that is made now ends. now, and what comes back: by the machine's clock."""
    return (now + LIFE) // SECOND * SECOND


def text_of(vault: Vault, owner: Owner, customer_id: str, end: int) -> str:
    """The grant that ends then."""
    seconds = (end // SECOND).to_bytes(_END_BYTES, "big")
    of = f"grant {owner.merchant_id} {owner.mode} {customer_id} {end}"
    # Letters, mostly: digits alone could look like a card number.
    return _PREFIX + base64.b32encode(seconds + vault.mac("pepper", of.encode())[:_MAC_BYTES]).decode().lower()


def holds(vault: Vault, owner: Owner, customer_id: str, given: str, now: int) -> bool:
    """Whether this grant is the customer's, and has not ended."""
    if len(given) != LENGTH or not given.startswith(_PREFIX) or not given.isascii():
        return False
    try:
        kept = base64.b32decode(given.removeprefix(_PREFIX).upper())
    except binascii.Error:
        return False
    end = int.from_bytes(kept[:_END_BYTES], "big") * SECOND
    known = text_of(vault, owner, customer_id, end)
    return hmac.compare_digest(known.encode(), given.encode()) and now < end
