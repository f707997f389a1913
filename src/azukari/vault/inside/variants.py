"""What cards of some countries and from terminals bring beside the card. Source: contract 4.1.

Papers of a person, digits of a PIN and what a terminal has read are secrets: they fill one order's blanks and are kept
nowhere (PCI DSS 3.3). The rest may be shown to a processor as it is.
"""

import re
from collections.abc import Mapping

from azukari.core.errors import InvalidParameter
from azukari.core.secret import Secret
from azukari.vault.inside.cards import Reader
from azukari.vault.inside.transport import NO_SECRET_FIELDS, Blank

BRAZIL, KOREA, TERMINAL = "credit_card_brazil", "credit_card_korea", "credit_card_terminal"
#: What a terminal's chip and a stripe are called in ``flowType``.
CHIP, STRIPE = "1", "2"

#: Taxpayers' numbers: 11 digits of a person, 14 signs of a company, with the points people put in.
_TAXPAYER = re.compile(
    r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}|[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?[0-9]{2}"
)
#: A date of birth, or the number of a person or business.
_SOCIAL_ID = re.compile(r"[0-9][0-9\-]{4,18}[0-9]")
_PIN_DIGITS = re.compile(r"[0-9]{2}")
#: As it stands on the card: sentinels, or the letters a chip writes for them, and digits.
_TRACK2 = re.compile(r";?[0-9]{12,19}[=Dd][0-9]{4}[0-9]*[Ff]?\??")
_FIELD55 = re.compile(r"[!-~]{1,2000}")

_SECRETS: Mapping[str, Mapping[Blank, re.Pattern[str]]] = {
    BRAZIL: {Blank.CPF_OR_CNPJ: _TAXPAYER},
    KOREA: {Blank.SOCIAL_ID: _SOCIAL_ID, Blank.PIN_DIGITS: _PIN_DIGITS},
    TERMINAL: {Blank.TRACK2: _TRACK2, Blank.FIELD55: _FIELD55},
}
_EXTRAS: Mapping[str, tuple[str, ...]] = {
    BRAZIL: ("customer_ip",),
    KOREA: ("corporate_card",),
    TERMINAL: ("sequence_number", "posDataCode", "flowType", "ac_type", "capture"),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "corporate_card": ("true", "false"), "flowType": (CHIP, STRIPE), "capture": ("true", "false"),
}  # fmt: skip


def secret_fields_of(type: str, read: Reader) -> Mapping[Blank, Secret]:
    """The secrets of a type that were given. Raises InvalidParameter."""
    if type not in _SECRETS:
        return NO_SECRET_FIELDS
    found = {blank: read.secret(blank.value, looks.fullmatch) for blank, looks in _SECRETS[type].items()}
    return {blank: secret for blank, secret in found.items() if secret is not None}


def extras_of(type: str, read: Reader, secret_fields: Mapping[Blank, Secret]) -> Mapping[str, str]:
    """What else was given with a type; a terminal that does not say how it read the card is known by what it read.

    Raises InvalidParameter.
    """
    if type not in _EXTRAS:
        return {}
    found = {member: read.word(member) for member in _EXTRAS[type]}
    given = {member: text for member, text in found.items() if text is not None}
    for member, choices in _CHOICES.items():
        if given.get(member, choices[0]) not in choices:
            raise InvalidParameter(read.name(member))
    if type == TERMINAL:
        given.setdefault("flowType", CHIP if Blank.FIELD55 in secret_fields else STRIPE)
    return given
