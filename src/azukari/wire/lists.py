"""Lists on the wire: ``page``, ``per_page``, bounds of the creation time, newest first. Source: contract 1.6."""

from typing import Annotated, Any, Literal

import msgspec

from azukari.core.clock import LATEST, MINUTE, SECOND, iso
from azukari.core.errors import InvalidParameter
from azukari.db import Page, Slice
from azukari.wire.bodies import MEANT, PageNumber, PerPage, Timestamp


class ListQuery(msgspec.Struct, kw_only=True):
    """What every list takes. Times in milliseconds."""

    page: PageNumber = 1
    per_page: PerPage = 10
    start_time: Annotated[Timestamp, MEANT] | None = None
    end_time: Annotated[Timestamp, MEANT] | None = None

    def bounds(self, now: int) -> "Bounds":
        """The page asked for; without a filter, bounds that hold all records. Raises InvalidParameter."""
        start, end = self.start_time, self.end_time
        if start is not None and end is not None and start > end:
            raise InvalidParameter("end_time", "end_time must not be before start_time.")
        return Bounds(self.page, self.per_page, start or 0, now + MINUTE if end is None else end, end is None)


class Bounds(msgspec.Struct, frozen=True):
    """A page and the time it spans, both ends included, to the second.

    whole: no end was asked for, so nothing is left out: not even what came about while a test clock was ahead.
    """

    page: int
    per_page: int
    start: int
    end: int
    whole: bool = False

    @property
    def slice(self) -> Slice:
        """What is read. Created in the last second of the bound still counts: the wire shows whole seconds."""
        end = LATEST if self.whole else self.end + SECOND if self.end % SECOND == 0 else self.end + 1
        return Slice(self.page, self.per_page, self.start, end)


class ListOut(msgspec.Struct):
    """A page of a list."""

    resource: Literal["list"]
    total: int
    page: int
    per_page: int
    last_page: int
    start_time: str
    end_time: str
    data: list[Any]


def list_out(bounds: Bounds, found: Page[Any], data: list[Any]) -> ListOut:
    """The page as it goes over the wire."""
    last = -(-found.total // bounds.per_page)
    return ListOut("list", found.total, bounds.page, bounds.per_page, last, iso(bounds.start), iso(bounds.end), data)
