"""The page that stands in for a wallet's own, in test mode."""

from typing import Literal, cast

from azukari.checkout import money, pages, reading
from azukari.checkout.http import Visit, redirect
from azukari.checkout.schemas import DecideIn, Redirect
from azukari.core.errors import InvalidParameter, NotFound
from azukari.db import Owner
from azukari.payment_types import METHODS
from azukari.processors.simulator.processor import OffsitePage
from azukari.web.pages import page
from azukari.wire.answers import Answer


async def _offsite_order(visit: Visit, owner: Owner) -> OffsitePage:
    """The simulator's order. Raises NotFound (live mode, or none of this ref)."""
    now, order = await visit.services.time_of(owner), None
    if owner.mode == "test":
        order = visit.services.processors.simulator.order_of(visit.path_params["ref"], now)
    if order is None:
        raise NotFound
    return order


async def show(visit: Visit) -> Answer:
    """The simulator's wallet. Raises NotFound."""
    ref = visit.path_params["ref"]
    owner, settings = await visit.owner_of(ref, "attempt")
    order = await _offsite_order(visit, owner)
    if order.state != "waiting":
        return redirect(order.return_url)
    shop = reading.shop_of(settings, owner.mode)
    language = visit.language(shop.languages, order.locale)
    return page(
        pages.offsite(
            language,
            shop,
            method=METHODS[order.type].names.in_(language),
            stores=order.store,
            amount=money.parted(language, order.amount, order.currency) if order.amount else None,
            post=f"/offsite/{ref}",
            csrf=visit.mark(ref),
        )
    )


async def decide(visit: Visit) -> Answer:
    """What the shopper does there. Raises NotFound, InvalidParameter, Forbidden."""
    form, ref = visit.read(DecideIn), visit.path_params["ref"]
    visit.must_be_ours(form.csrf, ref)
    owner, _ = await visit.owner_of(ref, "attempt")
    order = await _offsite_order(visit, owner)
    if form.decision not in ("approved", "declined", "insufficient", "leave"):
        raise InvalidParameter("decision")
    if form.decision != "leave":
        decision = cast(Literal["approved", "declined", "insufficient"], form.decision)
        visit.services.processors.simulator.decide(ref, decision, await visit.services.time_of(owner))
    return Answer.of(Redirect(order.return_url))
