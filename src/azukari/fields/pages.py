"""The frame's page from its template, with the inputs of the hosted page."""

from collections.abc import Mapping
from typing import Any

from azukari.checkout import framing, view
from azukari.checkout.messages import LANGUAGES, messages
from azukari.checkout.pages import render
from azukari.checkout.view import Method, OrderSummary
from azukari.fields import texts

_PACKAGE = "azukari.fields"
#: Methods that have inputs here, or need none. All others are paid on the session's page.
GROUPS = frozenset(("card", "konbini", "bank", "payeasy", "offsite"))


def here(method: Method) -> bool:
    """Whether the frame takes it."""
    return method.group in GROUPS


def frame(
    language: str,
    summary: OrderSummary,
    *,
    default: str,
    origin: str,
    back: str,
    now: int,
    closed: str | None,
    required: bool,
) -> bytes:
    """The inputs. default: the language where the shop's page names none. origin: of that page.

    back: where a challenge leads. closed: why the session takes no try, a key of the words. required: no card becomes a
    token without 3-D Secure.
    """
    t = all_texts(language, summary)
    data = {
        "id": summary.id,
        "origin": origin,
        "back": back,
        "now": now,
        "mode": summary.mode,
        "locale": default,
        "closed": closed,
        "amount": summary.amount,
        "currency": summary.currency,
        "brands": [brand for method in summary.methods if method.group == "card" for brand in method.brands],
        "here": [method.type for method in summary.methods if here(method)],
        "consent": view.CONSENT_VERSION if summary.saves else None,
        "required": required,
    }
    return render(
        "frame.html",
        language,
        _PACKAGE,
        modules=framing.MODULES,
        t=t,
        summary=summary,
        panels=view.panels(summary),
        data=data,
        here=here,
        closed=closed and messages(language)[closed],
    )


def back(language: str) -> bytes:
    """What stands in the dialog for the moment until it closes."""
    return render("back.html", language, _PACKAGE, text=messages(language)["internal_server_error"])


def all_texts(language: str, summary: OrderSummary) -> dict[str, str]:
    """Every text of the frame by the name of its place."""
    found = view.texts(language, summary)
    found["frame"] = texts.say(language, "frame" if summary.pays else "frame_save")
    for method in summary.methods:
        name = view.method_name(language, method)
        if summary.saves:
            found[f"reuse_{method.type}"] = reuse(language, summary, method)
        if method.group not in ("card", "konbini", "bank", "payeasy"):
            found[f"away_{method.type}"] = texts.say(language, "away" if here(method) else "elsewhere", method=name)
    return found


def reuse(language: str, summary: OrderSummary, method: Method) -> str:
    """What the shopper agrees to by going on, in the modes that store something."""
    key = "reuse_both" if summary.pays else "reuse_save"
    return texts.say(language, key, shop=summary.shop.name, thing=view.thing(language, method))


def script_data(language: str, summary: OrderSummary) -> dict[str, Any]:
    """What the frame's script is told in a language."""
    known = messages(language)
    found = view.script_data(language, summary)
    methods: Mapping[str, Method] = {method.type: method for method in summary.methods}
    found["t"] = all_texts(language, summary)
    found["w"] |= {key: known[key] for key in ("tds_h", "tds_mid", "proceed", "restart")}
    found["w"]["stop"] = texts.say(language, "stop")
    found["m"] = {
        type: {"name": view.method_name(language, method), "fee": found["t"].get(f"f_{type}") or None}
        for type, method in methods.items()
    }
    found["lang"] = LANGUAGES[language][0]
    return found
