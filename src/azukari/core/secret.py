"""A string that does not show itself."""

from typing import Never


class Secret:
    """A key, a card number, a verification value: prints masked, refuses to be pickled.

    ``reveal()`` is the one way to the text, so that every place that opens one can be found.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> Never:
        raise TypeError("a secret cannot be pickled")
