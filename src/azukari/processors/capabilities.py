"""What a processor can do, as tables: the one place where processors differ in words."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from azukari.core.clock import MINUTE

#: ``agree``: the shopper allows later charges by a wallet. ``top_up``: one more prepaid card for a short order.
#: ``finalize``: what the chip of a card at a terminal has said in the end.
Kind = Literal["sale", "authorize", "verify", "capture", "refund", "cancel", "agree", "top_up", "finalize"]
KINDS: tuple[Kind, ...] = (
    "sale", "authorize", "verify", "capture", "refund", "cancel", "agree", "top_up", "finalize",
)  # fmt: skip


class Amounts(NamedTuple):
    """What may be charged in a currency, in its smallest unit. step: every amount is a multiple of it."""

    least: int = 1
    greatest: int | None = None
    step: int = 1

    def take(self, amount: int) -> bool:
        """Whether an amount is one of them."""
        return amount >= self.least and (self.greatest is None or amount <= self.greatest) and amount % self.step == 0


class TypeCapability(msgspec.Struct, frozen=True):
    """What may be asked for one type of payment details.

    currencies: None: every one, any amount. brands: of cards; None: every one.
    capture, refund: ``whole`` alone, a part ``once``, parts (``many``), or a ``new_total`` instead of a difference.
    hold_days: how long an authorisation stands. later: how a later charge, the shopper being absent, is proved.
    gives_network_id: card brands whose network's transaction id comes back.
    three_ds: where the shopper can be authenticated: on the processor's own page, by its secure token, or elsewhere.
    """

    kinds: frozenset[Kind]
    currencies: Mapping[str, Amounts] | None = None
    brands: frozenset[str] | None = None
    capture: Literal["none", "whole", "once", "many"] = "whole"
    refund: Literal["none", "whole", "once", "many", "new_total"] = "many"
    hold_days: int = 7
    later: frozenset[Literal["number", "token", "network_id", "agreement"]] = frozenset()
    gives_network_id: frozenset[str] = frozenset()
    three_ds: frozenset[Literal["own_page", "secure_token", "imported"]] = frozenset()

    def amounts(self, currency: str) -> Amounts | None:
        """What may be charged in a currency; None: nothing."""
        return Amounts() if self.currencies is None else self.currencies.get(currency)


class Recovery(msgspec.Struct, frozen=True):
    """How an outcome that is not known is found out.

    how: looked up ``by_ref``, ``by_id`` (the processor's own) or ``by_parent``; ``repeat``: the same request again
    under the same ref; ``void``: undone, so that nothing has happened; ``notice``: the processor tells; ``none``: by a
    person.
    believe_after: milliseconds from the sending; a "not found" before is no proof that nothing is under way.
    repeat_for: milliseconds from the sending in which the processor knows the ref again.
    """

    how: Literal["by_ref", "by_id", "by_parent", "repeat", "void", "notice", "none"] = "none"
    believe_after: int = MINUTE
    repeat_for: int = 0

    @property
    def looks_up(self) -> bool:
        return self.how.startswith("by_")

    @property
    def asks(self) -> bool:
        """Whether asking can end it."""
        return self.how not in ("notice", "none")


class Capabilities(msgspec.Struct, frozen=True):
    """What a processor promises.

    types: what may be asked for each type of payment details it takes. recovery: of kinds that are not there: none.
    timeout: milliseconds within which ``perform`` has returned, whatever happens; timeouts: other ones, by kind.
    dedupes_by_ref: a second request with the same ref is answered as the first one was.
    voids_by_ref: ``void`` undoes a request we know nothing of but its ref.
    authenticates: the card brands it has 3-D Secure for; where there are any, it is an ``Authenticator`` too.
    """

    types: Mapping[str, TypeCapability]
    recovery: Mapping[Kind, Recovery]
    timeout: int
    timeouts: Mapping[Kind, int] = {}
    dedupes_by_ref: bool = False
    voids_by_ref: bool = False
    authenticates: frozenset[str] = frozenset()

    def takes(self, type: str) -> bool:
        """Whether requests with such details may be sent to it."""
        return type in self.types

    def timeout_of(self, kind: Kind) -> int:
        """Milliseconds within which a request of this kind has returned."""
        return self.timeouts.get(kind, self.timeout)

    def recovery_of(self, kind: Kind) -> Recovery:
        """How an unknown outcome of this kind is found out."""
        return self.recovery.get(kind, Recovery())
