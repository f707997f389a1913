"""What an instruction page tells: numbers, a deadline and steps, for what is paid at a counter, a machine or a bank."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from azukari.checkout import money, names
from azukari.checkout.messages import messages, say
from azukari.checkout.view import Shop

KONBINI, BANK, PAYEASY = "konbini", "bank_transfer", "pay_easy"
#: Shorter numbers are read at a glance.
_LEAST_GROUPED = 6
#: Where the number is told at the till; everywhere else a machine prints a slip first.
_AT_THE_TILL = frozenset(("seven-eleven", "daily-yamazaki"))


@dataclass(frozen=True, slots=True)
class Fact:
    """A number to take along. bare: as it is typed. long: words rather than figures."""

    name: str
    value: str
    bare: str
    long: bool


@dataclass(frozen=True, slots=True)
class Instructions:
    """One instruction page in one language."""

    payment: str
    shop: Shop
    heading: str
    figures: str
    unit: str
    fee: str | None
    deadline: str | None
    facts: list[Fact]
    steps: list[str]
    notes: list[str]
    outcome: str | None
    barcode_url: str | None
    barcode: str | None
    return_to: str | None
    tools: str | None

    @classmethod
    def of(
        cls,
        language: str,
        shop: Shop,
        *,
        payment: str,
        type: str,
        details: Mapping[str, object],
        amount: int,
        fee: int,
        currency: str,
        deadline: int | None,
        outcome: str | None,
        barcode: str | None,
        return_to: str | None,
        tools: str | None,
    ) -> Self:
        """details: the payment's ``payment_details``. outcome: a key of the words, once it is over.

        deadline: milliseconds. barcode: a picture's ``data:`` address. tools: where test mode's buttons send.
        """
        known = messages(language)
        store = str(details.get("store") or "")
        scans = bool(details.get("barcode_url"))
        figures, unit = money.parted(language, amount, currency)
        if type == KONBINI:
            heading = say(language, "inst_konbini", store=names.store(language, store))
        else:
            heading = known["inst_bank" if type == BANK else "inst_payeasy"]
        return cls(
            payment=payment,
            shop=shop,
            heading=heading,
            figures=figures,
            unit=unit,
            fee=say(language, "fee_in", amount=money.amount(language, fee, currency)) if fee else None,
            deadline=money.moment(language, deadline) if deadline is not None else None,
            facts=_facts(language, type, details),
            steps=_steps(language, store, scans) if type == KONBINI and outcome is None else [],
            notes=_notes(language, type, shop) if outcome is None else [],
            outcome=known[outcome] if outcome else None,
            barcode_url=f"/api/v1/barcodes/{payment}" if scans else None,
            barcode=barcode,
            return_to=return_to,
            tools=tools,
        )


#: Labels and members of ``payment_details``, in the order they are asked for.
_MEMBERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    KONBINI: (("pay_no", "receipt"), ("conf_no", "confirmation_code")),
    BANK: (
        ("bank_name", "bank_name"), ("branch", "account_branch_name"), ("account_type", "account_type"),
        ("account_number", "account_number"), ("account_name", "account_name"),
    ),
    PAYEASY: (("payeasy_bank", "bank_id"), ("payeasy_customer", "customer_id"), ("conf_no", "confirmation_id")),
}  # fmt: skip


def _facts(language: str, type: str, details: Mapping[str, object]) -> list[Fact]:
    known = messages(language)
    numbers = [(label, str(details[member])) for label, member in _MEMBERS[type] if details.get(member)]
    if type == KONBINI and len(numbers) == 1:
        # A store that wants one number calls it the payment's.
        numbers = [("pay_no", numbers[0][1])]
    return [Fact(known[label], grouped(value), value, not value[:1].isdigit()) for label, value in numbers]


def grouped(value: str) -> str:
    """A number in groups of three or four, with real separators: a screen reader must not say millions."""
    if not (value.isascii() and value.isdigit()) or len(value) < _LEAST_GROUPED:
        return value
    # As many fours as fit with nothing but threes behind them: 13 is 4-3-3-3, 11 is 4-4-3, 9 is 3-3-3.
    threes = -len(value) % 4
    fours = (len(value) - 3 * threes) // 4
    ends = [*accumulate([4] * fours + [3] * threes)]
    return "-".join(value[start:end] for start, end in zip([0, *ends], ends, strict=False))


def _steps(language: str, store: str, scans: bool) -> list[str]:
    keys = ("step_counter", "step_cash") if scans or store in _AT_THE_TILL else ("step_machine", "step_cash")
    return [messages(language)[key] for key in keys]


def _notes(language: str, type: str, shop: Shop) -> list[str]:
    known = messages(language)
    if type == BANK:
        return [known["bank_exact"], *([known["bank_fee"]] if shop.bank_fee else [])]
    return [known["payeasy_menu"]] if type == PAYEASY else []
