"""The formats of sealed values, byte by byte: ``docs/security.md``, "Vault cryptography".

A sealed value is ``0x01 || 0x01 || nonce[12] || AES-256-GCM``: version, algorithm, nonce, text with its tag. What it is
bound to (its merchant, mode, row and generation) is the additional data, so a value moved elsewhere does not open.
"""

import functools
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from azukari.db import Owner
from azukari.vault.inside.errors import Unreadable

KEY_BYTES = 32
#: The layout of a record's plaintext.
SCHEMA = 1

_VERSION, _AES_256_GCM = 1, 1
_HEADER = bytes((_VERSION, _AES_256_GCM))
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SHORTEST = len(_HEADER) + _NONCE_BYTES + _TAG_BYTES
_BLOCK = 64


class Cipher(Protocol):
    """AES-256-GCM under one key; the key itself does not come out."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def cipher(key: bytes) -> Cipher:
    """The cipher of a 32-byte key."""
    if len(key) != KEY_BYTES:
        raise Unreadable("content")
    return AESGCM(key)


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def lp(text: str) -> bytes:
    """A length-prefixed string: two bytes of length (big-endian), then UTF-8."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def u32(number: int) -> bytes:
    """Four bytes, big-endian."""
    return number.to_bytes(4, "big")


@functools.lru_cache(1_000)
def _whose(owner: Owner) -> bytes:
    return lp(owner.mode) + lp(owner.merchant_id)


def record_aad(owner: Owner, record_id: str, kind: str, schema: int, dek_gen: int) -> bytes:
    """What a record is bound to."""
    return b"az1/rec" + _whose(owner) + lp(record_id) + lp(kind) + u32(schema) + u32(dek_gen)


def dek_aad(owner: Owner, record_id: str, dek_gen: int, mk_version: int) -> bytes:
    """What a wrapped data key is bound to."""
    return b"az1/dek" + _whose(owner) + lp(record_id) + u32(dek_gen) + u32(mk_version)


def seal(under: Cipher, data: bytes, aad: bytes) -> bytes:
    """A sealed value. Keys are 32 bytes and give 62; texts go through :func:`pad` first."""
    nonce = os.urandom(_NONCE_BYTES)
    return _HEADER + nonce + under.encrypt(nonce, data, aad)


def unseal(under: Cipher, sealed: bytes, aad: bytes) -> bytes:
    """What was sealed. Raises Unreadable."""
    if len(sealed) < _SHORTEST:
        raise Unreadable("short")
    if sealed[0] != _VERSION:
        raise Unreadable("version")
    if sealed[1] != _AES_256_GCM:
        raise Unreadable("algorithm")
    try:
        return under.decrypt(sealed[2:14], sealed[14:], aad)
    except InvalidTag:
        raise Unreadable("tag") from None


def pad(data: bytes) -> bytes:
    """0x80, then zeros up to a multiple of 64: the length of a name does not show."""
    return data + b"\x80" + bytes(-(len(data) + 1) % _BLOCK)


def unpad(padded: bytes) -> bytes:
    """What was padded. Raises Unreadable."""
    data = padded.rstrip(b"\x00")
    if len(padded) % _BLOCK or not data.endswith(b"\x80"):
        raise Unreadable("padding")
    return data[:-1]


def keyed(key: bytes) -> HMAC:
    """HMAC-SHA-256 under a key, for many messages: :func:`mac` takes a copy for each, which saves the setting up."""
    return HMAC(key, SHA256())


def mac(under: HMAC, message: bytes) -> bytes:
    """The message's HMAC-SHA-256."""
    copy = under.copy()
    copy.update(message)
    return copy.finalize()


def hmac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 of one message."""
    return mac(keyed(key), message)


def fingerprint_key(root: bytes, owner: Owner) -> bytes:
    """The key of one merchant's fingerprints in one mode, so equal cards of two merchants share nothing (SEC-4)."""
    info = b"az1/fp" + _whose(owner)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root)
