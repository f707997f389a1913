"""What can be wrong with what is asked of an account."""

from azukari.core.errors import Unprocessable


class AccountRefused(Unprocessable):
    """Something about an account that cannot be done; the message says why, and what can."""


class NoSuchAccount(Unprocessable):
    """The owner has no account of this name."""

    message = "There is no account of this name in this mode. `azukari accounts list` shows those of both."
