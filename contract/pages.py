"""The pages a person sees who opens the server's address: what this is, and the API reference."""

from collections.abc import Mapping
from typing import Any

import jinja2

import azukari
from contract.reference import Reference


def pages(served: Mapping[str, Any]) -> dict[str, str]:
    """The text of each page by its file's name."""
    reference = Reference(served)
    start = [group for group in reference.groups if not group.planned]
    return {
        "reference.html": _render("reference.html", reference=reference),
        "start.html": _render("start.html", server=reference.server, served=start),
    }


def _render(template: str, **context: object) -> str:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("contract"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(version=azukari.__version__, **context)
