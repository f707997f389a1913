"""The way back from a wallet's or a bank's page, to the shop or to the session's page."""

from urllib.parse import urlencode

from azukari.attempts import store as attempts
from azukari.checkout import pages, pay_flow, reading
from azukari.checkout.http import Visit, redirect
from azukari.checkout.messages import LANGUAGES, messages
from azukari.core.errors import ApiError, NotFound
from azukari.db import Owner
from azukari.payments import reconcile
from azukari.sessions import resume as session_resume
from azukari.web.pages import page
from azukari.wire.answers import Answer
from azukari.wire.locales import language_named


async def come_back(visit: Visit) -> Answer:
    """Back from somebody else's page: what became of it is asked now. Raises NotFound."""
    ref = visit.path_params["ref"]
    owner, settings = await visit.owner_of(ref, "attempt")
    attempt = await visit.services.db.read(attempts.find_by_ref, owner, ref)
    if attempt is None:
        raise NotFound
    if attempt.session_id is not None:
        return await _to_session(visit, owner, attempt.session_id)
    shown = await reconcile.refresh(visit.services, owner, ref, by_shopper=True)
    way_back = reading.way_back_of(shown)
    if way_back is not None:
        return redirect(way_back)
    shop = reading.shop_of(settings, owner.mode)
    language = visit.language(shop.languages, shown.payment.locale)
    good = shown.payment.status in ("captured", "authorized")
    key = "done_pay" if good else "internal_server_error" if shown.payment.status == "pending" else "request_failed"
    return page(pages.notice(language, shop, messages(language)[key], good=good))


async def _to_session(visit: Visit, owner: Owner, session_id: str) -> Answer:
    """To the session's page, which knows what comes next; a refusal goes along by its code."""
    call = visit.call(owner, await visit.services.moment_of(owner))
    tried = (await pay_flow.done_of(lambda: session_resume.resume(call, session_id))).view
    return redirect(_session_url(visit, session_id, tried.code if isinstance(tried, ApiError) else None))


def _session_url(visit: Visit, session_id: str, code: str | None) -> str:
    locale = language_named(visit.query.get("locale", ""))
    query = {"locale": locale if locale in LANGUAGES else None, "failed": code}
    known = urlencode({name: value for name, value in query.items() if value})
    return f"{visit.base_url}/sessions/{session_id}" + (f"?{known}" if known else "")
