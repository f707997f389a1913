"""Which addresses a call may send a shopper to: the shop's server any on the web, its pages those it has registered.

Anybody holds a publishable key who has seen a shop's page, and what starts on our origin ends where the key says: with
it a ``return_url`` is ours, or has an origin or an app's scheme that the merchant has registered. In test mode, where a
merchant has registered nothing, everything is taken, and we ask before we go there.
"""

from azukari.core.errors import InvalidParameter
from azukari.merchants import origins, schemes
from azukari.merchants.keys import TEST
from azukari.merchants.settings import MerchantSettings
from azukari.wire.return_urls import origin_of

_WEB = ("http", "https")
#: Where KOMOJU serves its element, which comes back to a page of its own there. Source: contract 15.4.
KOMOJU_ELEMENT = "https://multipay.komoju.com"


class UnknownApp(InvalidParameter):
    """An app's scheme that the merchant has not registered, though it has registered some; or one that is no app's."""

    def __init__(self) -> None:
        super().__init__(
            "return_url",
            "The value of return_url is invalid: its scheme is not known to be an app of the merchant's. "
            "`azukari merchants set --app-schemes` registers it.",
        )


class UnknownPlace(InvalidParameter):
    """Where a publishable key may send nobody."""

    def __init__(self) -> None:
        super().__init__(
            "return_url",
            "The value of return_url is invalid: a publishable key sends shoppers to registered origins and "
            "apps alone. `azukari merchants set` registers them by --origin and --app-schemes.",
        )


def hold_to_apps(settings: MerchantSettings, url: str | None) -> None:
    """Refuse an app's address that is none of the merchant's. url: as it is kept. Raises UnknownApp."""
    if url is not None and _scheme_of(url) not in _WEB and not _is_app(settings, url):
        raise UnknownApp


def goes_straight(settings: MerchantSettings, mode: str, base_url: str, url: str) -> bool:
    """Whether shoppers go where a publishable key sends them, or are shown the address first.

    url: as it is kept. base_url: of this installation. mode: ``live`` or ``test``. Raises UnknownPlace.
    """
    open_to_all = mode == TEST and not (settings.origins or settings.app_schemes)
    if _scheme_of(url) not in _WEB:
        if _scheme_of(url) in schemes.registered(settings.app_schemes) or (open_to_all and _is_app(settings, url)):
            return True
        raise UnknownPlace
    origin = origin_of(url)
    if origin == origin_of(base_url) or origins.admits(settings, mode, origin):
        return True
    if not open_to_all:
        raise UnknownPlace
    return origin == KOMOJU_ELEMENT


def _scheme_of(url: str) -> str:
    return url.partition(":")[0]


def _is_app(settings: MerchantSettings, url: str) -> bool:
    scheme, _, rest = url.partition(":")
    if settings.app_schemes:
        return scheme in schemes.registered(settings.app_schemes)
    return schemes.looks_like_an_apps(scheme, rest)
