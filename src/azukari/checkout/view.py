"""What the session page shows, in one language: plain data in, texts and controls out. No request, no database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azukari.checkout import money, names
from azukari.checkout.messages import LANGUAGES, fill, messages, say
from azukari.core.clock import HOUR
from azukari.payment_types import CARRIERS

#: A session that lives this long needs no warning. Source: WCAG 2.2, 2.2.1.
LONG = 20 * HOUR
#: Items shown before the rest goes behind a click.
_FIRST_ITEMS = 3
#: Of the consent lines' wording, as it is stored with the customer.
CONSENT_VERSION = "1"
PAYMENT, CUSTOMER, BOTH = "payment", "customer", "customer_payment"


@dataclass(frozen=True, slots=True)
class Shop:
    """Whose page it is.

    logo: a ``data:`` address. accent: ``#rrggbb``. live: real money; everything else carries the test marks.
    """

    name: str
    live: bool = False
    logo: str | None = None
    accent: str | None = None
    support: str | None = None
    languages: tuple[str, ...] = tuple(LANGUAGES)
    legal_url: str | None = None
    legal_text: str | None = None
    privacy_url: str | None = None
    bank_fee: bool = False

    @property
    def initial(self) -> str:
        """What stands for a logo."""
        return self.name.strip()[:1].upper()

    @property
    def contact(self) -> str | None:
        """Where the shop can be reached, as a link."""
        return f"mailto:{self.support}" if self.support and "://" not in self.support else self.support


@dataclass(frozen=True, slots=True)
class Method:
    """One way to pay. amount: what it would cost with its fee, in currency. members: what its request needs."""

    type: str
    group: str
    names: Mapping[str, str]
    amount: int
    currency: str
    fee: int = 0
    brands: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the order. amount: of one."""

    name: str
    quantity: int
    amount: int | None


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """One session, as far as its page needs it.

    received: what prepaid cards have brought already, by the method that is chosen; its amount is what is left.
    """

    id: str
    mode: str
    shop: Shop
    amount: int
    currency: str
    methods: tuple[Method, ...]
    items: tuple[Item, ...] = ()
    tax: int = 0
    email: str | None = None
    locale: str = "ja"
    return_to: str | None = None
    created_at: int = 0
    expires_at: int = 0
    chosen: str | None = None
    received: int = 0

    @property
    def first(self) -> Method:
        """The method that is open to begin with."""
        return next((method for method in self.methods if method.type == self.chosen), self.methods[0])

    def method(self, type: str | None) -> Method | None:
        """The method of a type, where the session offers it."""
        return next((method for method in self.methods if method.type == type), None)

    @property
    def saves(self) -> bool:
        return self.mode != PAYMENT

    @property
    def pays(self) -> bool:
        return self.mode != CUSTOMER


@dataclass(frozen=True, slots=True)
class Field:
    """One input. kind: which rules it follows. label: a key of the words. id: unique on the page."""

    id: str
    kind: str
    member: str
    label: str
    autocomplete: str = "off"
    inputmode: str = "text"
    hint: str | None = None
    value: str = ""


