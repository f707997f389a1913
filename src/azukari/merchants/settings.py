"""A merchant's settings: what the hosted page says and shows, and what it offers.

Stored as JSON of those that were set, so that a better default reaches everyone who has not chosen.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from azukari.core import colours
from azukari.core.config import SettingError
from azukari.core.money import CURRENCIES, MAX_AMOUNT
from azukari.db import Database, Tx, retry_on_conflict
from azukari.merchants import schemes, store
from azukari.merchants.keys import LIVE, TEST

LANGUAGES = ("ja", "en", "ko", "zh")
ThreeDSecure = Literal["required", "attempted", "off"]
#: Larger pictures would make the page slow; a mark of 96 × 96 points is a few kilobytes.
LOGO_BYTES = 16 * 1024
LEGAL_TEXT = 400
_LINE, _ADDRESS, _ORIGINS, _APPS, _RETRIES = 100, 2_000, 50, 50, 14
_OWN_PORTS = {"http": ":80", "https": ":443"}
#: White text on the button must be readable (WCAG 2.2, 1.4.3).
LEAST_CONTRAST = 4.5
_COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_MAIL = re.compile(r"[^@\s<>\"(),:;]{1,64}@[^@\s<>\"(),:;]+\.[^@\s<>\"(),:;.]+")
#: Yen for one of the other currency: six decimals at most, so that it is a whole number of millionths.
_RATE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
#: Pictures that cannot carry script, by how their files begin (SVG can, so it is none of them).
_PICTURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)


class MerchantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant has chosen, or what we chose for it.

    name: what shoppers see; :func:`settings_of` fills in the merchant's own where none was set.
    logo: a ``data:`` address; None: the page draws the first letter.
    accent: ``#rrggbb``, dark enough for white text; None: ours.
    support: a mail address or a URL.
    payment_types: slugs by currency, in the order they are shown; a currency that is not there has the defaults.
    fees: what the shopper pays on top, by slug, in the smallest unit of the method's currency.
    languages: of the page, from which the shopper may choose.
    origins: of shops whose pages may embed ours, use the publishable key and be returned to: scheme, host and port.
    app_schemes: of the shop's apps that shoppers return to.
    legal_url, legal_text, privacy_url: shown under the total and at the foot. currency: where a session names none.
    bank_fee: the page says that the transfer's fee is the shopper's.
    rates: yen for one of a currency, as written (``"150.2"``); a currency that is not there has no rate.
    time_zone: whose calendar subscriptions follow, a name of the time zone database; each keeps the one it began with.
    retry_days: after how many days a subscription's declined charge is tried again, counted from the first try.
    three_d_secure: by mode, what is asked of shoppers whose browser brings a card to a session, by a page of ours or
    with a publishable key. ``required``: their bank has said that it is them, or nothing is charged. ``attempted``:
    where the bank can be asked. ``off``: they are not asked. A mode that is not there has ours:
    :func:`azukari.sessions.demands.demanded`.
    three_d_secure_skipped: where it is required, a card whose bank takes no part in it is taken all the same.
    """

    name: str = ""
    logo: str | None = None
    accent: str | None = None
    support: str | None = None
    payment_types: dict[str, list[str]] = {}
    fees: dict[str, int] = msgspec.field(default_factory=lambda: {"konbini": 190})
    languages: list[str] = msgspec.field(default_factory=lambda: list(LANGUAGES))
    origins: list[str] = []
    app_schemes: list[str] = []
    legal_url: str | None = None
    legal_text: str | None = None
    privacy_url: str | None = None
    currency: str = "JPY"
    bank_fee: bool = False
    rates: dict[str, str] = {}
    time_zone: str = "Asia/Tokyo"
    retry_days: list[int] = msgspec.field(default_factory=lambda: [1, 4, 8, 14])
    three_d_secure: dict[str, ThreeDSecure] = {}
    three_d_secure_skipped: bool = False


#: Settings that hold one value per currency, type or mode: setting one of them leaves the others.
_BY_NAME = ("payment_types", "fees", "rates", "three_d_secure")
Check = Callable[[MerchantSettings], None]


async def settings_of(tx: Tx, merchant_id: str) -> MerchantSettings:
    """The merchant's settings, its name filled in. Raises NotFound."""
    merchant = await store.get_merchant(tx, merchant_id)
    return _read(merchant)


async def change(
    db: Database, merchant_id: str, values: Mapping[str, Any], unset: Iterable[str], check: Check
) -> MerchantSettings:
    """Put some settings back to their defaults, and set others.

    check: raises SettingError where the settings do not go together. Raises NotFound, and SettingError with a sentence
    that says what would be right.
    """
    good = {name: _CHECKS[name](value) for name, value in values.items()}
    return await retry_on_conflict(db, _change, merchant_id, good, frozenset(unset), check)


