"""Metadata: the caller's own strings. Given keys are set, an empty value removes one. Source: contract 1.7, 3.6."""

import msgspec

from azukari.core.errors import InvalidParameter
from azukari.wire.fields import MAX_METADATA

_decode = msgspec.json.Decoder(dict[str, str]).decode


def merged(old: str, change: dict[str, str] | None) -> str:
    """JSON text of the old metadata (JSON text too) after a change. Raises InvalidParameter: more than 100 keys."""
    if not change:
        return old
    kept = {key: value for key, value in (_decode(old) | change).items() if value != ""}
    if len(kept) > MAX_METADATA:
        raise InvalidParameter("metadata")
    return msgspec.json.encode(kept).decode()
