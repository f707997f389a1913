"""``/payment_methods``."""

from azukari.payment_methods import service
from azukari.payment_methods.schemas import PaymentMethodOut
from azukari.web.call import Call
from azukari.web.routing import PublishableKey, Router

router = Router()


@router.get("/payment_methods", PublishableKey)
async def index(call: Call) -> list[PaymentMethodOut]:
    """List the ways to pay the account offers, one line for each currency."""
    return [PaymentMethodOut.of(offer) for offer in await service.every_offer(call)]
