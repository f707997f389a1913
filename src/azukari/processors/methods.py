"""Payment details that are not a card: what a processor gets of them, and which kinds there are.

Source: contract section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from azukari import payment_types
from azukari.core.secret import Secret
from azukari.vault import CREDIT_CARD as CREDIT_CARD


def _paid(flow: payment_types.Flow) -> frozenset[str]:
    return frozenset(slug for slug, method in payment_types.METHODS.items() if method.flow == flow)


CASH, PREPAID, PASSWORD, OFFSITE = _paid("cash"), _paid("prepaid"), _paid("password"), _paid("offsite")
#: Every type that is not a card.
METHODS = CASH | PREPAID | PASSWORD | OFFSITE
#: Whose shoppers can agree to later charges without them.
STORABLE = frozenset(slug for slug in METHODS if payment_types.METHODS[slug].storable)


@dataclass(frozen=True, slots=True)
class MethodDetails:
    """Checked payment details of any type but a card's.

    store: of ``konbini``. brand: of ``japan_mobile``. expiry_days: until a cash payment's deadline, or None.
    extras: further members of the type, by their names on the wire.
    prepaid_number, password, cpf: secrets like a card number: they are sent through the vault and stored nowhere.
    """

    type: str
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    given_name_kana: str | None = None
    family_name_kana: str | None = None
    store: str | None = None
    brand: str | None = None
    expiry_days: int | None = None
    extras: Mapping[str, str] = field(default_factory=dict)
    prepaid_number: Secret | None = None
    password: Secret | None = None
    cpf: Secret | None = None

    @property
    def full_name(self) -> str | None:
        """``name`` wins over the pair, family name first as in Japan."""
        return self.name or " ".join(part for part in (self.family_name, self.given_name) if part) or None

    @property
    def has_secret(self) -> bool:
        """Whether it cannot be kept for later."""
        return any(secret is not None for secret in (self.prepaid_number, self.password, self.cpf))