@dataclass(frozen=True, slots=True)
class Pick:
    """A choice inside a method: the store, the carrier."""

    member: str
    label: str
    error: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A method as the picker shows it. drawn: its picture stands in the page already, with another method."""

    method: Method
    icon: str
    drawn: bool
    fields: tuple[Field, ...]
    pick: Pick | None
    chosen: bool

    @property
    def is_card(self) -> bool:
        return self.method.group == "card"

    @property
    def translated(self) -> bool:
        """Whether its name changes with the language."""
        return self.method.group in _TITLED or len({*self.method.names.values()}) > 1


_AFTER_MARK = re.compile("　|\\. |: |：")
_ICONS = {"card": "card", "konbini": "shop", "bank": "bank", "payeasy": "bank", "prepaid": "ticket"}
#: Groups that the page has a word of its own for.
_TITLED = frozenset(("card", "konbini", "bank"))

#: kind, label, autocomplete, inputmode of what a request may need, by its name there.
_MEMBERS: Mapping[str, tuple[str, str, str, str]] = {
    "email": ("email", "email", "email", "email"),
    "phone": ("phone", "phone", "tel", "tel"),
    "name": ("text", "person", "name", "text"),
    "customer_name": ("text", "person", "name", "text"),
    "family_name_kana": ("kana", "kana_f", "family-name", "text"),
    "given_name_kana": ("kana", "kana_g", "given-name", "text"),
    "cpf": ("text", "cpf", "off", "numeric"),
    "prepaid_number": ("prepaid", "prepaid", "off", "text"),
    "culture_id": ("text", "account_id", "off", "text"),
    "happy_money_id": ("text", "account_id", "off", "text"),
    "user_no": ("text", "account_id", "off", "text"),
    "culture_password": ("text", "password", "off", "text"),
    "happy_money_password": ("text", "password", "off", "text"),
    "user_password": ("text", "password", "off", "text"),
}
_CARD = (
    Field("number", "number", "cardnumber", "number", "cc-number", "numeric"),
    Field("expiry", "expiry", "cc-exp", "expiry", "cc-exp", "numeric"),
    Field("code", "code", "verification_value", "code", "cc-csc", "numeric", "code_back"),
    Field("name", "name", "name", "name", "cc-name", "text", "name_hint"),
)
#: Family name first, as the form is read.
_SEQUENCE = tuple(_MEMBERS)


def panels(summary: OrderSummary) -> list[Panel]:
    """The methods of the picker."""
    found: list[Panel] = []
    for method in summary.methods:
        icon = _ICONS.get(method.group, "phone")
        drawn = any(panel.icon == icon for panel in found)
        found.append(Panel(method, icon, drawn, _fields(summary, method), _pick(method), method is summary.first))
    return found


def _fields(summary: OrderSummary, method: Method) -> tuple[Field, ...]:
    if method.group == "card":
        return _CARD
    wanted = [member for member in _SEQUENCE if member in method.members]
    return tuple(
        Field(
            f"f{summary.methods.index(method)}-{at}",
            *_kind(member),
            value=(summary.email or "") if member == "email" else "",
        )
        for at, member in enumerate(wanted, 1)
    )


def _kind(member: str) -> tuple[str, str, str, str, str]:
    kind, label, autocomplete, inputmode = _MEMBERS[member]
    return kind, member, label, autocomplete, inputmode


def _pick(method: Method) -> Pick | None:
    if method.group == "konbini":
        return Pick("store", "store", "e_store", tuple((slug, slug) for slug in method.brands))
    if "brand" in method.members:
        return Pick("brand", "carrier", "carrier", tuple((slug, slug) for slug in CARRIERS))
    return None


def label_of(method: Method, member: str) -> str:
    """The label of a member of the request that the method's form has; empty where there is none."""
    if method.group == "card":
        return "name" if member == "name" else ""
    return _MEMBERS[member][1] if member in method.members and member in _MEMBERS else ""


def method_name(language: str, method: Method) -> str:
    """What a shopper calls it."""
    return messages(language)[method.group] if method.group in _TITLED else method.names[language]


def button(language: str, summary: OrderSummary, method: Method) -> str:
    """What pressing does, and for how much."""
    values = {"amount": _amount(language, method), "method": method_name(language, method)}
    if summary.mode == CUSTOMER:
        return say(language, "save_card" if method.group == "card" else "save_wallet", **values)
    if summary.mode == BOTH:
        return say(language, "pay_save", **values)
    if method.group in ("card", "prepaid"):
        return say(language, "pay", **values)
    cash = method.group in ("konbini", "bank", "payeasy")
    return say(language, "get_number" if cash else "go_wallet", **values)


def thing(language: str, method: Method) -> str:
    """What a shop may charge from now on."""
    key = "thing_card" if method.group == "card" else "thing_wallet"
    return say(language, key, method=method_name(language, method))


def consent(language: str, summary: OrderSummary, method: Method) -> str:
    """The sentence above the button in the modes that store something."""
    return fill(
        messages(language)["consent_both" if summary.pays else "consent_save"],
        button=button(language, summary, method),
        thing=thing(language, method),
        shop=summary.shop.name,
        amount=_amount(language, method),
    )


def _amount(language: str, method: Method) -> str:
    return money.amount(language, method.amount, method.currency)


def title(language: str, summary: OrderSummary | None, shop: Shop | None, heading: str | None = None) -> str:
    """The window's title."""
    what = heading or messages(language)["save_h" if summary and not summary.pays else "title"]
    mark = "" if shop is None or shop.live else f"[{messages(language)['test_mark']}] "
    return f"{mark}{what} | {shop.name}" if shop else what


#: Words that stand on the session page as they are.
_ON_PAGE = (
    "method", "subtotal", "tax", "total", "fee_line", "code_back", "code_front", "name_hint", "store", "carrier",
    "save_h", "save_pick", "safe", "noscript", "legal", "privacy", "lang", "amount", "contact",
)  # fmt: skip
#: Words its script puts in.
_IN_SCRIPT = (
    "busy", "done", "slow", "offline", "expiring", "tds_go", "total_now", "code_front", "code_back",
    "e_short", "e_long", "e_exp", "e_code", "e_roman", "e_kana", "e_mail", "e_store", "card_expired",
    "invalid_number", "missing_parameter", "invalid_parameter", "unsupported_card_brand", "retry", "title_error",
)  # fmt: skip


