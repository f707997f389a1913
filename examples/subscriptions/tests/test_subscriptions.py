"""From joining to leaving, with a payments server that is real."""

import sqlite3
from datetime import date, timedelta

import pytest

from subscriptions.engine import start_of
from subscriptions.mail import to_folder
from subscriptions.tests.conftest import CARD, Shop


def test_a_month_begins_on_the_first_days_day_or_on_its_last() -> None:
    assert [start_of(date(2027, 1, 31), n).isoformat() for n in (0, 1, 2, 3, 13)] == [
        "2027-01-31",
        "2027-02-28",
        "2027-03-31",
        "2027-04-30",
        "2028-02-29",
    ]


def test_who_joins_is_charged_and_welcomed(shop: Shop) -> None:
    assert "Starter" in shop.browser.get("/").text
    account = shop.join()

    (payment,) = shop.payments()
    assert (payment["amount"], payment["customer"]) == (980, account.customer)
    assert shop.subjects == ["Welcome", "Receipt"]
    page = shop.browser.get(f"/accounts/{account.id}").text
    assert "The next invoice is of 2027-02-28" in page
    assert "paid" in page


def test_the_shop_never_has_the_card(shop: Shop) -> None:
    account = shop.join()
    shop.live(date(2027, 3, 1))

    assert account.customer.encode() in shop.database.read_bytes()
    with sqlite3.connect(shop.database) as kept:
        dump = "\n".join(kept.iterdump())
    kept.close()
    assert CARD["number"] not in dump
    assert CARD["number"][-4:] not in dump
    assert not any(CARD["number"][-4:] in text for _, _, text in shop.mails)


def test_who_never_comes_back_from_the_card_page_joins_by_webhook(shop: Shop) -> None:
    shop.enter_card(shop.card_page())
    webhook = shop.azukari.webhooks.wait("customer.updated")

    assert [shop.deliver(webhook), shop.deliver(webhook)] == [204, 204]

    (account,) = shop.engine.store.active()
    assert account.customer == webhook.data["id"]
    assert [payment["amount"] for payment in shop.payments()] == [980]
    assert shop.subjects == ["Welcome", "Receipt"]


def test_nobody_joins_without_a_card(shop: Shop) -> None:
    session = shop.card_page()

    assert shop.browser.get(f"/welcome?session_id={session}").location == "/"
    assert shop.browser.get("/welcome?session_id=nonsense").location == "/"
    assert shop.engine.store.active() == []
    assert shop.payments() == []
    assert shop.mails == []


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "ä"])
def test_what_is_not_signed_does_not_count(shop: Shop, signature: str | None) -> None:
    shop.enter_card(shop.card_page())
    webhook = shop.azukari.webhooks.wait("customer.updated")
    headers = {"Content-Type": "application/json"} | ({} if signature is None else {"X-Komoju-Signature": signature})

    assert shop.browser.post("/webhooks", data=webhook.body, headers=headers).status_code == 401
    assert shop.browser.post("/webhooks", data=webhook.body + b" ", headers=webhook.headers).status_code == 401
    assert shop.engine.store.active() == []


def test_two_years_are_paid_month_by_month_with_what_was_used(shop: Shop) -> None:
    account = shop.join()
    for months in range(24):
        shop.live(start_of(date(2027, 2, 10), months))
        shop.browser.post(f"/accounts/{account.id}/use", data={"units": str(90 + months)})
    shop.live(date(2029, 1, 31))

    extras = [max(0, 90 + months - 100) * 5 for months in range(24)]
    assert [payment["amount"] for payment in shop.payments()] == [980, *(980 + extra for extra in extras)]
    invoices = shop.engine.store.invoices(account.id)
    assert [invoice.due_on for invoice in invoices] == [start_of(date(2027, 1, 31), n) for n in range(25)]
    assert {invoice.status for invoice in invoices} == {"paid"}
    assert shop.subjects == ["Welcome", *["Receipt"] * 25]


def test_days_without_a_run_are_made_up_for(shop: Shop) -> None:
    account = shop.join()
    shop.engine.use(account, 110, date(2027, 2, 1))
    shop.engine.use(account, 120, date(2027, 3, 1))
    shop.today = date(2027, 5, 2)
    shop.engine.bill(shop.today)
    shop.engine.bill(shop.today)

    assert [payment["amount"] for payment in shop.payments()] == [980, 1030, 1080, 980]


@pytest.mark.parametrize("again", [date(2027, 2, 28), date(2027, 3, 1)], ids=["same day", "next day"])
def test_a_run_that_dies_after_the_charge_charges_nobody_twice(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, again: date
) -> None:
    account = shop.join()

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(shop.engine.store, "pay", die)
        with pytest.raises(KeyboardInterrupt):
            shop.live(date(2027, 2, 28))
    assert shop.engine.store.invoices(account.id)[-1].status == "open"

    shop.engine.bill(again)

    assert shop.engine.store.invoices(account.id)[-1].status == "paid"
    assert [payment["amount"] for payment in shop.payments()] == [980, 980]


