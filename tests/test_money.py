"""Money is whole numbers, from the wire to the database and back."""

import ast
from pathlib import Path

import pytest
from babel.numbers import get_currency_precision

import azukari
from azukari.core.money import CURRENCIES, MAX_AMOUNT

ROOT = Path(azukari.__file__).parent
#: Where amounts are read, compared, added up, stored or sent.
HANDLING = sorted(
    [
        ROOT / "core" / "money.py",
        ROOT / "wire" / "fields.py",
        *(
            file
            for folder in ("payments", "payment_methods", "customers", "tokens", "processors", "attempts")
            for file in (ROOT / folder).rglob("*.py")
        ),
    ]
)
#: Currencies of the contract that have no minor unit (1.7).
NO_MINOR_UNIT = set("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split())  # noqa: SIM905
#: What the contract takes (1.7).
TAKEN = set("JPY USD EUR TWD KRW PLN GBP HKD SGD NZD AUD IDR MYR PHP THB CNY BRL CHF CAD VND".split())  # noqa: SIM905


def floats_in(source: str) -> list[str]:
    """What in a module makes or may make a float, as ``line: code``.

    One exception: milliseconds divided into seconds where something waits, ``asyncio.sleep(x / 1_000)``.
    A path joined to a text, ``folder / "name"``, is no division.
    """
    tree = ast.parse(source)
    waits = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("asyncio.sleep", "asyncio.timeout", "Deadline")
        for argument in node.args
        if isinstance(argument, ast.BinOp) and ast.unparse(argument.right) == "1000"
    }
    return [
        f"{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if id(node) not in waits and _makes_float(node)
    ]


def _makes_float(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=float() | complex()):
            return True
        case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str()) | ast.JoinedStr()):
            return False
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return True
        case ast.Name(id="float" | "round" | "Decimal"):
            return True
        case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
            return True
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            modules = {name.name.partition(".")[0] for name in names} | {getattr(node, "module", None)}
            return bool(modules & {"math", "decimal", "fractions", "statistics", "numpy"})
        case ast.Attribute(attr="truediv"):
            return True
    return False


@pytest.mark.parametrize("file", HANDLING, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_float_comes_near_money(file: Path) -> None:
    assert floats_in(file.read_text(encoding="utf-8")) == []


def test_every_folder_of_the_money_is_looked_at() -> None:
    looked_at = {str(file.relative_to(ROOT)) for file in HANDLING}
    assert {
        "payments/charge.py",
        "payments/capture.py",
        "payments/refund.py",
        "processors/simulator/bank.py",
        "core/money.py",
    } <= looked_at


@pytest.mark.parametrize(
    "source",
    [
        "x = 1.5", "x = 1e3", "x = a / b", "x /= 2", "x = float(y)", "x = round(y)", "x = asyncio.sleep(a / b)",
        "x = sleep(a / 1_000)", "x = a / 1_000", "def f(x: float) -> int: ...", "import math",
        "from decimal import Decimal",
        "x = a * 10 ** -2", "x = operator.truediv(a, b)",
    ],
)  # fmt: skip
def test_the_search_finds_a_float(source: str) -> None:
    assert floats_in(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = a // b",
        "x = 10**12",
        "x = folder / 'name'",
        "x = folder / f'{name}.svg'",
        "asyncio.sleep(delay / 1_000)",
        "asyncio.timeout(a.b / 1_000)",
    ],
)
def test_the_search_finds_nothing_else(source: str) -> None:
    assert floats_in(source) == []


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_a_currency_has_the_decimals_of_the_standard(currency: str) -> None:
    # Babel's are CLDR's. They agree with ISO 4217 for every currency we take; where the two differ (CLDR gives some
    # that are no longer divided in daily life 0 digits, ISO still 2) a new one would have to follow ISO.
    assert CURRENCIES[currency] == get_currency_precision(currency)


def test_the_currencies_are_the_contracts() -> None:
    assert set(CURRENCIES) == TAKEN
    assert {currency for currency, decimals in CURRENCIES.items() if decimals == 0} == TAKEN & NO_MINOR_UNIT


def test_the_largest_amount_fits_everything_it_goes_through() -> None:
    # A whole number for JavaScript, and twice over (amount and tax) for a signed 64-bit column.
    assert 2 * MAX_AMOUNT < 2**53
    assert isinstance(MAX_AMOUNT, int)
