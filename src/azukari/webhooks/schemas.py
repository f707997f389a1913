"""Webhook endpoints on the wire."""

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from azukari.core.clock import iso, iso_or_none
from azukari.core.errors import InvalidParameter, MissingParameter
from azukari.core.pan import looks_like_card_number
from azukari.merchants.service import API_VERSIONS
from azukari.webhooks.deliveries import DeliveryAttempt
from azukari.webhooks.store import Endpoint
from azukari.wire.fields import MEANT, NOT_BLANK, Flag, InvalidValue, Reader, ShortText, Timestamp

MOST_EVENTS = 100
#: Of a secret that a shop brings along. Shorter than the second it is taken, and told to be short.
LEAST_SECRET, GOOD_SECRET, LONGEST_SECRET = 8, 16, 255
SHORT_SECRET = (
    f"The secret is shorter than {GOOD_SECRET} characters: whoever sees one signed webhook can try to guess it. "
    "Roll it to a longer one."
)
_EVENT_TYPE = re.compile(r"\*|[a-z_]{1,40}(?:\.[a-z_]{1,40}){0,3}")


def _events(value: object) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_EVENTS:
        raise InvalidValue
    if not all(isinstance(each, str) and _EVENT_TYPE.fullmatch(each) for each in value):
        raise InvalidValue
    return list(dict.fromkeys(value))


def _secret(value: object) -> str:
    # It goes through an environment variable or a form at the receiver's: what these would change is refused.
    if not isinstance(value, str) or not LEAST_SECRET <= len(value) <= LONGEST_SECRET or not _is_plain(value):
        raise InvalidValue(f"{{}} must be {LEAST_SECRET} to {LONGEST_SECRET} printable ASCII characters.")
    if value != value.strip():
        raise InvalidValue("{} must not begin or end with a space.")
    if looks_like_card_number(value):
        raise InvalidValue("{} must not hold a card number.")
    return value


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def is_short(secret: str | None) -> bool:
    """Whether a secret that was brought along deserves a warning."""
    return secret is not None and len(secret) < GOOD_SECRET


def warnings_about(secret: str | None) -> list[str] | UnsetType:
    """What whoever brings a secret along should know of it; UNSET: nothing."""
    return [SHORT_SECRET] if is_short(secret) else UNSET


def _version(value: object) -> str:
    if not isinstance(value, str) or value not in API_VERSIONS:
        raise InvalidValue
    return value


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue
    return value


EventTypes = Annotated[list[str], Reader(_events)]
SigningSecret = Annotated[str, Reader(_secret)]
Version = Annotated[str, Reader(_version)]
Url = Annotated[str, Reader(_url)]


class EndpointCreate(msgspec.Struct, kw_only=True):
    """events: types, ``["*"]`` for all. secret: made by us where there is none. api_version: of the bodies."""

    url: Url
    secret: Annotated[SigningSecret, NOT_BLANK] | None = None
    events: Annotated[EventTypes, MEANT] | None = None
    active: Annotated[Flag, MEANT] = True
    api_version: Version | None = None
    ordered: Annotated[Flag, MEANT] = False


class EndpointUpdate(msgspec.Struct, kw_only=True):
    """What is left out stays."""

    url: Annotated[Url, MEANT] | None = None
    events: Annotated[EventTypes, MEANT] | None = None
    active: Annotated[Flag, MEANT] | None = None
    api_version: Annotated[Version, MEANT] | None = None
    ordered: Annotated[Flag, MEANT] | None = None


class Roll(msgspec.Struct, kw_only=True):
    """secret: made by us where there is none."""

    secret: Annotated[SigningSecret, NOT_BLANK] | None = None


class Replay(msgspec.Struct, kw_only=True):
    """Which events to send again: one, those from ``start_time`` to before ``end_time``, or all that was given up."""

    event: Annotated[ShortText, MEANT] | None = None
    start_time: Annotated[Timestamp, MEANT] | None = None
    end_time: Annotated[Timestamp, MEANT] | None = None
    dead: Annotated[Flag, MEANT] = False

    def check(self) -> None:
        """Refuse none of them, and more than one. Raises MissingParameter, InvalidParameter."""
        given = [
            name
            for name, is_there in (
                ("event", self.event is not None),
                ("start_time", self.start_time is not None),
                ("dead", self.dead),
            )
            if is_there
        ]
        if not given:
            raise MissingParameter("start_time" if self.end_time is not None else "event")
        if len(given) > 1 or (self.end_time is not None and given != ["start_time"]):
            name = given[-1] if len(given) > 1 else "end_time"
            raise InvalidParameter(name, "One of event, start_time (with end_time) and dead says what is sent again.")

    def bounds(self, now: int) -> tuple[int, int]:
        """From when to before when, milliseconds."""
        return self.start_time or 0, now + 1 if self.end_time is None else self.end_time


class ReplayOut(msgspec.Struct):
    """How many events are sent again."""

    webhook_endpoint: str
    sent_again: int
    resource: str = "webhook_replay"


class TryOut(msgspec.Struct):
    """A line of the delivery log. delivery: ``X-Komoju-ID``. next_attempt_at: None where it has ended, in ``state``."""

    id: str
    resource: str
    delivery: str
    event: str
    event_type: str
    attempt: int
    code: int | None
    failure: str | None
    milliseconds: int
    state: str
    next_attempt_at: str | None
    created_at: str

    @classmethod
    def of(cls, tried: DeliveryAttempt) -> "TryOut":
        return cls(
            id=tried.id,
            resource="webhook_attempt",
            delivery=tried.delivery_id,
            event=tried.event_id,
            event_type=tried.event_type,
            attempt=tried.number,
            code=tried.code,
            failure=tried.failure,
            milliseconds=tried.ms,
            state=tried.state,
            next_attempt_at=iso_or_none(tried.next_at),
            created_at=iso(tried.at),
        )


class EndpointOut(msgspec.Struct):
    """An endpoint. ``secret`` is there once: in the answer to the request that made it.

    warnings: about that secret, in sentences; there only where there is one.
    """

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
    warnings: list[str] | UnsetType = UNSET

    @classmethod
    def of(
        cls, endpoint: Endpoint, secret: str | UnsetType | None = UNSET, warnings: list[str] | UnsetType = UNSET
    ) -> "EndpointOut":
        return cls(
            id=endpoint.id,
            resource="webhook_endpoint",
            url=endpoint.url,
            events=msgspec.Raw(endpoint.events.encode()),
            active=bool(endpoint.active),
            api_version=endpoint.api_version,
            ordered=bool(endpoint.ordered),
            disabled_reason=endpoint.disabled_reason,
            previous_secret_until=iso_or_none(endpoint.old_until),
            created_at=iso(endpoint.created_at),
            updated_at=iso(endpoint.updated_at),
            secret=secret,
            warnings=warnings,
        )