def test_a_server_that_cannot_be_reached_is_asked_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    account = shop.join()
    address = shop.client.base_url
    shop.client.base_url = "http://127.0.0.1:1/api/v1"
    shop.live(date(2027, 3, 2))
    assert shop.engine.store.invoices(account.id)[-1].tries == 0
    shop.client.base_url = address
    shop.live(date(2027, 3, 3))

    assert [payment["amount"] for payment in shop.payments()] == [980, 980]
    assert shop.subjects == ["Welcome", "Receipt", "Receipt"]


def test_the_banks_no_is_tried_four_times_and_then_ends_it(shop: Shop) -> None:
    account = shop.join()
    shop.bank_says("insufficient_funds")
    tried = []
    while shop.account(account.id).status == "active":
        before = len(shop.mails)
        shop.live(shop.today + timedelta(1))
        tried += [shop.today] * (len(shop.mails) - before)

    assert tried == [date(2027, 2, 28), date(2027, 3, 3), date(2027, 3, 7), date(2027, 3, 14)]
    assert shop.subjects == ["Welcome", "Receipt", *["Payment failed"] * 3, "Subscription ended"]
    assert "insufficient funds" in shop.mails[-1][2]
    shop.bank_says(None)
    shop.live(date(2027, 6, 1))
    assert len(shop.payments()) == 1
    assert "It ended on 2027-03-14" in shop.browser.get(f"/accounts/{account.id}").text


def test_another_card_pays_at_once_what_the_last_one_could_not(shop: Shop) -> None:
    account = shop.join()
    shop.bank_says("card_expired")
    shop.live(date(2027, 3, 1))
    shop.bank_says(None)

    page = shop.browser.post(f"/accounts/{account.id}/card").location
    shop.browser.get(shop.enter_card(page.rpartition("/")[2]))

    assert [payment["amount"] for payment in shop.payments()] == [980, 980]
    assert shop.account(account.id).customer == account.customer
    assert shop.subjects == ["Welcome", "Receipt", "Payment failed", "Receipt"]
    assert shop.engine.store.invoices(account.id)[-1].due_on == date(2027, 2, 28)


def test_a_payment_without_an_answer_is_settled_by_its_webhook(shop: Shop) -> None:
    account = shop.join()
    shop.client.headers["Azukari-Fault"] = "lost_reply"
    shop.live(date(2027, 2, 28))
    (open_one,) = [each for each in shop.engine.store.invoices(account.id) if each.status == "open"]
    assert open_one.payment is not None

    webhook = shop.azukari.webhooks.wait("payment.captured", timeout=60, id=open_one.payment)

    assert [shop.deliver(webhook), shop.deliver(webhook)] == [204, 204]
    assert shop.engine.store.invoices(account.id)[-1].status == "paid"
    assert shop.subjects == ["Welcome", "Receipt", "Receipt"]
    assert len(shop.payments()) == 2


def test_who_cancels_keeps_the_month_and_pays_what_was_used(shop: Shop) -> None:
    account = shop.join(plan="pro")
    shop.live(date(2027, 2, 10))
    shop.engine.use(account, 2_500, shop.today)
    shop.browser.post(f"/accounts/{account.id}/cancel")
    shop.browser.post(f"/accounts/{account.id}/cancel")
    assert "It ends on 2027-02-28" in shop.browser.get(f"/accounts/{account.id}").text
    shop.live(date(2027, 2, 27))
    assert shop.account(account.id).status == "active"
    shop.live(date(2027, 8, 1))

    assert shop.account(account.id).status == "ended"
    assert [payment["amount"] for payment in shop.payments()] == [4_980, 1_000]
    assert sorted(shop.subjects) == ["Goodbye", "Receipt", "Receipt", "Welcome"]


def test_the_command_bills_a_day(shop: Shop) -> None:
    shop.join()
    said = shop.browser.application.test_cli_runner().invoke(args=["bill", "--today", "2027-02-28"])

    assert said.exit_code == 0, said.output
    assert len(shop.payments()) == 2


def test_mails_go_into_a_folder(shop: Shop) -> None:
    send = to_folder(shop.database.parent / "mails")
    send("a/b@example.jp", "Hello", "It is you.")
    send("a/b@example.jp", "Hello", "It is you again.")

    files = sorted((shop.database.parent / "mails").iterdir())
    assert [file.name for file in files] == ["000000-a_b@example.jp.txt", "000001-a_b@example.jp.txt"]
    assert files[0].read_text() == "To: a/b@example.jp\nSubject: Hello\n\nIt is you.\n"