async def _change(
    tx: Tx, merchant_id: str, values: Mapping[str, Any], unset: frozenset[str], check: Check
) -> MerchantSettings:
    merchant = await store.get_merchant(tx, merchant_id)
    kept: dict[str, Any] = msgspec.json.decode(merchant.settings)
    kept = {name: value for name, value in kept.items() if name not in unset}
    before = msgspec.convert(kept, MerchantSettings)
    for name, value in values.items():
        kept[name] = {**getattr(before, name), **value} if name in _BY_NAME else value
    check(msgspec.convert(kept, MerchantSettings))
    text = msgspec.json.encode(kept).decode()
    await store.keep_settings(tx, merchant, text)
    return _read(msgspec.structs.replace(merchant, settings=text))


def _read(merchant: store.Merchant) -> MerchantSettings:
    found = msgspec.json.decode(merchant.settings, type=MerchantSettings)
    return found if found.name else msgspec.structs.replace(found, name=merchant.name)


def logo_of(picture: bytes) -> str:
    """The ``data:`` address of a picture file. Raises SettingError."""
    media_type = next((kind for begins, kind in _PICTURES if begins.match(picture)), None)
    if media_type is None:
        raise SettingError("The logo must be a PNG, JPEG or WebP picture. An SVG could carry script: export a PNG.")
    if len(picture) > LOGO_BYTES:
        raise SettingError(
            f"The logo has {len(picture)} bytes; at most {LOGO_BYTES} fit on the page. 96 × 96 points are enough."
        )
    return f"data:{media_type};base64,{base64.b64encode(picture).decode()}"


def _printable(value: str) -> bool:
    # Japanese names have a full-width space, which Python does not count among what can be printed.
    return value.replace("\u3000", " ").isprintable()


def _name(value: str) -> str:
    value = value.strip()
    if not value or len(value) > _LINE or not _printable(value):
        raise SettingError(f"The name must be 1 to {_LINE} characters on one line.")
    return value


def _accent(value: str) -> str:
    value = value.strip().lower()
    if not _COLOUR.fullmatch(value):
        raise SettingError("The accent must be a colour like #1f5a4e.")
    if len(value) == 4:
        value = "#" + "".join(2 * digit for digit in value[1:])
    if (found := colours.contrast(colours.read(value), colours.WHITE)) < LEAST_CONTRAST:
        raise SettingError(
            f"White text on {value} would have a contrast of {found:.2f} to 1, and {LEAST_CONTRAST} to 1 is the least "
            "people can read well. Choose a darker colour."
        )
    return value


def _support(value: str) -> str:
    value = value.strip()
    if "://" in value:
        return _url(value, "support address")
    if not _MAIL.fullmatch(value) or not value.isprintable() or len(value) > _LINE:
        raise SettingError(
            "The support address must be a mail address, or an address that starts with https:// or http://."
        )
    return value


