"""The addresses a shopper's browser comes to. No key: what they may do, the session says."""

import functools

import msgspec

from azukari.checkout import accents, challenge, instructions, offsite, return_page, service
from azukari.checkout.http import PageResource, Visit
from azukari.core import log
from azukari.core.errors import NotFound
from azukari.secure_tokens.pages import LEAVE
from azukari.secure_tokens.pages import PATH as CHALLENGE
from azukari.web.dispatch import Route
from azukari.web.limits import Limiter
from azukari.wire.answers import Answer
from azukari.wiring import Services

#: The directives of our policy: nothing else of a report is written down.
DIRECTIVES = frozenset(
    """
    base-uri connect-src default-src font-src form-action frame-ancestors frame-src img-src object-src
    require-trusted-types-for script-src script-src-attr script-src-elem style-src style-src-attr style-src-elem
    """.split()  # noqa: SIM905
)
_CSS = "text/css; charset=utf-8"


class _Violation(msgspec.Struct, frozen=True, rename="kebab"):
    effective_directive: str = ""
    violated_directive: str = ""


class _Report(msgspec.Struct, rename="kebab"):
    csp_report: _Violation = _Violation()


def routes(services: Services, limiter: Limiter) -> list[Route]:
    """Every address of the hosted page."""
    on_page = functools.partial(PageResource, services=services, refused=service.refused)
    in_script = functools.partial(PageResource, services=services, refused=service.refused_in_json)
    # Shops' own pages fetch it too.
    in_api = functools.partial(PageResource, services=services, refused=service.refused_in_api)
    made = (
        on_page("/sessions/{id}", get=service.show, post=service.reload),
        in_script("/sessions/{id}/state", get=service.state),
        in_script("/sessions/{id}/words", get=service.words_of),
        in_script("/sessions/{id}/pay", post=functools.partial(service.pay, limiter=limiter)),
        in_script("/sessions/{id}/resume", post=service.resume),
        on_page("/{locale}/instructions/{payment}", get=instructions.show),
        in_script("/{locale}/instructions/{payment}/simulate", post=instructions.simulate),
        in_api("/api/v1/barcodes/{payment}", get=instructions.barcode_of, cors=True),
        on_page("/offsite/{ref}", get=offsite.show, post=offsite.decide),
        on_page("/return/{ref}", get=return_page.come_back),
        on_page(CHALLENGE, get=challenge.show, post=challenge.answer),
        on_page(f"{LEAVE}/{{token}}", get=challenge.leave),
        in_script("/accent/{colour}.css", get=accent),
        in_script("/csp-report", post=report),
    )
    return [resource.route for resource in made]


async def accent(visit: Visit) -> Answer:
    """A merchant's colour as a style sheet. Raises NotFound."""
    colour = visit.path_params["colour"]
    if len(colour) != 6 or not set(colour) <= set("0123456789abcdef"):
        raise NotFound
    return Answer(200, accents.sheet(f"#{colour}").encode(), _CSS, {"Cache-Control": "public, max-age=3600"})


async def report(visit: Visit) -> Answer:
    """A browser has stopped something our policy forbids. Only the directive's name is kept."""
    try:
        violation = msgspec.json.decode(visit.body, type=_Report).csp_report
        named = (violation.effective_directive or violation.violated_directive).partition(" ")[0]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        named = ""
    log.warning("page.policy_broken", reason=named if named in DIRECTIVES else "unknown")
    return Answer(204, b"")
