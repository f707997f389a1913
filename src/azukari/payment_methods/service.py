"""What an account offers."""

from azukari.core.money import CURRENCIES
from azukari.payment_methods.offer import Offer, offers
from azukari.processors.registry import NoProcessor
from azukari.wire.call import Call


async def every_offer(call: Call) -> list[Offer]:
    """Every type in every currency it is paid in; the account's own currency first."""
    settings = await call.services.settings_of(call.owner)
    currencies = sorted(CURRENCIES, key=lambda currency: currency != settings.currency)
    found = (offer for currency in currencies for offer in offers(settings, call.owner.mode, currency))
    # What is paid in yen at a rate is listed once, with yen.
    return [offer for offer in found if offer.rate is None and is_taken(call, offer.type)]


def is_taken(call: Call, type: str) -> bool:
    """Whether there is a processor for it."""
    try:
        call.services.processors.pick(call.owner, type)
    except NoProcessor:
        return False
    return True


def authenticates(call: Call) -> frozenset[str]:
    """The card brands that there is 3-D Secure for."""
    try:
        return call.services.processors.pick(call.owner).can.authenticates
    except NoProcessor:
        return frozenset()
