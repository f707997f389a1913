"""The last filter before the log: what looks like a card number, a key or a credential is masked.

It is a net under the rope, not the rope: the log takes no values of the caller's in the first place.
"""

import re

from azukari.core.pan import luhn_runs

MASK = "***"

#: The shortest text any of these finds something in.
_SHORTEST = 9
_KEY = re.compile(r"(?<![0-9A-Za-z])([sp]k)_[0-9A-Za-z_]{6,}")
_CREDENTIAL = re.compile(r"\b(basic|bearer)\s+[0-9A-Za-z+/=._~\-]{8,}", re.IGNORECASE)
#: A header as it is sent, or as a Python or JSON value shows it; up to the end of the quotes or of the line.
_HEADER = re.compile(
    r"""(authorization|cookie)["'\\]*\s*[:=,]\s*b?["'\\]*[^"'\\\s][^"'\\\r\n]*""",
    re.IGNORECASE,
)


def scrub(text: str) -> str:
    """The same text, masked where digits pass Luhn and where keys, ``Authorization`` and cookies stand."""
    if len(text) < _SHORTEST:
        return text
    text = _without_cards(text)
    if "k_" in text:
        text = _KEY.sub(rf"\1_{MASK}", text)
    small = text.lower()
    if "authorization" in small or "cookie" in small:
        text = _HEADER.sub(rf"\1: {MASK}", text)
    if "basic" in small or "bearer" in small:
        text = _CREDENTIAL.sub(rf"\1 {MASK}", text)
    return text


def _without_cards(text: str) -> str:
    kept: list[str] = []
    position = 0
    for begin, end in sorted(luhn_runs(text, anywhere=True)):
        if end > position:
            kept += [text[position:begin], MASK]
            position = end
    return "".join(kept) + text[position:]
