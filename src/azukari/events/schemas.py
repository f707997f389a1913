"""Events on the wire. Source: contract section 13."""

import msgspec

from azukari.core.clock import iso
from azukari.events.store import Event


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
