"""From what the house keeps to what the pages show."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
from msgspec import UNSET

from azukari.checkout.messages import LANGUAGES
from azukari.checkout.view import Item, Method, OrderSummary, Shop
from azukari.merchants.settings import MerchantSettings
from azukari.payment_types import METHODS
from azukari.payments.views import PaymentView
from azukari.sessions.page import HostedSession
from azukari.sessions.schemas import LineItem, SessionMethod
from azukari.wire.fields import InvalidValue
from azukari.wire.locales import language_named
from azukari.wire.return_urls import return_url, with_query


def shop_of(settings: MerchantSettings, mode: str) -> Shop:
    """The merchant as its pages show it. mode: ``live`` or ``test``."""
    return Shop(
        name=settings.name,
        live=mode == "live",
        logo=settings.logo,
        accent=settings.accent,
        support=settings.support,
        languages=tuple(settings.languages),
        legal_url=settings.legal_url,
        legal_text=settings.legal_text,
        privacy_url=settings.privacy_url,
        bank_fee=settings.bank_fee,
    )


def summary_of(opened: HostedSession) -> OrderSummary:
    """A session as its page shows it."""
    session = opened.session
    # A session may name types that are paid through the API alone, in test mode.
    shown = [entry for entry in opened.methods if METHODS[entry.type].has_form] or opened.methods
    methods = [_method(entry, session.currency) for entry in shown]
    received = 0
    short = _short_of(opened)
    if short and opened.payment is not None and opened.payment.payment.status == "pending":
        received, type = opened.payment.payment.total - short, _type_of(opened)
        methods = [replace(method, amount=short, fee=0) if method.type == type else method for method in methods]
    return OrderSummary(
        id=session.id,
        mode=session.kind,
        shop=shop_of(opened.settings, session.mode),
        amount=session.amount,
        currency=session.currency,
        methods=tuple(methods),
        received=received,
        items=tuple(_item(line) for line in opened.line_items),
        email=session.email,
        locale=session.locale,
        return_to=way_back(session.return_url, session.id),
        created_at=session.created_at,
        expires_at=session.expires_at,
        chosen=_type_of(opened),
    )


class _Details(msgspec.Struct):
    type: str | None = None
    short_amount: int | None = None


_details = msgspec.json.Decoder(_Details | None).decode


def _tried(opened: HostedSession) -> _Details | None:
    return None if opened.payment is None else _details(opened.payment.payment.details)


def _type_of(opened: HostedSession) -> str | None:
    """The type of the latest try; one that was authenticated first is a card's."""
    found = _tried(opened)
    return found.type if found else "credit_card" if opened.secure_token else None


def fell_short(opened: HostedSession) -> bool:
    """Whether the latest try was a prepaid card with too little on it: another number has to be given."""
    return _short_of(opened) > 0


def _short_of(opened: HostedSession) -> int:
    found = _tried(opened)
    return found.short_amount or 0 if found else 0


def _method(entry: SessionMethod, currency: str) -> Method:
    known = METHODS[entry.type]
    fee = entry.customer_fee or 0
    return Method(
        type=entry.type,
        group=known.group,
        names=known.names._asdict(),
        amount=(entry.amount or 0) + fee,
        currency=entry.currency or currency,
        fee=fee,
        # A list of brands, or the stores as an object's keys.
        brands=() if entry.brands is UNSET else tuple(entry.brands),
        members=(*known.required, *known.additional_fields),
    )


def _item(line: LineItem) -> Item:
    amount = line.amount if isinstance(line.amount, int) else None
    name = line.description if isinstance(line.description, str) and line.description else None
    number = line.external_product_num if isinstance(line.external_product_num, str) else ""
    return Item(name or number or "·", line.quantity, amount)


def way_back(url: str | None, session_id: str | None = None) -> str | None:
    """Where the shopper goes back to. It was checked when it came; what is not fit to be a link is none now."""
    if url is None:
        return None
    try:
        good = return_url(url)
    except InvalidValue:
        return None
    return good if session_id is None else with_query(good, "session_id", session_id)


class _Extras(msgspec.Struct):
    return_url: str | None = None


def way_back_of(shown: PaymentView) -> str | None:
    """Where the shopper of a payment without session goes back to."""
    more = shown.payment.more
    return way_back(msgspec.json.decode(more, type=_Extras).return_url) if more else None


def language_of(query: Mapping[str, str], accepted: str, offered: tuple[str, ...], default: str | None) -> str:
    """The language of a page: the link's, then the session's. Chinese, which the wire has no word for, comes by the
    browser's first language. accepted: ``Accept-Language``. default: None where nobody has said.
    """
    first = language_named(accepted.partition(",")[0].partition(";")[0])
    wishes = (language_named(query.get("locale", "")), "zh" if first == "zh" else default or first, default, "en")
    return next((wish for wish in wishes if wish in offered), offered[0] if offered else next(iter(LANGUAGES)))
