"""The shop's pages, its webhook receiver, and the command that bills: ``flask --app subscriptions.app bill``."""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import click
import httpx
from flask import Flask, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from subscriptions import mail
from subscriptions.engine import PLANS, Engine, start_of
from subscriptions.komoju import Komoju
from subscriptions.store import Account, Store

JAPAN = timezone(timedelta(hours=9))


def today_in_japan() -> date:
    """The day that billing goes by."""
    return datetime.now(JAPAN).date()


@dataclass(frozen=True)
class Config:
    """Everything the shop has to be told. komoju_url: with ``/api/v1``."""

    komoju_url: str
    secret_key: str
    webhook_secret: str
    database: Path
    send: mail.Send
    today: Callable[[], date] = today_in_japan

    @classmethod
    def from_environment(cls) -> "Config":
        env = os.environ
        folder = env.get("MAILS")
        return cls(
            env.get("KOMOJU_URL", "http://127.0.0.1:8420/api/v1"),
            env["SECRET_KEY"],
            env["WEBHOOK_SECRET"],
            Path(env.get("DATABASE", "subscriptions.db")),
            mail.to_folder(Path(folder)) if folder else mail.to_console,
        )


def create_app(config: Config | None = None) -> Flask:
    """The WSGI app."""
    settings = config or Config.from_environment()
    app = Flask(__name__)
    client = httpx.Client(base_url=settings.komoju_url, auth=(settings.secret_key, ""), timeout=60)
    app.extensions["komoju"] = client

    def engine() -> Engine:
        """One for each request: SQLite's connections stay in their thread."""
        if "engine" not in g:
            g.engine = Engine(Store(settings.database), Komoju(client), settings.send)
        found: Engine = g.engine
        return found

    def account_or_404(id: str) -> Account:
        # The id is a secret in the address. A shop with passwords looks it up by whoever is signed in.
        return engine().store.account(id) or abort(404)

    @app.teardown_appcontext
    def close(_: BaseException | None) -> None:
        if "engine" in g:
            g.engine.store.close()

    @app.get("/")
    def index() -> str:
        return render_template("index.html", plans=PLANS.values())

    @app.post("/join")
    def join() -> Response:
        plan = PLANS.get(request.form.get("plan", "")) or abort(400)
        email = request.form.get("email", "")
        if "@" not in email:
            abort(400)
        return redirect(engine().join(email, plan, url_for("welcome", _external=True)), 303)

    @app.get("/welcome")
    def welcome() -> Response:
        """The card page sends the browser here, with its session's id."""
        account = engine().returned(request.args.get("session_id", ""), settings.today())
        if account is None:
            return redirect(url_for("index"), 303)
        return redirect(url_for("show", id=account.id), 303)

    @app.get("/accounts/<id>")
    def show(id: str) -> str:
        account = account_or_404(id)
        if account.started_on is None:
            abort(404)
        next_on = start_of(account.started_on, engine().store.next_period(id))
        invoices = reversed(engine().store.invoices(id))
        return render_template(
            "account.html", account=account, plan=PLANS[account.plan], invoices=invoices, next_on=next_on
        )

    @app.post("/accounts/<id>/use")
    def use(id: str) -> Response:
        """Your service would call this; here it is a button."""
        engine().use(account_or_404(id), request.form.get("units", 1, int), settings.today())
        return redirect(url_for("show", id=id), 303)

    @app.post("/accounts/<id>/card")
    def card(id: str) -> Response:
        return redirect(engine().change_card(account_or_404(id), url_for("welcome", _external=True)), 303)

    @app.post("/accounts/<id>/cancel")
    def cancel(id: str) -> Response:
        engine().cancel(account_or_404(id), settings.today())
        return redirect(url_for("show", id=id), 303)

    @app.post("/webhooks")
    def webhooks() -> tuple[str, int]:
        """What is not signed by the payments server with our secret, byte for byte, does not count."""
        expected = hmac.new(settings.webhook_secret.encode(), request.get_data(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), request.headers.get("X-Komoju-Signature", "").encode()):
            abort(401)
        engine().told(request.get_json(), settings.today())
        return "", 204

    @app.cli.command("bill")
    @click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Another day than today.")
    def bill(today: datetime | None) -> None:
        """Write invoices and collect them. Run it every day."""
        engine().bill(settings.today() if today is None else today.date())

    return app