def texts(language: str, summary: OrderSummary) -> dict[str, str]:
    """Every text of the page by the name of its place: a script can change the language around what was typed."""
    shop = summary.shop.name
    known = messages(language)
    found = {key: known[key] for key in _ON_PAGE}
    found["title"] = title(language, summary, summary.shop)
    found["back"] = say(language, "back_save" if not summary.pays else "back", shop=shop)
    found["save_lead"] = say(language, "save_lead", shop=shop)
    found["amount_to"] = say(language, "amount_to", shop=shop)
    found["test_mark"], found["test"] = test_notice(language)
    found["language"] = LANGUAGES[language][1]
    first = summary.first
    found["figures"], found["unit"] = money.parted(language, first.amount, first.currency)
    found |= _item_texts(language, summary)
    for panel in panels(summary):
        found |= _panel_texts(language, panel)
    found["total_sum"] = _amount(language, first)
    found["fee_sum"] = money.amount(language, first.fee, first.currency) if first.fee else ""
    found["go"] = button(language, summary, first)
    if summary.saves:
        found["consent"] = consent(language, summary, first)
    return found


def _item_texts(language: str, summary: OrderSummary) -> dict[str, str]:
    found = {}
    for at, amount in enumerate(item_amounts(summary)):
        if amount is not None:
            found[f"item{at}"] = money.amount(language, amount, summary.currency)
    if summary.tax:
        found["tax_sum"] = money.amount(language, summary.tax, summary.currency)
    if len(summary.items) > _FIRST_ITEMS:
        found["more_items"] = say(language, "more_items", n=len(summary.items) - _FIRST_ITEMS)
    return found


def item_amounts(summary: OrderSummary) -> list[int | None]:
    """What each line comes to. A line's amount is of one piece, unless only the lines as they are add up."""
    plain = [item.amount for item in summary.items]
    times = [None if item.amount is None else item.amount * item.quantity for item in summary.items]
    total = summary.amount - summary.tax
    sums = {sum(amount or 0 for amount in lines) for lines in (plain, times)}
    as_they_are = sum(amount or 0 for amount in plain) in (total, summary.amount) and len(sums) == 2
    return plain if as_they_are else times


def _panel_texts(language: str, panel: Panel) -> dict[str, str]:
    method, known = panel.method, messages(language)
    found = {f"m_{method.type}": method_name(language, method)}
    if panel.is_card:
        found["brands"] = names.listed(
            language, [names.BRANDS[slug].name for slug in method.brands if slug in names.BRANDS]
        )
    if method.fee:
        found[f"f_{method.type}"] = say(language, "fee", amount=money.amount(language, method.fee, method.currency))
    for field in panel.fields:
        found[f"l_{field.label}"], found[f"s_{field.label}"] = label(language, field.label)
    if panel.pick:
        for slug, key in panel.pick.options:
            found[key] = CARRIERS[slug] if panel.pick.member == "brand" else names.store(language, slug)
        found[panel.pick.label] = known[panel.pick.label]
    return found


def label(language: str, key: str) -> tuple[str, str]:
    """A label and its hint in brackets: ``有効期限`` and ``（月/年）``."""
    text = messages(language)[key]
    at = min((found for found in (text.find("（"), text.find("(")) if found > 0), default=len(text))
    return text[:at].rstrip(), (" " if text[at - 1 : at] == " " else "") + text[at:]


def has_hint(key: str) -> bool:
    """Whether the label has one in any language."""
    return any(label(language, key)[1] for language in LANGUAGES)


def script_data(language: str, summary: OrderSummary) -> dict[str, Any]:
    """What the page's script is told in a language: the texts by their places, its own words, and what each method's
    button and sum say.
    """
    known = messages(language)
    own = {key: known[key] for key in _IN_SCRIPT} | {
        "checking": known["internal_server_error"],
        "failed": known["request_failed"],
        "no_charge": no_charge(language, summary) if summary.pays else "",
    }
    methods = {method.type: _method_told(language, summary, method) for method in summary.methods}
    return {"t": texts(language, summary), "w": own, "m": methods, "b": [*names.BRANDS.values()]}


def no_charge(language: str, summary: OrderSummary) -> str:
    """That a try has cost nothing, beside what prepaid cards brought before."""
    return rest(language, summary, "rest_not_charged") if summary.received else messages(language)["no_charge"]


def rest(language: str, summary: OrderSummary, key: str) -> str:
    """What prepaid cards have brought, and what is left. key: the sentence that says so."""
    received = money.amount(language, summary.received, summary.first.currency)
    return say(language, key, received=received, amount=_amount(language, summary.first))


def _method_told(language: str, summary: OrderSummary, method: Method) -> dict[str, str]:
    found = {"go": button(language, summary, method)}
    if summary.pays:
        found["sum"] = _amount(language, method)
        if method.fee:
            found["fee"] = money.amount(language, method.fee, method.currency)
    if summary.saves:
        found["consent"] = consent(language, summary, method)
    return found


def test_notice(language: str) -> tuple[str, str]:
    """The strip of test mode: what stands bold, and the rest."""
    mark, _, rest = _AFTER_MARK.sub("\n", messages(language)["test"], count=1).partition("\n")
    return mark, rest


def split_items(summary: OrderSummary) -> tuple[list[tuple[int, Item]], list[tuple[int, Item]]]:
    """The lines in view, and the rest."""
    lines = list(enumerate(summary.items))
    return lines[:_FIRST_ITEMS], lines[_FIRST_ITEMS:]
