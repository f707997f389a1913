"""Languages as clients name them, ``en-US``, ``ja_JP.UTF-8``, ``zh-Hant``, and the nearest one we have.

Source: contract 1.7, 6.3: of the wire's three languages; the first letters of a longer name count.
"""

import re
from collections.abc import Collection
from typing import Annotated

from azukari.core.pan import looks_like_card_number
from azukari.wire.fields import InvalidValue, Reader

#: What the wire has words for; without a wish it is the first.
ON_THE_WIRE = ("ja", "en", "ko")
#: Longer texts are no name of a language.
LONGEST = 255
_NAME = re.compile(r"\s*([A-Za-z]+)(?![A-Za-z0-9]).*", re.DOTALL)
#: By three letters, by the country, in words.
_ALSO = {
    "jpn": "ja", "jp": "ja", "japanese": "ja", "eng": "en", "english": "en", "kor": "ko", "kr": "ko", "korean": "ko",
    "zho": "zh", "chi": "zh", "cn": "zh", "cmn": "zh", "yue": "zh", "chinese": "zh",
}  # fmt: skip


def language_named(text: str) -> str | None:
    """The language a text names, in small letters; None: it names none."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    name = match[1].lower()
    name = _ALSO.get(name, name)
    return name if len(name) in (2, 3) else None


def nearest(text: str, offered: Collection[str] = ON_THE_WIRE) -> str:
    """One of those offered: the language that is named, English for another, Japanese where none is named."""
    language = language_named(text)
    if language is None:
        return ON_THE_WIRE[0]
    return language if language in offered else "en"


def locale(value: object) -> str:
    """The rule of :data:`Locale`, for whoever reads members by hand. Raises InvalidValue."""
    if not isinstance(value, str) or len(value) > LONGEST or looks_like_card_number(value):
        raise InvalidValue
    return nearest(value)


#: One of the wire's languages, by whatever name.
Locale = Annotated[str, Reader(locale)]
