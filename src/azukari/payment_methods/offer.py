"""What a merchant offers for an order: which types, in what order, at what fee, in which currency."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from azukari.core.config import SettingError
from azukari.merchants.settings import MerchantSettings
from azukari.payment_methods.rates import YEN, at_rate, fixed_rate
from azukari.payment_types import BRANDS, METHODS, NOT_OF_SESSIONS, STORES, Method, default_types


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay an order.

    currency: what is paid; the order's own, or where ``rate`` is set another: how many of it for one of the order's.
    ordered_in: the order's currency. fee: on top, in the smallest unit of ``currency``.
    brands: of cards, or the stores of konbini. mode: ``live`` or ``test``.
    """

    type: str
    method: Method
    fee: int
    currency: str
    ordered_in: str
    rate: str | None
    brands: tuple[str, ...]
    mode: str

    def amount_of(self, amount: int) -> int:
        """What an order's amount is in the currency paid, without the fee; rounded to its nearest unit."""
        return amount if self.rate is None else at_rate(amount, self.rate, self.ordered_in, self.currency)

    @property
    def gateway(self) -> str:
        """Opaque to clients, and always the same for one type and mode."""
        return hashlib.sha256(f"{self.mode} {self.type}".encode()).hexdigest()[:32]


def offers(
    settings: MerchantSettings,
    mode: str,
    currency: str,
    *,
    wanted: Iterable[str] | None = None,
    storable_only: bool = False,
) -> list[Offer]:
    """What can pay an order in this currency, in the order it is shown.

    wanted: the types an order is restricted to, in its own order; those the merchant does not offer are left out. In
    test mode a merchant that has chosen none for the currency offers whatever is asked for.
    storable_only: only what can be kept and charged again.
    """
    if wanted is not None and mode == "test" and currency not in settings.payment_types:
        found = _test_offers(settings, currency, wanted)
    else:
        enabled = types_for(settings, currency)
        chosen = enabled if wanted is None else [slug for slug in dict.fromkeys(wanted) if slug in enabled]
        found = [offer for slug in chosen if (offer := _offer(settings, mode, currency, METHODS[slug])) is not None]
    if storable_only:
        found = [offer for offer in found if offer.method.storable]
    return _readable_first(found)


def _test_offers(settings: MerchantSettings, currency: str, wanted: Iterable[str]) -> list[Offer]:
    """Every type of a session that is asked for: the simulator takes them all, and at test mode's rates in whatever
    currency a type is paid in. What the merchant has chosen for that currency still holds.
    """
    found = []
    for slug in dict.fromkeys(wanted):
        method = METHODS.get(slug)
        if method is None or slug in NOT_OF_SESSIONS:
            continue
        paid_in = _test_currency(settings, currency, method)
        if paid_in is not None:
            rate = None if paid_in == currency else fixed_rate(currency, paid_in, settings.rates)
            found.append(_offered(settings, "test", currency, method, paid_in, rate))
    return found


def _test_currency(settings: MerchantSettings, currency: str, method: Method) -> str | None:
    """What an order is paid in: its own currency, else yen, else the type's first; None: the merchant has chosen others
    for these.
    """
    if method.takes(currency):
        return currency
    own = sorted(method.currencies or (), key=lambda each: each != YEN)
    return next((each for each in own if method.slug in settings.payment_types.get(each, (method.slug,))), None)


def types_for(settings: MerchantSettings, currency: str) -> list[str]:
    """The types a merchant has for this currency: chosen, or ours. With a rate, ours also has what it takes in yen."""
    chosen = settings.payment_types.get(currency)
    if chosen is None:
        chosen = [*default_types(currency)]
        if currency in settings.rates:
            chosen += types_for(settings, YEN)
    return [slug for slug in dict.fromkeys(chosen) if slug in METHODS and METHODS[slug].offered]


def fee(settings: MerchantSettings, slug: str, currency: str) -> int:
    """What the shopper pays on top, in this currency's smallest unit.

    A fee is in the currency its type is paid in first, and where a type takes any, in the merchant's own.
    """
    method = METHODS[slug]
    home = settings.currency if method.currencies is None else method.currencies[0]
    return settings.fees.get(slug, 0) if currency == home else 0


def check(settings: MerchantSettings) -> None:
    """That what is chosen exists, and can be paid in its currency. Raises SettingError."""
    for slug in [*settings.fees, *(slug for types in settings.payment_types.values() for slug in types)]:
        if slug not in METHODS:
            raise SettingError(f"{slug} is not a payment type. There are: {', '.join(METHODS)}.")
    for currency, types in settings.payment_types.items():
        for slug in types:
            if _paid_in(settings, currency, METHODS[slug]) is None:
                rate = f" With a rate that is enough: --rate {currency}=…" if METHODS[slug].takes(YEN) else ""
                raise SettingError(
                    f"{slug} cannot pay an order in {currency}. "
                    f"It is paid in {', '.join(METHODS[slug].currencies or ())}.{rate}"
                )


def _offer(settings: MerchantSettings, mode: str, currency: str, method: Method) -> Offer | None:
    paid_in = _paid_in(settings, currency, method)
    if paid_in is None:
        return None
    rate = None if paid_in == currency else settings.rates[currency]
    return _offered(settings, mode, currency, method, paid_in, rate)


def _offered(
    settings: MerchantSettings, mode: str, currency: str, method: Method, paid_in: str, rate: str | None
) -> Offer:
    brands = {"card": tuple(BRANDS), "konbini": tuple(STORES)}.get(method.group, ())
    return Offer(method.slug, method, fee(settings, method.slug, paid_in), paid_in, currency, rate, brands, mode)


def _paid_in(settings: MerchantSettings, currency: str, method: Method) -> str | None:
    if method.takes(currency):
        return currency
    return YEN if currency in settings.rates and method.takes(YEN) else None


def _readable_first(found: list[Offer]) -> list[Offer]:
    """Clients in shops' pages read the first entry at once, and can only read cards, konbini and off-site types."""
    for place, offer in enumerate(found):
        if offer.method.group in ("card", "konbini") or offer.method.offsite:
            return [offer, *found[:place], *found[place + 1 :]]
    return found
