"""Texts in the shopper's language."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from azukari.checkout.texts import ERRORS, MESSAGES

#: As the links name them, and as ``lang`` does: kanji take their shapes from it.
LANGUAGES: Mapping[str, tuple[str, str]] = {
    "ja": ("ja", "日本語"), "en": ("en", "English"), "ko": ("ko", "한국어"), "zh": ("zh-Hans", "简体中文"),
}  # fmt: skip
_PLACES = {language: at for at, language in enumerate(LANGUAGES)}
_HOLDER = re.compile(r"\{(\w+)\}(\((으)\)로)?")
#: 로 follows a vowel and ㄹ, 으로 every other sound; Hangul syllables count their last sound modulo 28.
_FIRST_HANGUL, _LAST_HANGUL, _SOUNDS, _RIEUL = 0xAC00, 0xD7A3, 28, 8


@cache
def messages(language: str) -> Mapping[str, str]:
    """All texts of one language, by key."""
    place = _PLACES[language]
    return MappingProxyType({key: text[place] for table in (ERRORS, MESSAGES) for key, text in table.items()})


def say(language: str, key: str, **values: object) -> str:
    """A text with its places filled."""
    return fill(messages(language)[key], **values)


def fill(text: str, **values: object) -> str:
    """Put values in their places; what a value itself holds is never taken for a place."""
    return _HOLDER.sub(lambda found: _with_particle(str(values[found[1]]), found[2]), text)


def _with_particle(value: str, particle: str | None) -> str:
    if particle is None:
        return value
    last = ord(value[-1]) if value else 0
    if not _FIRST_HANGUL <= last <= _LAST_HANGUL:
        return value + particle
    sound = (last - _FIRST_HANGUL) % _SOUNDS
    return value + ("로" if sound in (0, _RIEUL) else "으로")


def in_a_sentence(language: str, label: str) -> str:
    """A field's label without its hint in brackets: ``有効期限（月/年）`` is asked for as 有効期限."""
    bare = re.split(r"\s*[（(]", label)[0]
    return bare[:1].lower() + bare[1:] if language == "en" else bare
