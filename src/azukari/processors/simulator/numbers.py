"""The numbers and addresses the far side hands out: made of the order's ref, so the same order has the same ones."""

from collections.abc import Callable, Mapping

from azukari.core.clock import iso
from azukari.core.pan import luhn

#: The keyed hash they are made with.
Mac = Callable[[bytes], bytes]


class Numbers:
    """Of one order."""

    def __init__(self, mac: Mac, ref: str) -> None:
        self._mac = mac
        self._ref = ref

    def digits(self, name: str, length: int) -> str:
        """Never a number that could be taken for a card's."""
        number = int.from_bytes(self._mac(f"{name} {self._ref}".encode())[:12], "big")
        text = f"{number % 10**length:0{length}}"
        if length >= 12 and luhn(text):
            text = text[:-1] + str((int(text[-1]) + 1) % 10)
        return text

    def word(self, name: str) -> str:
        """Thirty-two letters and digits."""
        return self._mac(f"{name} {self._ref}".encode()).hex()[:32]


def of_store(store: str, numbers: Numbers) -> dict[str, object]:
    """What is said or typed in, chain by chain: 7-Eleven's till takes one number, the others' machines two."""
    match store:
        case "seven-eleven":
            return {"confirmation_code": None, "receipt": numbers.digits("slip", 13)}
        case "daily-yamazaki":
            return {"confirmation_code": None, "receipt": numbers.digits("online", 11)}
        case "family-mart":
            return {"confirmation_code": numbers.digits("company", 5), "receipt": numbers.digits("order", 12)}
        case _:
            return {"confirmation_code": numbers.digits("confirmation", 6), "receipt": numbers.digits("receipt", 11)}


def of_bank(numbers: Numbers, deadline: int) -> dict[str, object]:
    """An account opened for one payment."""
    return {
        "order_id": numbers.word("order")[:12].upper(),
        "bank_name": "シミュレーター銀行",
        "bank_number": "9999",
        "account_branch_name": "テスト支店",
        "branch_number": numbers.digits("branch", 3),
        "account_number": numbers.digits("account", 7),
        "account_type": "普通",
        "account_name": "カ）シミュレーター",
        "payment_deadline": iso(deadline),
    }


def of_pay_easy(numbers: Numbers) -> dict[str, object]:
    """The three numbers a cash machine asks for."""
    return {
        "bank_id": numbers.digits("bank", 5),
        "customer_id": numbers.digits("customer", 11),
        "confirmation_id": numbers.digits("confirmation", 6),
        "cvs_code": None,
    }


def of_terminal(numbers: Numbers) -> dict[str, object]:
    """What a terminal prints."""
    return {"cardnet_status": "00", "approval_number": numbers.digits("approval", 6)}


#: What else an off-site type shows. Source: contract 4.4, 4.5, 4.6.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "paypay": ("external_payment_id",),
    "rakutenpay": ("charge_key",),
    "docomo": ("pay_info_no", "provider_order_number"),
    "softbank": ("pay_info_no", "provider_order_number"),
    "au": ("pay_info_no", "provider_order_number"),
    "toss": ("toss_pay_token",),
    "naverpay": ("client_id",),
    "cvs": ("bardcode",),
    "epospay": ("merchant_id", "shop_id", "deal_id", "token", "prd_list"),
    "sofortbanking": ("transaction_key",),
    "ideal": ("transacion_key",),
    "pix": ("transaction_code", "pix_payment_code"),
}
_ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "wechatpay": ("qr_code_url", "mweb_url"),
    "toss": ("qr_code",),
    "payco": ("order_sheet_url",),
    "epospay": ("offsite_url", "return_url"),
    "naverpay": ("callback_url", "redirect"),
    "pix": ("qr_code_url",),
}


_ALWAYS: Mapping[str, Mapping[str, object]] = {"naverpay": {"mode": "development", "digital_content_only": False}}


def of_page(type: str, numbers: Numbers, address: str, amount: int) -> dict[str, object]:
    """What a type with a page of its own shows beside the page's address. amount: in the smallest unit."""
    found: dict[str, object] = {name: numbers.word(name) for name in _WORDS.get(type, ())}
    found |= _ALWAYS.get(type, {})
    found |= {"amount": str(amount)} if type == "epospay" else {}
    return found | dict.fromkeys(_ADDRESSES.get(type, ()), address)
