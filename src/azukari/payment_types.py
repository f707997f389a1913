"""Every payment type of the wire, store and card brand. Source: contract section 4; 15.7 for what off-site types ask.

Adding a type is a line here: requests, sessions, processors, the page and ``GET /payment_methods`` read this table.
Data alone: the vault reads it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from azukari.core.money import CURRENCIES

#: How its form and its picture look.
Group = Literal["card", "konbini", "bank", "payeasy", "prepaid", "offsite", "other"]
#: How it is paid. ``cash``: over a counter, at a machine or by bank, with the numbers we hand out, until a deadline.
#: ``prepaid``: by a number with money on it; one that has too little is followed by another. ``password``: by an
#: account and its password, at once or not at all. ``offsite``: on the method's own page, and the shopper comes back.
Flow = Literal["card", "cash", "prepaid", "password", "offsite"]


class Names(NamedTuple):
    """One name in each language of the page."""

    ja: str
    en: str
    ko: str
    zh: str

    @classmethod
    def same(cls, name: str) -> "Names":
        """A name that is written alike everywhere."""
        return cls(name, name, name, name)

    def in_(self, language: str) -> str:
        """language: ``ja``, ``en``, ``ko`` or ``zh``; anything else is English."""
        names: dict[str, str] = self._asdict()
        return names.get(language, self.en)


@dataclass(frozen=True, slots=True)
class Method:
    """One payment type.

    names: as ``GET /payment_methods`` says them; clients look for "Credit Card" and "Konbini" in the English ones.
    currencies: what it is paid in; None: whatever the order is in.
    required: fields our form for it must have, and the API too, but for ``cpf``.
    additional_fields: inputs a form for an off-site type must show.
    own: fields that no other type has. hidden: its password's. shows: the fields that a payment shows.
    expiry_days, number_length: least and most days until a deadline, and characters of a prepaid number.
    storable: it can be kept and charged again. Source: contract 4.7.
    offered: our pages can ask for it; the others are paid through the API alone.
    """

    slug: str
    group: Group
    flow: Flow
    names: Names
    currencies: tuple[str, ...] | None
    required: tuple[str, ...] = ()
    additional_fields: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    hidden: str | None = None
    shows: tuple[str, ...] = ()
    expiry_days: tuple[int, int] | None = None
    number_length: tuple[int, int] | None = None
    storable: bool = False
    offered: bool = True

    @property
    def offsite(self) -> bool:
        """Whether it is paid on another's page."""
        return self.flow == "offsite"

    @property
    def has_form(self) -> bool:
        """Whether our page has inputs for it: it has none for what cards of some countries ask for."""
        return self.group == "card" or "number" not in self.required

    def takes(self, currency: str) -> bool:
        """Whether it can be paid in this currency."""
        return currency in (CURRENCIES if self.currencies is None else self.currencies)


class Store(NamedTuple):
    """A convenience-store chain. scans: its till reads the barcode off the shopper's screen."""

    slug: str
    names: Names
    scans: bool


class Brand(NamedTuple):
    """A card brand. begins: its first digits, a pattern of Python and browsers alike. lengths: how many digits."""

    slug: str
    name: str
    begins: str
    lengths: tuple[int, ...]


