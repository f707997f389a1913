"""What our own page needs of a session: its caller has no key, its address tells whose it is."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import msgspec

from azukari.core.clock import Moment
from azukari.core.errors import NotFound
from azukari.db import Owner, Tx, directory
from azukari.merchants.service import API_VERSIONS
from azukari.merchants.settings import MerchantSettings
from azukari.payments.views import PaymentView
from azukari.processors.base import Consent
from azukari.secure_tokens.pages import Pages
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.sessions import responses
from azukari.sessions.queries import SessionView, view_of
from azukari.sessions.schemas import LineItem, SessionMethod, View, line_items_of, methods_of
from azukari.sessions.store import Session
from azukari.wire.call import Call
from azukari.wiring import Services

#: Of a session, in the directory of public ids.
KIND = "session"
Next = Literal["form", "resume", "done", "instructions"]


class SessionState(msgspec.Struct):
    """How a session stands, for a page that is open.

    busy: a try is in flight: ask again. locked: it takes no more tries.
    next: ``resume``: something waits to be finished; ``done``: there is nothing to do here any more.
    redirect_url: where the shopper goes from here, where there is such a place: back to the shop once it is done, to
    the instructions of a cash payment, to the page of a method that waits.
    """

    status: str
    expired: bool
    locked: bool
    busy: bool
    next: Next
    redirect_url: str | None


@dataclass(frozen=True, slots=True)
class HostedSession:
    """A session for its page. methods: what it offers, in order. payment: of its latest try."""

    owner: Owner
    session: Session
    settings: MerchantSettings
    methods: list[SessionMethod]
    line_items: list[LineItem]
    payment: PaymentView | None
    secure_token: SecureTokenOut | None
    state: SessionState
    at: Moment

    @property
    def merchant_name(self) -> str:
        return self.settings.name


async def open_session(services: Services, session_id: str) -> HostedSession:
    """A session by its address. Raises NotFound."""
    looked = await services.db.read(_find, session_id, services.modes_served)
    session = looked.session
    at = await services.moment_of(session.owner)
    token = None if looked.secure_token is None else Pages.of(services).show(looked.secure_token, at)
    return HostedSession(
        session.owner,
        session,
        await services.settings_of(session.owner),
        methods_of(session.methods),
        line_items_of(session.line_items),
        looked.payment,
        token,
        state_of(services, looked, at.now),
        at,
    )


async def state(services: Services, session_id: str) -> SessionState:
    """How it stands. Raises NotFound."""
    looked = await services.db.read(_find, session_id, services.modes_served)
    return state_of(services, looked, await services.time_of(looked.session.owner))


async def owner_of(services: Services, session_id: str) -> Owner:
    """Whose it is. Raises NotFound."""
    return (await services.db.read(_find, session_id, services.modes_served)).session.owner


async def _find(tx: Tx, session_id: str, modes: Collection[str]) -> SessionView:
    owner = await directory.find_public(tx, session_id, KIND, modes)
    if owner is None:
        raise NotFound
    return await view_of(tx, owner, session_id)


def state_of(services: Services, looked: SessionView, now: int) -> SessionState:
    """How a session stands."""
    session = looked.session
    step, url = _step(View(services.settings.base_url, False, API_VERSIONS[-1]), looked, now)
    return SessionState(
        session.status, session.is_expired(now), session.is_locked, session.active_attempt is not None, step, url
    )


def _step(view: View, looked: SessionView, now: int) -> tuple[Next, str | None]:
    session = looked.session
    if session.status == "completed" and looked.payment is not None and view.instructions(looked.payment):
        return "instructions", view.instructions(looked.payment)
    if session.active_attempt is not None:
        return "resume", None
    if session.status != "pending" or session.is_expired(now) or session.is_locked:
        return "done", None if session.return_url is None else view.way_back(session)
    if session.authenticating:
        return "resume", None
    elsewhere = responses.next_of(view, session, looked.payment) if looked.waiting is not None else None
    # A prepaid card with too little on it waits for another one, which is typed here.
    return ("form", None) if elsewhere is None else ("resume", elsewhere)


def agreed(call: Call, *, text: str, version: str, language: str) -> Consent:
    """What a shopper has agreed to just now. text: the words that were shown."""
    return Consent(text, version, language, call.now, call.client)
