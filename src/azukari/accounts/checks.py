"""What may be given for an account."""

import re
from collections.abc import Mapping

from azukari import payment_types
from azukari.accounts.errors import AccountRefused
from azukari.core.money import CURRENCIES, MAX_AMOUNT
from azukari.core.secret import Secret
from azukari.processors.account import AccountFields, Narrowed

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LONGEST = 8_192


def check_name(name: str) -> None:
    """Raises AccountRefused."""
    if not _NAME.fullmatch(name):
        raise AccountRefused("The name must be 1 to 40 small letters, digits and hyphens, like komoju-1.")


def check_secrets(fields: AccountFields, secrets: Mapping[str, Secret]) -> None:
    """All that are needed and no other, each of one piece. Raises AccountRefused, without a word of them."""
    _check_names("secret", fields.secrets, secrets)
    for name, secret in secrets.items():
        text = secret.reveal()
        if not text or len(text) > _LONGEST or text != text.strip() or "\0" in text:
            raise AccountRefused(
                f"{name} must be 1 to {_LONGEST} characters without blanks or ends of lines around them."
            )


def check_profile(fields: AccountFields, profile: Mapping[str, str]) -> None:
    """All that is needed and nothing else. Raises AccountRefused."""
    _check_names("value", fields.profile, profile)
    for name, text in profile.items():
        if not text or len(text) > _LONGEST or text != text.strip() or not text.isprintable():
            raise AccountRefused(f"{name} must be 1 to {_LONGEST} printable characters on one line.")


def _check_names(what: str, needed: tuple[str, ...], given: Mapping[str, object]) -> None:
    if missing := [name for name in needed if name not in given]:
        raise AccountRefused(f"A {what} is missing: {', '.join(missing)}.")
    if set(given) - set(needed):
        raise AccountRefused(f"There is a {what} too many: such an account has {', '.join(needed) or 'none'}.")


def check_narrowed(narrowed: Narrowed) -> None:
    """Raises AccountRefused: a word that no payment has."""
    for what, given, known in (
        ("payment type", narrowed.types, payment_types.METHODS),
        ("card brand", narrowed.brands, payment_types.BRANDS),
        ("currency", {*narrowed.currencies, *narrowed.greatest}, CURRENCIES),
    ):
        if not set(given) <= set(known):
            raise AccountRefused(f"There is no such {what}. There are: {', '.join(known)}.")
    if not all(0 < amount <= MAX_AMOUNT for amount in narrowed.greatest.values()):
        raise AccountRefused("The largest amount must be a whole number of the smallest unit, like JPY=500000.")
