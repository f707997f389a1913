"""Orders as they come to the far side, with the vault's blanks filled in."""

import msgspec

from azukari.core.clock import end_of_month
from azukari.processors.base import NO_DIRECTIVES, Credential, SimulatorDirectives
from azukari.processors.methods import CREDIT_CARD

#: Ids of orders that are not about cards begin so.
PREFIX = "far"
#: A header with the merchant's time, milliseconds: test clocks move the far side along.
NOW = "Azukari-Now"


class CardOrder(msgspec.Struct):
    """A card as the vault filled it in."""

    number: str
    month: str | None = None
    year: str | None = None
    verification_value: str | None = None

    def has_expired(self, now: int) -> bool:
        """Whether its last day was before a moment."""
        return self.month is not None and self.year is not None and end_of_month(int(self.year), int(self.month)) <= now


class Proof(msgspec.Struct):
    """That the shopper was authenticated, as the vault filled it in."""

    ds_trans_id: str
    eci: str
    value: str | None = None


class MethodFields(msgspec.Struct):
    """Payment details as the vault filled them in."""

    type: str
    store: str | None = None
    brand: str | None = None
    expiry_days: int | None = None
    flow: str | None = None
    ac_type: str | None = None
    capture: str | None = None
    prepaid_number: str | None = None
    password: str | None = None


class PageContext(msgspec.Struct):
    """A shopper who is sent to the backend's page."""

    return_url: str = ""
    locale: str = "ja"
    label: str = ""
    store: bool = False


class BankOrder(msgspec.Struct):
    """What a processor may ask for. type: of the payment details. agreement: of a wallet, as the vault filled it in."""

    kind: str
    amount: int
    currency: str
    type: str = CREDIT_CARD
    parent: str | None = None
    card: CardOrder | None = None
    credential: Credential | None = None
    directives: SimulatorDirectives = NO_DIRECTIVES
    method: MethodFields | None = None
    visit: PageContext | None = None
    agreement: str | None = None
    proof: Proof | None = None
    #: The merchant's time, where the order is not about a card.
    now: int | None = None
    #: When it was given, by the merchant's clock, where it is about a card that was stored before.
    ordered_at: int | None = None

    @property
    def is_offsite(self) -> bool:
        """Whether it is about anything but a card."""
        return self.method is not None or self.agreement is not None or (self.parent or "").startswith(PREFIX)
