"""What a publishable key is shown of a payment: how it stands, what it costs, its order, and where its shopper goes.

Anybody holds the key who has seen a shop's page, and a session's id stands in the shop's addresses. Clients need every
member of the wire to be there, so what is left out is null, empty or blank. Source: SEC-10; contract 3.4, 4.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from azukari.payments.schemas import PaymentOut
from azukari.payments.store import Payment
from azukari.processors.methods import CASH
from azukari.vault import CARDS

_EMPTY = Raw(b"{}")
#: Of a payment that waits for its shopper: what the shopper has told us. The rest is what a page tells the shopper.
_TOLD_BY_THE_SHOPPER = frozenset(
    """
    email phone name given_name family_name given_name_kana family_name_kana prepaid_cards brand last_four_digits month
    year cpf culture_id happy_money_id user_no
    """.split()  # noqa: SIM905
)
#: Of one that does not: nothing but its type, and the page that says how it stands, which needs no key.
_KEPT = frozenset(("type", "instructions_url"))
#: What the wire requires of some types, blank.
_BLANK_CARD = {"email": None, "brand": "", "last_four_digits": "0000", "month": 0, "year": 0}
_BLANK_CASH = {"store": "", "email": "hidden@shop.invalid"}


def without_the_shopper(out: PaymentOut, payment: Payment) -> PaymentOut:
    """The payment as pages may see it. out: as it would be shown to a secret key."""
    return msgspec.structs.replace(
        out,
        payment_details=_details(payment),
        customer=None,
        description=None,
        metadata=_EMPTY,
        customer_family_name=None,
        customer_given_name=None,
        mcc=None,
        statement_descriptor=None,
        refunds=[],
        refund_requests=[],
        platform_details=UNSET,
    )


def _details(payment: Payment) -> Raw:
    details: dict[str, Any] | None = msgspec.json.decode(payment.details)
    if details is None:
        return Raw(b"null")
    type = details.get("type")
    if type in CARDS:
        return Raw(msgspec.json.encode({"type": type, **_BLANK_CARD}))
    waits = payment.status == "pending" or (payment.status == "authorized" and type in CASH)
    shown = {
        name: value for name, value in details.items() if (name not in _TOLD_BY_THE_SHOPPER if waits else name in _KEPT)
    }
    if type == "konbini":
        shown = _BLANK_CASH | shown
    return Raw(msgspec.json.encode(shown))
