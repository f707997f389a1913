"""Mail addresses: one rule for whatever is given as one. The pages' scripts hold the same (``static/contact.js``)."""

import re
import unicodedata

from azukari.core.pan import holds_card_number

MAX_LENGTH = 255
#: What an error says of anything else.
RULE = "it must be one mail address, like taro@example.com, without a card number in it"
#: What NFKC leaves of Unicode's blanks, and what is as empty as they are.
_BLANKS = "\t\n\v\f\r \x85\u1680\u2028\u2029\u200b\u2060\ufeff"
#: Blanks, controls, and what turns the direction of writing.
_UNSEEN = "\x00-\x20\x7f-\x9f\u061c\u1680\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff"
_LOCAL = rf"[^{_UNSEEN}(),:;<>@\[\\\]]+"
#: Letters, digits and hyphens of ASCII, and whatever signs other scripts write names with.
_LABEL = rf"[^{_UNSEEN}!-,./:-@\[-^`{{-~]+"
_ADDRESS = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*")


def read(value: object) -> str | None:
    """The address as it is written everywhere; ``""`` of blanks alone, None of what is not one address (SEC-18 too).

    Full-width signs become plain ones, blanks around it go. Dots may stand anywhere before the ``@``, as docomo gave
    them out, and any script's letters on both sides.
    """
    if not isinstance(value, str):
        return None
    plain = unicodedata.normalize("NFKC", value).replace("。", ".").strip(_BLANKS)
    if not plain:
        return ""
    # What was copied with an address, a comma or a bracket, is no part of it.
    if len(plain) > MAX_LENGTH or unicodedata.category(plain[-1])[0] not in "LMN" or not _ADDRESS.fullmatch(plain):
        return None
    return None if holds_card_number(plain) else plain
