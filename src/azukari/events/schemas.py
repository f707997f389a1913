"""Events on the wire. Source: contract section 13; ``after``, ``wait`` and ``sequence`` are ours."""

from typing import Annotated, Any, Literal

import msgspec

from azukari.core.clock import iso
from azukari.core.errors import InvalidParameter
from azukari.db import Page
from azukari.events.cursor import MOST_SECONDS, Slice
from azukari.events.store import Event
from azukari.wire.bodies import MEANT, Reader
from azukari.wire.fields import whole
from azukari.wire.lists import ListOut, ListQuery, list_out


def _after(value: object) -> int | str:
    return "latest" if value == "latest" else whole(value, 2**53)


def _seconds(value: object) -> int:
    return whole(value, MOST_SECONDS)


class EventsQuery(ListQuery, kw_only=True):
    """What every list takes, or a place to go on from.

    after: the number of an event, or ``latest``. wait: seconds to wait for one that comes after it.
    """

    after: Annotated[int | Literal["latest"], Reader(_after), MEANT] | None = None
    wait: Annotated[int, Reader(_seconds), MEANT] | None = None

    def check(self) -> None:
        """Refuse what does not go together. Raises InvalidParameter."""
        if self.after is None:
            if self.wait is not None:
                raise InvalidParameter("wait", "Only what comes after an event can be waited for.")
            return
        for name, is_default in (
            ("page", self.page == 1),
            ("start_time", self.start_time is None),
            ("end_time", self.end_time is None),
        ):
            if not is_default:
                raise InvalidParameter(name, f"{name} and after do not go together.")


class EventOut(msgspec.Struct):
    """An event. ``data``: the resource as it was."""

    id: str
    type: str
    resource: str
    data: msgspec.Raw
    created_at: str
    reason: str | None

    @classmethod
    def of(cls, event: Event) -> "EventOut":
        return cls(event.id, event.type, "event", msgspec.Raw(event.data), iso(event.created_at), event.reason)


class NumberedEventOut(EventOut):
    """An event with its number among its owner's."""

    sequence: int | None

    @classmethod
    def of(cls, event: Event) -> "NumberedEventOut":
        return cls(**msgspec.structs.asdict(EventOut.of(event)), sequence=event.sequence)


class SliceOut(ListOut):
    """A list that begins after a place and goes forward: its bounds and counts are of what comes after it.

    next: the place to go on from. has_more: there is something after it already.
    """

    next: int
    has_more: bool

    @classmethod
    def of(cls, found: Slice, query: EventsQuery, now: int) -> "SliceOut":
        shown: list[Any] = [NumberedEventOut.of(event) for event in found.events]
        page = Page(shown, len(shown) + found.rest)
        plain = msgspec.structs.asdict(list_out(query.bounds(now), page, shown))
        return cls(**plain, next=found.next, has_more=found.rest > 0)
