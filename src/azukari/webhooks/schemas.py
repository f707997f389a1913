"""Webhook endpoints on the wire."""

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from azukari.core.clock import iso, iso_or_none
from azukari.core.pan import looks_like_card_number
from azukari.merchants.service import API_VERSIONS
from azukari.web.members import Flag, Reader, Refused
from azukari.webhooks.store import Endpoint

MOST_EVENTS = 100
_EVENT_TYPE = re.compile(r"\*|[a-z_]{1,40}(?:\.[a-z_]{1,40}){0,3}")


def _events(value: object) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_EVENTS:
        raise Refused
    if not all(isinstance(each, str) and _EVENT_TYPE.fullmatch(each) for each in value):
        raise Refused
    return list(dict.fromkeys(value))


def _secret(value: object) -> str:
    # It goes through an environment variable or a form at the receiver's: what these would change is refused.
    if not isinstance(value, str) or not 16 <= len(value) <= 255 or not value.isascii() or not value.isprintable():
        raise Refused("{} must be 16 to 255 printable ASCII characters.")
    if value != value.strip():
        raise Refused("{} must not begin or end with a space.")
    if looks_like_card_number(value):
        raise Refused("{} must not hold a card number.")
    return value


def _version(value: object) -> str:
    if not isinstance(value, str) or value not in API_VERSIONS:
        raise Refused
    return value


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise Refused
    return value


EventTypes = Annotated[list[str], Reader(_events)]
SigningSecret = Annotated[str, Reader(_secret)]
Version = Annotated[str, Reader(_version)]
Url = Annotated[str, Reader(_url)]


class EndpointCreate(msgspec.Struct, kw_only=True):
    """events: types, ``["*"]`` for all. secret: made by us where there is none. api_version: of the bodies."""

    url: Url
    secret: SigningSecret | None = None
    events: EventTypes | None = None
    active: Flag = True
    api_version: Version | None = None
    ordered: Flag = False


class EndpointUpdate(msgspec.Struct, kw_only=True):
    """What is left out stays."""

    url: Url | None = None
    events: EventTypes | None = None
    active: Flag | None = None
    api_version: Version | None = None
    ordered: Flag | None = None


class Roll(msgspec.Struct, kw_only=True):
    """secret: made by us where there is none."""

    secret: SigningSecret | None = None


class EndpointOut(msgspec.Struct):
    """An endpoint. ``secret`` is there once: in the answer to the request that made it."""

    id: str
    resource: str
    url: str
    events: msgspec.Raw
    active: bool
    api_version: str
    ordered: bool
    disabled_reason: str | None
    previous_secret_until: str | None
    created_at: str
    updated_at: str
    secret: str | UnsetType | None = UNSET

    @classmethod
    def of(cls, endpoint: Endpoint, secret: str | UnsetType | None = UNSET) -> "EndpointOut":
        return cls(
            id=endpoint.id, resource="webhook_endpoint", url=endpoint.url,
            events=msgspec.Raw(endpoint.events.encode()), active=bool(endpoint.active),
            api_version=endpoint.api_version, ordered=bool(endpoint.ordered),
            disabled_reason=endpoint.disabled_reason, previous_secret_until=iso_or_none(endpoint.old_until),
            created_at=iso(endpoint.created_at), updated_at=iso(endpoint.updated_at), secret=secret,
        )  # fmt: skip
