"""What a payment shows of details that are not a card's. Source: contract 4.2 to 4.6."""

from typing import Any

import msgspec

from azukari.payment_types import METHODS, STORES
from azukari.payments.store import Payment
from azukari.processors.methods import MethodDetails

#: What stands for a member that was not given; for the others, null does.
_DEFAULTS = {"trade_type": "NATIVE"}


class StoredDetails(msgspec.Struct):
    """What our own code asks of a payment's details."""

    type: str = ""
    short_amount: int = 0
    last_four_digits: str | None = None


_decode = msgspec.json.Decoder(StoredDetails | None).decode


def details_of(payment: Payment) -> StoredDetails:
    """The type of a payment's details, how much is missing, a card's last digits."""
    return _decode(payment.details) or StoredDetails()


def shown(details: MethodDetails, payment_id: str, locale: str, base_url: str) -> str:
    """What the wire shows of the details before the far side has said anything. JSON."""
    instructions = f"{base_url}/{locale}/instructions/{payment_id}"
    method, base = METHODS[details.type], {"email": details.email, "store": details.store, "brand": details.brand}
    given = {**base, **_DEFAULTS, **details.extras}
    out: dict[str, Any] = {"type": details.type} | {name: given.get(name) for name in method.shows}
    match method.group:
        case "konbini":
            out |= {"confirmation_code": None, "receipt": None, "instructions_url": instructions}
            if details.store is not None and STORES[details.store].scans:
                out["barcode_url"] = f"{base_url}/api/v1/barcodes/{payment_id}"
        case "bank":
            out["instructions_url"] = instructions
        case "payeasy":
            out |= {"instructions_url": instructions, "payment_url": instructions}
        case "prepaid":
            out |= {"short_amount": 0, "prepaid_cards": []}
    return msgspec.json.encode(out).decode()


def shown_wallet(type: str, email: str | None) -> str:
    """What the wire shows of a charge by a wallet's agreement. JSON."""
    return msgspec.json.encode({"type": type, "email": email}).decode()
