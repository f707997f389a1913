"""The shape of an API key.

``sk_live_``, ``sk_test_``, ``pk_live_`` or ``pk_test_``, 30 random characters of base 62 (178 bits), and a checksum of
six: 44 characters in all, because Ruby clients break the header of longer ones. Source: contract 1.2.
"""

import zlib
from typing import NamedTuple

from azukari.core.ids import Ids
from azukari.db import Owner

SECRET, PUBLISHABLE = "sk", "pk"
LIVE, TEST = "live", "test"
RANDOM, CHECKSUM = 30, 6
LENGTH = 8 + RANDOM + CHECKSUM
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class ApiKey(NamedTuple):
    """Who is calling, as the key tells it."""

    id: str
    owner: Owner
    kind: str
    api_version: str
    last_four: str

    @property
    def actor(self) -> str:
        """Its name in audit lines."""
        return self.id

    @property
    def is_secret(self) -> bool:
        return self.kind == SECRET

    @property
    def is_test(self) -> bool:
        return self.owner.mode == TEST


def make(kind: str, mode: str, ids: Ids) -> str:
    """A new key."""
    body = f"{kind}_{mode}_{ids.base62(RANDOM)}"
    return body + checksum(body)


def checksum(body: str) -> str:
    """Six characters that tell a mistyped key from a wrong one without asking the database."""
    number, characters = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM):
        number, rest = divmod(number, 62)
        characters = _BASE62[rest] + characters
    return characters


def well_formed(key: str) -> bool:
    """Whether this could be a key of ours."""
    return (
        len(key) == LENGTH
        and key.isascii()
        and key[:8] in ("sk_live_", "sk_test_", "pk_live_", "pk_test_")
        and key[-CHECKSUM:] == checksum(key[:-CHECKSUM])
    )
