"""An order as the hosted page shows it, and methods to pay it with."""

from azukari.checkout.messages import LANGUAGES
from azukari.checkout.view import Method, OrderSummary, Shop


def method(type: str, group: str, amount: int = 5000, **more: object) -> Method:
    return Method(type, group, dict.fromkeys(LANGUAGES, type), amount, "JPY", **more)  # type: ignore[arg-type]


CARD = method("credit_card", "card", brands=("visa", "master", "jcb"))
PAYPAY = method("paypay", "offsite")
KONBINI = method("konbini", "konbini", 5190, fee=190, brands=("lawson", "family-mart"), members=("store", "email"))
BANK = method("bank_transfer", "bank", members=("email", "phone", "family_name_kana", "given_name_kana"))
ORDER = OrderSummary(
    "s", "payment", Shop("Tea"), 5000, "JPY", (CARD, PAYPAY, KONBINI, BANK), created_at=0, expires_at=1
)
