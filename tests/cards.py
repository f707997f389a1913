"""Published test cards by what they do, and payment details by type. Source: contract 16.1, 4."""

from typing import Any

VISA = "4111111111111111"
MASTER = "5555555555554444"

KONBINI: dict[str, Any] = {"type": "konbini", "store": "lawson", "email": "a@example.com"}
BANK_TRANSFER: dict[str, Any] = {
    "type": "bank_transfer", "email": "taro@example.com", "phone": "0300000000", "given_name_kana": "タロウ",
    "family_name_kana": "ヤマダ", "given_name": "太郎", "family_name": "山田",
}  # fmt: skip
PAYPAY: dict[str, Any] = {"type": "paypay"}
#: It holds ¥2,000 for every payment anew.
WEB_MONEY: dict[str, Any] = {"type": "web_money", "prepaid_number": "1111111111111111"}
