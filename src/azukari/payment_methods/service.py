"""What an account offers."""

from azukari.core.money import CURRENCIES
from azukari.payment_methods.offer import Offer, offers
from azukari.web.call import Call


async def every_offer(call: Call) -> list[Offer]:
    """Every type in every currency it is paid in; the account's own currency first."""
    settings = await call.parts.settings_of(call.owner)
    currencies = sorted(CURRENCIES, key=lambda currency: currency != settings.currency)
    found = (offer for currency in currencies for offer in offers(settings, call.owner.mode, currency))
    # What is paid in yen at a rate is listed once, with yen.
    return [offer for offer in found if offer.rate is None]