def _payment_types(value: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    chosen = {_currency(currency): list(dict.fromkeys(types)) for currency, types in value.items()}
    for currency, types in chosen.items():
        if not types:
            raise SettingError(f"Name at least one payment type for {currency}, like {currency}=credit_card.")
    return chosen


def _fees(value: Mapping[str, str]) -> dict[str, int]:
    for slug, fee in value.items():
        if not (fee.isascii() and fee.isdigit()) or int(fee) > MAX_AMOUNT:
            raise SettingError(
                f"The fee of {slug} must be a whole number of the smallest unit, like {slug}=190; 0 is none."
            )
    return {slug: int(fee) for slug, fee in value.items()}


def _languages(value: Iterable[str]) -> list[str]:
    chosen = list(dict.fromkeys(each.strip().lower() for each in value))
    if not chosen or not set(chosen) <= set(LANGUAGES):
        raise SettingError(f"The languages must be some of {', '.join(LANGUAGES)}, with commas between them.")
    return chosen


def _origins(value: Iterable[str]) -> list[str]:
    chosen = list(dict.fromkeys(map(_origin, value)))
    if len(chosen) > _ORIGINS:
        raise SettingError(f"At most {_ORIGINS} origins can be set.")
    return chosen


#: What may stand in a policy we send: nothing that could end an origin there and begin something else.
#: No policy can name an IPv6 address.
_HOST = re.compile(r"[0-9A-Za-z.\-]+(?::[0-9]{1,5})?")


def _origin(value: str) -> str:
    parts = _split(value.strip())
    if (
        parts is None
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or not _HOST.fullmatch(parts.netloc)
    ):
        raise SettingError("An origin is scheme and host alone, without a path or a star, like https://shop.example.")
    # As browsers write it: they leave the scheme's own port out.
    return f"{parts.scheme}://{parts.netloc.lower()}".removesuffix(_OWN_PORTS[parts.scheme])


def _app_schemes(value: Iterable[str]) -> list[str]:
    chosen = list(dict.fromkeys(each.strip().lower() for each in value))
    if not chosen or len(chosen) > _APPS or not all(map(schemes.may_be_an_apps, chosen)):
        raise SettingError(
            f"The schemes must be at most {_APPS} of apps of the shop's own, without a colon and with commas between "
            "them, like myshop,jp.shop.app. Those of browsers, systems and other programs cannot be registered."
        )
    return chosen


def _legal_text(value: str) -> str:
    value = value.replace("\r\n", "\n").strip()
    if not value or len(value) > LEGAL_TEXT or not _printable(value.replace("\n", "")):
        raise SettingError(f"The legal text must be 1 to {LEGAL_TEXT} plain characters.")
    return value


def _url(value: str, what: str) -> str:
    value = value.strip()
    if len(value) > _ADDRESS or _split(value) is None:
        raise SettingError(f"The {what} must start with https:// or http://, and go on with a host.")
    return value


def _split(value: str) -> SplitResult | None:
    """The parts of an address a browser may be sent to."""
    if not value.isprintable() or any(sign.isspace() or sign in "\\<>\"'" for sign in value):
        return None
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - it raises where the port is none
    except ValueError:
        return None
    known = parts.scheme in ("http", "https") and parts.hostname and parts.netloc.isascii() and "@" not in parts.netloc
    return parts if known else None


def _currency(value: str) -> str:
    value = value.strip().upper()
    if value not in CURRENCIES:
        raise SettingError(f"The currency must be one of {', '.join(CURRENCIES)}.")
    return value


def _time_zone(value: str) -> str:
    value = value.strip()
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingError("The time zone must be a name of the time zone database, like Asia/Tokyo.") from None
    return value


def _retry_days(value: Iterable[str]) -> list[int]:
    chosen = [each.strip() for each in value if each.strip()]
    days = [int(each) for each in chosen if each.isascii() and each.isdigit() and len(each) < 3]
    # Card networks allow fifteen tries in thirty days, the first one among them (REL-9).
    if (
        len(days) < len(chosen)
        or days != sorted(set(days))
        or len(days) > _RETRIES
        or not all(1 <= d <= 30 for d in days)
    ):
        raise SettingError(
            f"The days of retries must be at most {_RETRIES} whole numbers from 1 to 30, each greater than the one "
            "before, like 1,4,8,14."
        )
    return days


def _rates(value: Mapping[str, str]) -> dict[str, str]:
    """As JSON writes numbers."""
    chosen = {_currency(currency): rate.strip() for currency, rate in value.items()}
    for currency, rate in chosen.items():
        if currency == "JPY" or not _RATE.fullmatch(rate) or not rate.strip("0."):
            raise SettingError("A rate is yen for one of another currency, with six decimals at most, like USD=150.2.")
    return {currency: _plain(rate) for currency, rate in chosen.items()}


def _three_d_secure(value: Mapping[str, str]) -> dict[str, str]:
    chosen = {mode.strip().lower(): choice.strip().lower() for mode, choice in value.items()}
    if not {LIVE, TEST}.issuperset(chosen) or not set(get_args(ThreeDSecure)).issuperset(chosen.values()):
        raise SettingError(
            f"3-D Secure is one of {', '.join(get_args(ThreeDSecure))} for {LIVE} or {TEST}, like live=required."
        )
    return chosen


def _plain(number: str) -> str:
    whole, _, part = number.partition(".")
    return f"{int(whole)}.{part}".rstrip("0").rstrip(".") if part else str(int(whole))


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": _name,
    "logo": logo_of,
    "accent": _accent,
    "support": _support,
    "payment_types": _payment_types,
    "fees": _fees,
    "languages": _languages,
    "origins": _origins,
    "app_schemes": _app_schemes,
    "currency": _currency,
    "rates": _rates,
    "time_zone": _time_zone,
    "retry_days": _retry_days,
    "three_d_secure": _three_d_secure,
    "three_d_secure_skipped": bool,
    "legal_url": partial(_url, what="address of the legal notice"),
    "legal_text": _legal_text,
    "privacy_url": partial(_url, what="address of the privacy notice"),
    "bank_fee": bool,
}
