"""The page with a cash payment's instructions, its barcode, and the buttons of test mode."""

import base64
from typing import Any, Literal, cast

import msgspec

from azukari.checkout import pages, reading
from azukari.checkout.http import Visit
from azukari.checkout.instructions_view import Instructions
from azukari.checkout.messages import LANGUAGES
from azukari.checkout.schemas import BarcodeOut, SimulateIn
from azukari.core.clock import MINUTE, iso
from azukari.core.errors import InvalidParameter, NotFound
from azukari.db import Owner, Tx
from azukari.payment_methods import barcode
from azukari.payments import test_mode, views
from azukari.payments.views import PaymentView
from azukari.processors.methods import CASH
from azukari.sessions import store as session_rows
from azukari.web.pages import page
from azukari.wire.answers import Answer
from azukari.wire.locales import nearest

_GOOD_FOR, _ASK_AGAIN = 10 * MINUTE, 3
#: What a cash payment's page says by its status; None: it waits for the money.
_OUTCOMES = {
    "pending": None, "authorized": None, "captured": "paid_in", "refunded": "paid_in", "cancelled": "cancelled",
    "failed": "request_failed",
}  # fmt: skip
_Details = dict[str, Any]


async def show(visit: Visit) -> Answer:
    """How a cash payment is made. Raises NotFound."""
    payment_id, language = visit.path_params["payment"], nearest(visit.path_params["locale"], LANGUAGES)
    owner, settings = await visit.owner_of(payment_id, "payment")
    shown, way_back = await visit.services.db.read(_payment, owner, payment_id)
    payment, details = shown.payment, _details(shown)
    if details.get("type") not in CASH:
        raise NotFound
    shop = reading.shop_of(settings, owner.mode)
    outcome = _OUTCOMES.get(payment.status, "no_late")
    waits = outcome is None and not shop.live
    view = Instructions.of(
        language,
        shop,
        payment=payment.id,
        type=str(details["type"]),
        details=details,
        amount=payment.total,
        fee=payment.fee,
        currency=payment.currency,
        deadline=payment.deadline,
        outcome=outcome,
        barcode=_picture(details),
        return_to=way_back,
        tools=f"/{language}/instructions/{payment.id}/simulate" if waits else None,
    )
    hrefs = {locale: f"/{locale}/instructions/{payment.id}" for locale in LANGUAGES}
    return page(pages.instructions(language, view, shop, view.heading, hrefs, visit.mark(payment.id)))


async def _payment(tx: Tx, owner: Owner, payment_id: str) -> tuple[PaymentView, str | None]:
    """A payment, and where its shopper goes from its page."""
    shown = await views.show(tx, owner, payment_id)
    if shown.payment.session_id is None:
        return shown, reading.way_back_of(shown)
    session = await session_rows.get(tx, owner, shown.payment.session_id)
    return shown, reading.way_back(session.return_url, session.id)


def _details(shown: PaymentView) -> _Details:
    return cast(_Details, msgspec.json.decode(shown.payment.details) or {})


def _picture(details: _Details) -> str | None:
    """The barcode of a payment whose store scans one; None: there is nothing to draw yet."""
    number = details.get("receipt")
    if not details.get("barcode_url") or not isinstance(number, str):
        return None
    return f"data:image/png;base64,{base64.b64encode(barcode.png(number)).decode()}"


async def barcode_of(visit: Visit) -> Answer:
    """``GET /api/v1/barcodes/{payment}``, open as its page is. Raises NotFound. Source: contract section 12."""
    payment_id = visit.path_params["payment"]
    owner, _ = await visit.owner_of(payment_id, "payment")
    shown = await visit.services.db.read(views.show, owner, payment_id)
    details = _details(shown)
    if not details.get("barcode_url"):
        raise NotFound
    picture = _picture(details)
    if picture is None:
        return Answer.of(BarcodeOut("pending", retry_after=_ASK_AGAIN))
    return Answer.of(BarcodeOut("ready", iso(visit.now + _GOOD_FOR), picture))


async def simulate(visit: Visit) -> Answer:
    """A button of the test tools. Raises NotFound, InvalidParameter, Forbidden."""
    form, payment_id = visit.read(SimulateIn), visit.path_params["payment"]
    visit.must_be_ours(form.csrf, payment_id)
    if form.outcome not in ("paid", "expired", "failed"):
        raise InvalidParameter("outcome")
    owner, _ = await visit.owner_of(payment_id, "payment")
    call = visit.call(owner, await visit.services.moment_of(owner))
    out = await test_mode.simulate(call, payment_id, cast(Literal["paid", "expired", "failed"], form.outcome))
    return Answer.of({"status": out.status})
