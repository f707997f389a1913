"""Payment details of every type: cards are read by the vault, all others here, member by member.

Members a type does not know are ignored, an empty string or null means "not given", and no error repeats a value.
Source: contract 1.1, 4; SEC-18.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from azukari.core import mail
from azukari.core.errors import InvalidParameter, MissingParameter
from azukari.core.secret import Secret
from azukari.payment_types import CARRIERS, METHODS, STORES, Method
from azukari.processors.methods import MethodDetails
from azukari.vault import PaymentDetails, looks_like_card_number
from azukari.wire.fields import NAME, InvalidValue

PARAM = "payment_details"
_MAX_DIGITS_OF_PHONE = 13
#: Of a person in Brazil: 11 digits, with the points people put in.
_CPF = re.compile(r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}")

_NAMES = ("name", "given_name", "family_name", "given_name_kana", "family_name_kana")
#: Members with a fixed list of values.
_CHOICES: Mapping[str, Collection[str]] = {"store": STORES, "brand": CARRIERS, "trade_type": ("NATIVE", "MWEB")}


def read_details(value: object, now: int, param: str = PARAM) -> PaymentDetails | MethodDetails:
    """Checked payment details of any type.

    Raises MissingParameter, InvalidParameter, Unprocessable ``invalid_payment_type`` (unknown, or not taken here).
    """
    if isinstance(value, Mapping) and is_method(value):
        return _Reader(value, param).read(METHODS[value["type"]])
    return PaymentDetails.parse(value, now=now, param=param)


def is_method(value: object) -> bool:
    """Whether these would be details of a type that is not a card's."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    return isinstance(kind, str) and kind in METHODS and METHODS[kind].flow != "card"


def encoded(details: MethodDetails) -> str:
    """All of it as JSON, but the secrets: what may be kept."""
    words = {name: getattr(details, name) for name in _KEPT}
    return msgspec.json.encode({name: value for name, value in words.items() if value}).decode()


def decoded(text: str) -> MethodDetails:
    """What :func:`encoded` wrote."""
    return MethodDetails(**msgspec.json.decode(text))


_KEPT = ("type", "email", "phone", *_NAMES, "store", "brand", "expiry_days", "extras")


class _Reader:
    def __init__(self, tree: Mapping[str, Any], param: str) -> None:
        self._tree = tree
        self._param = param

    def read(self, method: Method) -> MethodDetails:
        own = {name: self._text(name, required=name in method.required) for name in method.own}
        return MethodDetails(
            type=method.slug,
            email=self._email("email" in method.required),
            phone=self._phone("phone" in method.required),
            **{name: self._text(name, required=name in method.required) for name in _NAMES},
            store=self._text("store", required=True) if "store" in method.required else None,
            brand=self._text("brand", required=True) if "brand" in method.required else None,
            expiry_days=self._days(method.expiry_days),
            extras={name: text for name, text in own.items() if text is not None},
            prepaid_number=None if method.number_length is None else self._number(*method.number_length),
            password=None if method.hidden is None else self._password(method.hidden),
            cpf=self._cpf() if "cpf" in method.required else None,
        )

    def _given(self, member: str) -> object:
        value = self._tree.get(member)
        return None if value == "" else value

    def _must(self, member: str) -> object:
        value = self._given(member)
        if value is None:
            raise MissingParameter(self._name(member))
        return value

    def _name(self, member: str) -> str:
        return f"{self._param}[{member}]"

    def _invalid(self, member: str) -> InvalidParameter:
        return InvalidParameter(self._name(member))

    def _text(self, member: str, read: Callable[[object], str] = NAME, *, required: bool = False) -> str | None:
        value = self._must(member) if required else self._given(member)
        if value is None:
            return None
        if isinstance(value, bool):
            value = "true" if value else "false"
        try:
            text = read(value)
        except InvalidValue:
            raise self._invalid(member) from None
        if text not in _CHOICES.get(member, (text,)):
            raise self._invalid(member)
        return text

    def _email(self, required: bool) -> str | None:
        name, value = self._name("email"), self._given("email")
        address = "" if value is None else mail.read(value)
        if address is None:
            raise InvalidParameter(name, f"The value of {name} is invalid: {mail.RULE}.")
        if required and not address:
            raise MissingParameter(name)
        return address or None

    def _phone(self, required: bool) -> str | None:
        return self._text("phone", _phone_number, required=required)

    def _days(self, limits: tuple[int, int] | None) -> int | None:
        value = self._given("expiry_days")
        if value is None or limits is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
            value = int(value)
        if type(value) is not int or not limits[0] <= value <= limits[1]:
            raise self._invalid("expiry_days")
        return value

    def _number(self, least: int, most: int) -> Secret:
        value = self._must("prepaid_number")
        text = str(value) if type(value) is int else value
        if isinstance(text, str):
            text = text.replace(" ", "").replace("-", "")
            if text.isascii() and text.isalnum() and least <= len(text) <= most:
                return Secret(text)
        raise self._invalid("prepaid_number")

    def _cpf(self) -> Secret | None:
        value = self._given("cpf")
        if value is None:
            return None
        text = str(value) if type(value) is int else value
        if not (isinstance(text, str) and _CPF.fullmatch(text)):
            raise self._invalid("cpf")
        return Secret(text)

    def _password(self, member: str) -> Secret:
        value = self._must(member)
        text = str(value) if type(value) is int else value
        if not isinstance(text, str) or len(text) > 255 or not text.isprintable() or looks_like_card_number(text):
            raise self._invalid(member)
        return Secret(text)


def _phone_number(value: object) -> str:
    """Thirteen digits of a telephone number may pass for a card's by chance, more may not. Raises InvalidValue."""
    value = str(value) if type(value) is int else value
    if isinstance(value, str) and sum(sign.isdecimal() for sign in value) <= _MAX_DIGITS_OF_PHONE:
        NAME("".join("0" if sign.isdecimal() else sign for sign in value))
        return value
    return NAME(value)
