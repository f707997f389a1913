"""Pages from their templates: the session's, and those around it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from azukari.checkout import view
from azukari.checkout.messages import LANGUAGES, messages, say
from azukari.checkout.phrases import phrases
from azukari.checkout.view import OrderSummary, Shop
from azukari.checkout.wording import ErrorNotice
from azukari.web import assets

if TYPE_CHECKING:
    import jinja2

#: The modules of each page, the one that starts it last. The others are those it imports.
SESSION = ("dom.js", "card.js", "inputs.js", "pay.js")
SINGLE_STEP, INSTRUCTIONS = ("dom.js", "single_step.js"), ("dom.js", "instructions.js")
#: Where a method is offered beside cards: its fields have rules of their own, there before the last module starts.
CONTACT = "contact.js"
SESSION_BESIDE_CARDS = (*SESSION[:2], CONTACT, *SESSION[2:])


@dataclass(frozen=True, slots=True)
class Link:
    """One language of the switch."""

    locale: str
    lang: str
    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Action:
    """A button of a page that says one thing."""

    text: str
    href: str


def session(
    language: str,
    summary: OrderSummary,
    *,
    csrf: str,
    now: int,
    secure: bool,
    resume: bool = False,
    failed: ErrorNotice | None = None,
    code: str | None = None,
) -> bytes:
    """The form. secure: the page came over https, so it may say that details travel encrypted.

    resume: the shopper is back from a step in between, so the page finishes what it can before it asks anew.
    failed: what came of the step, whose code it was.
    """
    t = view.texts(language, summary)
    first, rest = view.split_items(summary)
    data = {
        "id": summary.id,
        "csrf": csrf,
        "now": now,
        "locale": language,
        "resume": resume,
        "failed": msgspec.to_builtins(failed),
        "code": code,
        "left": summary.expires_at - now if summary.expires_at - summary.created_at < view.LONG else None,
        "brands": [brand for method in summary.methods if method.group == "card" for brand in method.brands],
        "consent": view.CONSENT_VERSION if summary.saves else None,
    }
    modules = SESSION if all(method.group == "card" for method in summary.methods) else SESSION_BESIDE_CARDS
    return _render(
        "session.html",
        language,
        summary.shop,
        t["title"],
        modules,
        t=t,
        summary=summary,
        panels=view.panels(summary),
        one=len(summary.methods) == 1,
        shown=first,
        rest=rest,
        secure=secure,
        data={name: value for name, value in data.items() if value is not None and value is not False},
        names_lang=LANGUAGES[summary.locale][0],
    )


def notice(
    language: str,
    shop: Shop | None,
    heading: str,
    lead: str | None = None,
    actions: Sequence[Action] = (),
    *,
    good: bool = False,
    leave: str | None = None,
) -> bytes:
    """A page that says one thing. leave: where it goes by itself after a second."""
    return _render(
        "notice.html",
        language,
        shop,
        view.title(language, None, shop, heading),
        SINGLE_STEP if leave else (),
        heading=heading,
        lead=lead,
        actions=actions,
        good=good,
        leave=leave,
    )


def instructions(
    language: str, instructions: object, shop: Shop, heading: str, hrefs: Mapping[str, str], csrf: str
) -> bytes:
    """How to pay what waits to be paid."""
    t = {"back": say(language, "back", shop=shop.name)}
    page_title = view.title(language, None, shop, heading)
    return _render(
        "instructions.html",
        language,
        shop,
        page_title,
        INSTRUCTIONS,
        instructions=instructions,
        csrf=csrf,
        hrefs=hrefs,
        t=t,
    )


def offsite(
    language: str, shop: Shop, *, method: str, amount: tuple[str, str] | None, stores: bool, post: str, csrf: str
) -> bytes:
    """The stand-in for a wallet's own page."""
    t = {"wallet_test": say(language, "wallet_test", method=method)}
    page_title = view.title(language, None, shop, "KOMOJU Offsite Test Page")
    return _render(
        "offsite.html",
        language,
        shop,
        page_title,
        SINGLE_STEP,
        t=t,
        method=method,
        amount=amount,
        stores=stores,
        post=post,
        csrf=csrf,
    )


def challenge(
    language: str,
    shop: Shop,
    *,
    last4: str,
    amount: tuple[str, str] | None,
    hint: str | None,
    post: str,
    token: str,
    state: str,
    hrefs: Mapping[str, str],
) -> bytes:
    """The stand-in for an issuer's page."""
    known = messages(language)
    return _render(
        "challenge.html",
        language,
        shop,
        view.title(language, None, shop, known["tds_h"]),
        SINGLE_STEP,
        amount=amount,
        lead=say(language, "tds_lead", shop=shop.name, last4=last4),
        hint=hint,
        post=post,
        token=token,
        state=state,
        empty=say(language, "missing_parameter", label=known["tds_pw"]),
        hrefs=hrefs,
    )


def _render(
    template: str, language: str, shop: Shop | None, title: str, modules: Sequence[str], **context: object
) -> bytes:
    mark, notice = view.test_notice(language)
    t = {**messages(language), "language": LANGUAGES[language][1], "title": title}
    own = context.pop("t", {})
    hrefs = context.pop("hrefs", {})
    assert isinstance(own, dict)
    assert isinstance(hrefs, Mapping)
    return render(
        template,
        language,
        modules=modules,
        shop=shop,
        title=title,
        t={**t, **own, "test_mark": mark, "test": notice},
        links=_links(language, shop, hrefs),
        styles=() if template == "session.html" else ("instructions.css",),
        **{"names_lang": _own_language(shop), **context},
    )


def _own_language(shop: Shop | None) -> str | None:
    """What a shop's own words are most likely in: the first of its languages. Kanji take their shapes from it."""
    return LANGUAGES[shop.languages[0]][0] if shop and shop.languages else None


def _links(language: str, shop: Shop | None, hrefs: Mapping[str, str]) -> list[Link]:
    offered = shop.languages if shop else tuple(LANGUAGES)
    return [
        Link(locale, *LANGUAGES[locale], hrefs.get(locale) or "?" + urlencode({"locale": locale}), locale == language)
        for locale in offered
    ]


def render(template: str, language: str, *packages: str, modules: Sequence[str] = (), **context: object) -> bytes:
    """A page from a template of ours, or of other packages."""
    return (
        _templates(*packages)
        .get_template(template)
        .render(
            lang=LANGUAGES[language][0],
            base=f"/static/{assets.release()}",
            modules={name: assets.integrity(name) for name in modules},
            **context,
        )
        .encode()
    )


@functools.cache
def _templates(*packages: str) -> "jinja2.Environment":
    """The templates in some packages' folders; of two with one name the first."""
    import jinja2  # for pages only: a start does not wait for it

    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in (*packages, "azukari.checkout")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "sort_keys": True}
    made.globals["has_hint"] = view.has_hint
    made.filters["phrases"] = phrases
    return made
