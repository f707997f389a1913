"""Payment details that are not a card: what a processor gets of them, and which kinds there are.

Source: contract section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from azukari.core.secret import Secret
from azukari.vault import CREDIT_CARD as CREDIT_CARD

#: Paid over a counter, at a machine or by bank, with the numbers we hand out, until a deadline.
CASH = frozenset({"konbini", "bank_transfer", "pay_easy"})
#: A number with money on it; one that has too little is followed by another.
PREPAID = frozenset({"web_money", "bit_cash", "nanaco", "net_cash", "steam_prepaid_card", "zgold"})
#: An account and its password, given to us: paid at once or not at all.
PASSWORD = frozenset({"culture_voucher", "happy_money", "dospara"})
#: The shopper goes to the method's own page, decides there, and comes back.
OFFSITE = frozenset(
    """
    paypay merpay aupay linepay amazon_pay rakutenpay paidy epospay japan_mobile docomo softbank au
    alipay alipay_hk unionpay kakaopay mobile cvs wechatpay toss naverpay payco
    bancontact banrisul blik dana doku_wallet dragonpay enets eps fpx gcash giropay grabpayotp ideal multibanco mybank
    narvesen ovo paypost paysafe_card paysafe_cash paysera payu perlas poli przelewy24 sepa_transfer sofortbanking tng
    truemoney pix apple_pay
    """.split()  # noqa: SIM905
)
#: Every type that is not a card.
METHODS = CASH | PREPAID | PASSWORD | OFFSITE
#: Whose shoppers can agree to later charges without them. Source: contract 4.7.
STORABLE = frozenset({"paypay", "linepay", "aupay"})


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
