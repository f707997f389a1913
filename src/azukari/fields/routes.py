"""The addresses of the fields: the element's script, and what its frame asks for. What they may do, the session and the
shop's publishable key say.
"""

import functools
from collections.abc import Mapping

from azukari.checkout import framing
from azukari.checkout import service as checkout
from azukari.checkout.http import PageResource
from azukari.fields import service
from azukari.web import pages
from azukari.web.dispatch import Route
from azukari.web.limits import Limiter
from azukari.wire.answers import Answer
from azukari.wiring import Services


def routes(services: Services, limiter: Limiter) -> list[Route]:
    """Every address of the fields."""
    on_page = functools.partial(PageResource, services=services, refused=checkout.refused)
    in_script = functools.partial(PageResource, services=services, refused=service.refused)
    made = (
        on_page("/fields/frame", get=service.frame),
        on_page(framing.RETURN, get=service.come_back),
        in_script("/fields/words", get=service.words_of),
        in_script("/fields/pay", post=functools.partial(service.pay, limiter=limiter)),
    )
    return [*(resource.route for resource in made), *pages.for_shops({"/fields.js": _script})]


def _script(_: Mapping[str, str], __: str) -> Answer:
    return pages.file("fields.js")
