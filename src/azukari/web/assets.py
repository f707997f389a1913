"""Our static files, among them the pages a person sees who opens the server's address."""

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import PurePath

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-src 'none'; "
    "frame-ancestors {ancestors}; require-trusted-types-for 'script'; report-uri /csp-report"
)
#: On every page we serve; behind TLS the front adds HSTS, as to every answer. Source: docs/security.md, "Pages".
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY.format(ancestors="'none'"),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(self)",
}


def framed_by(sources: Sequence[str]) -> Mapping[str, str]:
    """The headers of a page that others may show in theirs. ``X-Frame-Options`` cannot name them, so it is left out.

    sources: as a policy writes origins; none: nobody may.
    """
    if not sources:
        return PAGE_HEADERS
    policy = _POLICY.format(ancestors=" ".join(sources))
    return {name: value for name, value in PAGE_HEADERS.items() if name != "X-Frame-Options"} | {
        "Content-Security-Policy": policy
    }


_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".yaml": "application/yaml; charset=utf-8",
}
_static = importlib.resources.files("azukari") / "static"


@functools.cache
def page(name: str) -> bytes:
    """A page that `make openapi` made."""
    return (_static / f"{name}.html").read_bytes()


@functools.cache
def static_names() -> frozenset[str]:
    """The files :func:`static_file` has."""
    return frozenset(file.name for file in _static.iterdir() if PurePath(file.name).suffix in _MEDIA_TYPES)


def static_file(name: str) -> tuple[bytes, str] | None:
    """A file's bytes and media type. A name that is not one of ours never reaches the disk."""
    return _static_file(name) if name in static_names() else None


@functools.cache
def release() -> str:
    """One name for all static files as they are now. It stands in their addresses, so that a page never meets the
    modules of another release: browsers keep those.
    """
    every = hashlib.sha256()
    for name in sorted(static_names()):
        every.update(name.encode() + hashlib.sha256(_static_file(name)[0]).digest())
    return every.hexdigest()[:16]


@functools.cache
def integrity(name: str) -> str:
    """What a browser holds a script against before it runs it. Source: W3C Subresource Integrity."""
    return "sha384-" + base64.b64encode(hashlib.sha384(_static_file(name)[0]).digest()).decode()


@functools.cache
def _static_file(name: str) -> tuple[bytes, str]:
    return (_static / name).read_bytes(), _MEDIA_TYPES[PurePath(name).suffix]
