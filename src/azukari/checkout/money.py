"""Amounts and times as the shopper reads them. The library is loaded with the first page: a start does not wait."""

from datetime import datetime, timedelta
from decimal import Decimal

from azukari.checkout.messages import say
from azukari.core.clock import JAPAN
from azukari.core.money import CURRENCIES

_LOCALES = {"ja": "ja_JP", "en": "en_US", "ko": "ko_KR", "zh": "zh_Hans_CN"}
#: Yen, unmistakable: a bare ¥ means yuan in Chinese.
_YEN = {"ja": "{}円", "en": "¥{}", "ko": "{}엔", "zh": "{}日元"}
#: Signs that several currencies share.
_AMBIGUOUS = frozenset("$¥¥")
_TIMES = {
    "ja": "y年M月d日（E）HH:mm",
    "en": "EEE, MMM d, y, HH:mm",
    "ko": "y년 M월 d일 (E) HH:mm",
    "zh": "y年M月d日（EEE）HH:mm",
}


def amount(language: str, value: int, currency: str) -> str:
    """An amount in the smallest unit as text: ``5,000円``, ``¥5,000``, ``USD 12.00``, ``-USD 12.00``."""
    if value < 0:
        return f"-{amount(language, -value, currency)}"
    from babel.numbers import format_currency, get_currency_symbol

    if currency == "JPY":
        return _YEN[language].format(f"{value:,}")
    locale = _LOCALES[language]
    number = Decimal(value).scaleb(-CURRENCIES[currency])
    if get_currency_symbol(currency, locale) in _AMBIGUOUS:
        decimals = CURRENCIES[currency]
        return f"{currency} {number:,.{decimals}f}"
    return format_currency(number, currency, locale=locale)


def parted(language: str, value: int, currency: str) -> tuple[str, str]:
    """The same for the large amount: figures, and what stands smaller behind them."""
    text = amount(language, value, currency)
    return (text[:-1], "円") if text.endswith("円") else (text, "")


def moment(language: str, time: int) -> str:
    """A time in Japan. time: milliseconds."""
    from babel.dates import format_datetime

    # Not fromtimestamp: a local clock and its limits have no say here.
    when = datetime(1970, 1, 1, tzinfo=JAPAN) + timedelta(milliseconds=time) + timedelta(hours=9)
    text = format_datetime(when.replace(tzinfo=None), _TIMES[language], locale=_LOCALES[language])
    return text if language == "ja" else f"{text} ({say(language, 'japan_time')})"
