"""How a shopper is told what went wrong: by the API's code, never by its message."""

import re
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from azukari.checkout import view
from azukari.checkout.messages import in_a_sentence, messages, say
from azukari.checkout.view import Method, OrderSummary
from azukari.core.errors import Locked

#: Where it is said that is not a field's name: above the form, instead of it, beside the button, or nowhere because
#: the result is not known, or because the session's page knows better.
ALERT, PAGE, STATUS, CHECKING, RELOAD = "alert", "page", "status", "checking", "reload"


#: No error of the API's: a prepaid card was taken, and did not suffice.
SHORT = "fell_short"


class ErrorNotice(msgspec.Struct, frozen=True):
    """What the page shows. at: where, or the kind or the name of a field. h: heading; p: what follows from it."""

    at: str
    h: str
    p: str


#: Where, which text, and what is added: N "you have not been charged", A "try another", R "try again", S "ask".
_CODES: Mapping[str, tuple[str, str, str]] = {
    "card_declined": (ALERT, "card_declined", "NA"),
    "insufficient_funds": (ALERT, "insufficient_funds", "NA"),
    "exceeds_limit": (ALERT, "exceeds_limit", "NA"),
    "bad_verification_value": ("code", "bad_verification_value", "N"),
    "card_expired": ("expiry", "card_expired", "N"),
    "invalid_number": ("number", "invalid_number", ""),
    "other_invalid": (ALERT, "other_invalid", "NA"),
    "verification_status_errored": (ALERT, "verification_status_errored", "NA"),
    "used_number": ("prepaid", "used_number", ""),
    "invalid_password": ("prepaid", "invalid_password", ""),
    "invalid_user_key": ("prepaid", "invalid_password", ""),
    "invalid_account": (ALERT, "invalid_account", "NA"),
    "restricted_account": (ALERT, "invalid_account", "NA"),
    "fraudulent": (ALERT, "request_failed", "NA"),
    "request_failed": (ALERT, "request_failed", "NA"),
    "other_error": (ALERT, "request_failed", "NA"),
    "gateway_timeout": (ALERT, "gateway_timeout", "NR"),
    "bad_gateway": (ALERT, "service_unavailable", "R"),
    "service_unavailable": (ALERT, "service_unavailable", "R"),
    "internal_server_error": (CHECKING, "internal_server_error", ""),
    "conflict": (STATUS, "locked", ""),
    "invalid_token": (ALERT, "invalid_token", ""),
    "session_completed": (RELOAD, "already", ""),
    "session_cancelled": (RELOAD, "cancelled", ""),
    "session_expired": (RELOAD, "expired", ""),
    "not_found": (RELOAD, "not_found", ""),
}
#: Where there is no card.
_OF_OTHERS: Mapping[str, tuple[str, str, str]] = {
    "card_declined": (ALERT, "request_failed", "NA"),
    "invalid_number": ("prepaid", "invalid_password", ""),
    "other_invalid": (ALERT, "request_failed", "NA"),
}
_NOTES = {"N": "no_charge", "A": "try_other", "R": "retry", "S": "ask_shop"}
#: What says that no payment came about; where nothing is paid, that nothing was stored.
_NOT_PAID = frozenset(("card_declined", "invalid_account", "request_failed"))
#: The field's kind and its label, by the last name of a parameter.
_FIELDS: Mapping[str, tuple[str, str]] = {
    "number": ("number", "number"), "month": ("expiry", "expiry"), "year": ("expiry", "expiry"),
    "verification_value": ("code", "code"), "store": ("pick", "store"), "brand": ("pick", "carrier"),
    "prepaid_number": ("prepaid", "prepaid"),
}  # fmt: skip
_MEMBER = re.compile(r"payment_details\[(\w+)\]")


def of_code(
    language: str, summary: OrderSummary, method: Method | None, code: str, param: str | None = None, status: int = 0
) -> ErrorNotice:
    """What a code says. method: what was tried. param: as the API names it. status: of the API's answer."""
    if code == "locked":
        # 423 is a try in flight; any other says that there have been too many.
        return _said(
            language, summary, *((STATUS, "locked", "") if status == Locked.status else (PAGE, "too_many", "S"))
        )
    if code in ("missing_parameter", "invalid_parameter"):
        return _about_a_field(language, summary, method, code, param)
    if code == "unsupported_card_brand":
        return ErrorNotice("number", messages(language)["other_invalid"], "")
    if code == SHORT and summary.received:
        return ErrorNotice(ALERT, messages(language)["insufficient_funds"], view.rest(language, summary, "rest"))
    if summary.received and method is not summary.first:
        # Another method was tried: what the prepaid card had brought was given back before.
        summary = replace(summary, received=0)
    at, key, notes = _CODES.get(code, (PAGE, "bad_request", "S"))
    if method is not None and method.group != "card":
        at, key, notes = _OF_OTHERS.get(code, (at, key, notes))
    if not summary.pays and key in _NOT_PAID:
        return _not_saved(language, method)
    return _said(language, summary, at, key, notes)


def _not_saved(language: str, method: Method | None) -> ErrorNotice:
    text = messages(language)["try_other"]
    if method is None or method.group == "card":
        return ErrorNotice(ALERT, messages(language)["save_failed"], text)
    name = view.method_name(language, method)
    return ErrorNotice(ALERT, say(language, "save_failed_other", method=name), text)


def _said(language: str, summary: OrderSummary, at: str, key: str, notes: str) -> ErrorNotice:
    known = {**messages(language), "no_charge": view.no_charge(language, summary)}
    sentences = [known[_NOTES[note]] for note in notes if note != "N" or summary.pays]
    if at not in (ALERT, PAGE):
        # In one line, below a field.
        heading = known[key] + (_stop(language) if sentences else "")
        return ErrorNotice(at, _joined(language, [heading, *sentences]), "")
    return ErrorNotice(at, known[key], _joined(language, sentences))


def _about_a_field(
    language: str, summary: OrderSummary, method: Method | None, code: str, param: str | None
) -> ErrorNotice:
    found = _MEMBER.fullmatch(param or "")
    if found is None or method is None:
        return _said(language, summary, PAGE, "bad_request", "S")
    at, label = _FIELDS.get(found[1], (found[1], ""))
    if not label:
        label = view.label_of(method, found[1])
    if not label:
        return _said(language, summary, PAGE, "bad_request", "S")
    return ErrorNotice(at, say(language, code, label=in_a_sentence(language, messages(language)[label])), "")


def _stop(language: str) -> str:
    return "。" if language in ("ja", "zh") else "."


def _joined(language: str, sentences: list[str]) -> str:
    return ("" if language in ("ja", "zh") else " ").join(sentences)
