"""Metadata: the caller's own strings. Given keys are set, an empty value removes one. Source: contract 1.7, 3.6."""

import msgspec

_decode = msgspec.json.Decoder(dict[str, str]).decode


def merged(old: str, change: dict[str, str] | None) -> str:
    """JSON text of the old metadata (JSON text too) after a change."""
    if not change:
        return old
    kept = {key: value for key, value in (_decode(old) | change).items() if value != ""}
    return msgspec.json.encode(kept).decode()
