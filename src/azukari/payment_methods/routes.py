"""``/payment_methods``, and the pictures shops show beside them."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from azukari.core.errors import NotFound
from azukari.payment_methods import service
from azukari.payment_methods.pictures import Gallery, Picture
from azukari.payment_methods.schemas import PaymentMethodOut
from azukari.web.pages import Show
from azukari.web.routing import PublishableKey, Router
from azukari.wire.answers import Answer
from azukari.wire.call import Call
from azukari.wiring import Services

router = Router()

#: For pages of any shop. A drawing that is opened by itself can load and run nothing.
_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.get("/payment_methods", PublishableKey)
async def index(call: Call) -> list[PaymentMethodOut]:
    """List the ways to pay the account offers, one line for each currency."""
    brands = service.authenticates(call)
    return [PaymentMethodOut.of(offer, brands) for offer in await service.every_offer(call)]


def pictures(services: Services) -> Mapping[str, Show]:
    """The pictures' paths, outside of the API. Raises SettingError."""
    gallery = Gallery(services.settings.artwork)

    def method(given: Mapping[str, str], query: str) -> Answer:
        brands = ",".join(parse_qs(query).get("brands", ())).split(",")
        return _answer(gallery.method(given["type"], brands))

    def store(given: Mapping[str, str], query: str) -> Answer:
        return _answer(gallery.store(given["store"]))

    return {"/payment_methods/{type}.svg": method, "/assets/konbini/{store}.svg": store}


def _answer(picture: Picture | None) -> Answer:
    if picture is None:
        raise NotFound
    return Answer(200, *picture, headers=_HEADERS)