_LONG = (16, 17, 18, 19)
#: Every brand a card may have. Source: contract 4.1, and the issuer ranges of ISO/IEC 7812.
_BRANDS = (
    Brand("visa", "Visa", "4", (13, 16, 19)),
    Brand("master", "Mastercard", "5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    Brand("jcb", "JCB", "352[89]|35[3-8]", _LONG),
    Brand("american_express", "American Express", "3[47]", (15,)),
    Brand("diners_club", "Diners Club", "3(?:0[0-5]|095|[689])", (14, 15, *_LONG)),
    Brand("discover", "Discover", "6011|64[4-9]|65", _LONG),
    Brand("unionpay", "UnionPay", "62|81", _LONG),
)
#: By slug, in the wire's order.
BRANDS: Mapping[str, Brand] = {brand.slug: brand for brand in _BRANDS}
#: Those that clients of ``GET /payment_methods`` know. Source: contract 12.
SUBTYPES = tuple(slug for slug in BRANDS if slug != "unionpay")
#: Carriers of ``japan_mobile``.
CARRIERS: Mapping[str, str] = {"au": "au", "docomo": "docomo", "softbank": "SoftBank"}

_STORES = (
    Store("seven-eleven", Names("セブン-イレブン", "7-Eleven", "세븐일레븐", "7-Eleven"), True),
    Store("family-mart", Names("ファミリーマート", "Family Mart", "패밀리마트", "全家 FamilyMart"), True),
    Store("lawson", Names("ローソン", "Lawson", "로손", "罗森 Lawson"), False),
    Store("ministop", Names("ミニストップ", "Ministop", "미니스톱", "Ministop"), False),
    Store("seicomart", Names("セイコーマート", "Seicomart", "세이코마트", "Seicomart"), False),
    Store("daily-yamazaki", Names("デイリーヤマザキ", "Daily Yamazaki", "데일리 야마자키", "Daily Yamazaki"), False),
)
#: By slug, in the order they are shown.
STORES: Mapping[str, Store] = {store.slug: store for store in _STORES}

_YEN, _WON, _EURO = ("JPY",), ("KRW",), ("EUR",)
_CARD = ("number", "month", "year")
_KANA = ("email", "phone", "family_name_kana", "given_name_kana")
_PAIDY = (
    "customer_name", "customer_name_kana", "customer_age", "customer_order_count", "customer_last_order_amount",
    "customer_last_order_at", "customer_lifetime_value", "external_customer_id", "item_title",
)  # fmt: skip


def _named(names: str | Names) -> Names:
    return names if isinstance(names, Names) else Names.same(names)


def _prepaid(slug: str, names: str | Names, least: int = 16, most: int = 16, *, offered: bool = True) -> Method:
    return Method(slug, "prepaid", "prepaid", _named(names), _YEN, ("prepaid_number",), shows=("email",),
                  number_length=(least, most), offered=offered)  # fmt: skip


def _away(
    slug: str,
    names: str | Names,
    *currencies: str,
    required: tuple[str, ...] = (),
    fields: tuple[str, ...] = (),
    own: tuple[str, ...] = (),
    shows: tuple[str, ...] = (),
    storable: bool = False,
    offered: bool = True,
) -> Method:
    return Method(slug, "offsite", "offsite", _named(names), currencies, required, fields, own, shows=shows,
                  storable=storable, offered=offered)  # fmt: skip


_METHODS = (
    # 4.1 Cards. Those that ask for papers of a country, or come from a terminal, are for the API alone.
    Method("credit_card", "card", "card", Names("クレジットカード", "Credit Card", "신용카드", "银行卡"), None, _CARD,
           storable=True),
    Method("credit_card_brazil", "other", "card",
           Names("クレジットカード（ブラジル）", "Credit Card (Brazil)", "신용카드 (브라질)", "银行卡（巴西）"),
           None, _CARD, offered=False),
    Method("credit_card_korea", "other", "card",
           Names("クレジットカード（韓国）", "Credit Card (Korea)", "신용카드 (한국)", "银行卡（韩国）"),
           None, _CARD, offered=False),
    Method("credit_card_terminal", "other", "card",
           Names("クレジットカード端末", "Credit Card Terminal", "신용카드 단말기", "银行卡终端"), None, offered=False),
    # 4.2 Cash methods.
    Method("konbini", "konbini", "cash", Names("コンビニ", "Konbini", "편의점", "便利店"), _YEN, ("store", "email"),
           shows=("email", "store"), expiry_days=(0, 59)),
    Method("bank_transfer", "bank", "cash", Names("銀行振込", "Bank Transfer", "계좌이체", "银行转账"), _YEN, _KANA,
           shows=("email",), expiry_days=(14, 59)),
    Method("pay_easy", "payeasy", "cash", Names("ペイジー", "Pay-easy", "Pay-easy", "Pay-easy"), _YEN, _KANA,
           shows=("email",), expiry_days=(0, 59)),
    # 4.3 Prepaid.
    _prepaid("web_money", "WebMoney"),
    _prepaid("bit_cash", "BitCash"),
    _prepaid("net_cash", "NET CASH", 16, 20),
    _prepaid("nanaco", Names("nanacoギフト", "nanaco Gift", "nanaco 기프트", "nanaco 礼品卡")),
    _prepaid("steam_prepaid_card", "Steam Prepaid Card", 10, 20, offered=False),
    _prepaid("zgold", "Z-Gold", 10, 20, offered=False),
    # 4.4 Wallets and carriers of Japan.
    _away("paypay", "PayPay", "JPY", own=("user_authorization_id", "scanned_code"), shows=("email",), storable=True),
    _away("linepay", "LINE Pay", "JPY", shows=("email",), storable=True),
    _away("aupay", "au PAY", "JPY", shows=("email",), storable=True),
    _away("merpay", Names("メルペイ", "Merpay", "메르페이", "Merpay"), "JPY"),
    _away("rakutenpay", Names("楽天ペイ", "Rakuten Pay", "라쿠텐페이", "乐天支付"), "JPY"),
    _away("paidy", Names("ペイディ", "Paidy", "페이디", "Paidy"), "JPY", required=("customer_name",),
          fields=("customer_name",), own=_PAIDY, shows=("email",)),
    _away("amazon_pay", "Amazon Pay", "JPY"),
    _away("apple_pay", "Apple Pay", "JPY", offered=False),
    _away("epospay", Names("エポスかんたん決済", "EPOS Pay", "EPOS Pay", "EPOS Pay"), "JPY"),
    _away("japan_mobile", Names("キャリア決済", "Mobile Carrier", "통신사 결제", "运营商支付"), "JPY",
          required=("brand",), fields=("brand",), shows=("brand",)),
    _away("docomo", Names("d払い", "d Barai", "d Barai", "d Barai"), "JPY"),
    _away("softbank", Names("ソフトバンクまとめて支払い", "SoftBank Carrier Payment", "SoftBank 통신사 결제",
                            "SoftBank 运营商支付"), "JPY"),
    _away("au", Names("auかんたん決済", "au Carrier Payment", "au 통신사 결제", "au 运营商支付"), "JPY"),
    # 4.5 Korea and China.
    _away("alipay", Names("アリペイ", "Alipay", "알리페이", "支付宝"), "CNY", "JPY", fields=("name",)),
    _away("alipay_hk", Names("アリペイ香港", "AlipayHK", "알리페이 홍콩", "支付宝香港"), "HKD", "JPY"),
    _away("wechatpay", Names("WeChat Pay", "WeChat Pay", "위챗페이", "微信支付"), "CNY", "JPY",
          own=("trade_type",), shows=("trade_type",)),
    _away("unionpay", Names("銀聯", "UnionPay", "유니온페이", "银联"), "CNY", "JPY"),
    _away("kakaopay", Names("カカオペイ", "KakaoPay", "카카오페이", "KakaoPay"), "KRW"),
    _away("naverpay", Names("ネイバーペイ", "Naver Pay", "네이버페이", "Naver Pay"), "KRW"),
    _away("toss", Names("トス", "Toss", "토스", "Toss"), "KRW"),
    _away("payco", Names("PAYCO", "PAYCO", "페이코", "PAYCO"), "KRW"),
    _away("mobile", Names("携帯電話決済（韓国）", "Mobile (Korea)", "휴대폰 결제", "手机支付（韩国）"), "KRW"),
    _away("cvs", Names("コンビニ（韓国）", "Convenience Store (Korea)", "편의점 결제", "便利店（韩国）"), "KRW"),
    Method("culture_voucher", "other", "password",
           Names("文化商品券", "Culture Voucher", "컬쳐랜드 문화상품권", "文化商品券"), _WON,
           ("culture_id", "culture_password"), own=("culture_id",), hidden="culture_password"),
    Method("happy_money", "other", "password", Names("ハッピーマネー", "Happy Money", "해피머니", "Happy Money"), _WON,
           ("happy_money_id", "happy_money_password"), own=("happy_money_id",), hidden="happy_money_password"),
    Method("dospara", "other", "password", Names("ドスパラ", "Dospara", "도스파라", "Dospara"), _YEN,
           ("user_no", "user_password"), own=("user_no",), hidden="user_password"),
    # 4.6 Elsewhere.
    _away("bancontact", "Bancontact", *_EURO),
    _away("banrisul", "Banrisul", "BRL"),
    _away("blik", "BLIK", "PLN"),
    _away("dana", "DANA", "IDR"),
    _away("doku_wallet", "DOKU Wallet", "IDR"),
    _away("dragonpay", "Dragonpay", "PHP"),
    _away("enets", "eNETS", "SGD"),
    _away("eps", "eps", *_EURO),
    _away("fpx", "FPX", "MYR"),
    _away("gcash", "GCash", "PHP"),
    _away("giropay", "giropay", *_EURO, fields=("name",)),
    _away("grabpayotp", "GrabPay", "SGD", "MYR", "PHP", offered=False),
    _away("ideal", "iDEAL", *_EURO),
    _away("multibanco", "Multibanco", *_EURO),
    _away("mybank", "MyBank", *_EURO),
    _away("narvesen", "Narvesen", *_EURO),
    _away("ovo", "OVO", "IDR"),
    _away("paypost", "PayPost", *_EURO),
    _away("paysafe_card", "paysafecard", "EUR", "GBP", "CHF", "PLN", "USD", "AUD", "NZD", "CAD"),
    _away("paysafe_cash", "paysafecash", "EUR", "GBP", "CHF", "PLN", "USD", "CAD", offered=False),
    _away("paysera", "Paysera", *_EURO),
    _away("payu", "PayU", "PLN"),
    _away("perlas", "Perlas", *_EURO),
    _away("pix", "Pix", "BRL", required=("cpf",), fields=("cpf",)),
    _away("poli", "POLi", "AUD", "NZD"),
    _away("przelewy24", "Przelewy24", "PLN", "EUR"),
    _away("sepa_transfer", Names("SEPA送金", "SEPA Transfer", "SEPA 이체", "SEPA 转账"), *_EURO, offered=False),
    _away("sofortbanking", "Sofort", *_EURO),
    _away("tng", "Touch 'n Go eWallet", "MYR"),
    _away("truemoney", "TrueMoney", "THB"),
)  # fmt: skip
METHODS: Mapping[str, Method] = {method.slug: method for method in _METHODS}

#: What the contract's sessions have no word for: such a payment is made by ``POST /payments`` alone. Source: contract
#: 4.6, and ``PaymentType`` of its ``openapi.yaml``.
NOT_OF_SESSIONS = frozenset((
    "credit_card_terminal", "grabpayotp", "paysafe_cash", "sepa_transfer", "apple_pay", "steam_prepaid_card", "zgold",
))  # fmt: skip

#: What a merchant offers that has chosen nothing, in the order shown; any other currency: cards.
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "JPY": (
        "credit_card", "paypay", "konbini", "linepay", "aupay", "merpay", "rakutenpay", "paidy", "bank_transfer",
        "pay_easy", "web_money", "bit_cash", "net_cash", "nanaco",
    ),
    "KRW": ("credit_card", "kakaopay", "naverpay", "toss", "payco", "mobile"),
    "CNY": ("credit_card", "alipay", "wechatpay", "unionpay"),
    "HKD": ("credit_card", "alipay_hk"),
    "EUR": ("credit_card", "ideal", "bancontact", "giropay", "eps", "sofortbanking", "multibanco"),
    "PLN": ("credit_card", "blik", "przelewy24"),
    "SGD": ("credit_card", "enets"),
    "MYR": ("credit_card", "fpx", "tng"),
    "PHP": ("credit_card", "gcash", "dragonpay"),
    "IDR": ("credit_card", "dana", "ovo", "doku_wallet"),
    "THB": ("credit_card", "truemoney"),
    "BRL": ("credit_card", "pix"),
    "AUD": ("credit_card", "poli"),
    "NZD": ("credit_card", "poli"),
}  # fmt: skip


def default_types(currency: str) -> tuple[str, ...]:
    """The types of a merchant that has chosen none for this currency."""
    return DEFAULTS.get(currency, ("credit_card",))
