"""The frame's page from its template, with the inputs of the hosted page."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azukari.checkout import framing, view
from azukari.checkout.phrases import phrases
from azukari.checkout.view import Method, OrderSummary
from azukari.checkout.words import LANGUAGES, words
from azukari.fields import texts
from azukari.web import assets

if TYPE_CHECKING:
    import jinja2

#: Methods that have inputs here, or need none. All others are paid on the session's page.
GROUPS = frozenset(("card", "konbini", "bank", "payeasy", "offsite"))


def here(method: Method) -> bool:
    """Whether the frame takes it."""
    return method.group in GROUPS


def frame(
    language: str,
    order: OrderSummary,
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
    t = all_texts(language, order)
    data = {
        "id": order.id,
        "origin": origin,
        "back": back,
        "now": now,
        "mode": order.mode,
        "locale": default,
        "closed": closed,
        "amount": order.amount,
        "currency": order.currency,
        "brands": [brand for method in order.methods if method.group == "card" for brand in method.brands],
        "here": [method.type for method in order.methods if here(method)],
        "consent": view.CONSENT_VERSION if order.saves else None,
        "required": required,
    }
    return (
        _templates()
        .get_template("frame.html")
        .render(
            lang=LANGUAGES[language][0],
            t=t,
            order=order,
            panels=view.panels(order),
            data=data,
            here=here,
            closed=closed and words(language)[closed],
            base=f"/static/{assets.release()}",
            modules={name: assets.integrity(name) for name in framing.MODULES},
        )
        .encode()
    )


def back(language: str) -> bytes:
    """What stands in the dialog for the moment until it closes."""
    return (
        _templates()
        .get_template("back.html")
        .render(
            lang=LANGUAGES[language][0],
            text=words(language)["internal_server_error"],
            base=f"/static/{assets.release()}",
        )
        .encode()
    )


def all_texts(language: str, order: OrderSummary) -> dict[str, str]:
    """Every text of the frame by the name of its place."""
    found = view.texts(language, order)
    found["frame"] = texts.say(language, "frame" if order.pays else "frame_save")
    for method in order.methods:
        name = view.method_name(language, method)
        if order.saves:
            found[f"reuse_{method.type}"] = reuse(language, order, method)
        if method.group not in ("card", "konbini", "bank", "payeasy"):
            found[f"away_{method.type}"] = texts.say(language, "away" if here(method) else "elsewhere", method=name)
    return found


def reuse(language: str, order: OrderSummary, method: Method) -> str:
    """What the shopper agrees to by going on, in the modes that store something."""
    key = "reuse_both" if order.pays else "reuse_save"
    return texts.say(language, key, shop=order.shop.name, thing=view.thing(language, method))


def told(language: str, order: OrderSummary) -> dict[str, Any]:
    """What the frame's script is told in a language."""
    known = words(language)
    found = view.told(language, order)
    methods: Mapping[str, Method] = {method.type: method for method in order.methods}
    found["t"] = all_texts(language, order)
    found["w"] |= {key: known[key] for key in ("tds_h", "tds_mid", "proceed", "restart")}
    found["w"]["stop"] = texts.say(language, "stop")
    found["m"] = {
        type: {"name": view.method_name(language, method), "fee": found["t"].get(f"f_{type}") or None}
        for type, method in methods.items()
    }
    found["lang"] = LANGUAGES[language][0]
    return found


@functools.cache
def _templates() -> "jinja2.Environment":
    import jinja2  # for pages only: a start does not wait for it

    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("azukari.fields"), jinja2.PackageLoader("azukari.checkout")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["has_hint"] = view.has_hint
    made.filters["phrases"] = phrases
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "sort_keys": True}
    return made
