"""Two years by the payments server's own clock: keys are forgotten, tries come late, and each month is paid once."""

from datetime import date, timedelta

from subscriptions.engine import start_of
from subscriptions.tests.conftest import Shop

BEGIN = date(2061, 1, 31)


def pass_time(shop: Shop, until: date) -> None:
    """Both sides' days, with a run on each. The server need not see the days on which nothing can be due."""
    while shop.today < until:
        shop.today += timedelta(1)
        if shop.today.day > 27 or shop.today == until or shop.engine.store.to_collect(shop.today):
            shop.azukari.clock.set(f"{shop.today}T09:00:00+09:00")
        shop.engine.bill(shop.today)


def test_a_card_ends_and_another_one_goes_on(shop: Shop) -> None:
    shop.azukari.clock.set(f"{BEGIN}T09:00:00+09:00")
    shop.today = BEGIN
    account = shop.join()
    pass_time(shop, date(2062, 6, 1))
    shop.bank_says("card_expired")
    pass_time(shop, date(2062, 7, 2))
    assert shop.subjects == ["Welcome", *["Receipt"] * 17, "Payment failed"]
    assert "card expired" in shop.mails[-1][2]

    shop.bank_says(None)
    page = shop.browser.post(f"/accounts/{account.id}/card").location
    shop.browser.get(shop.enter_card(page.rpartition("/")[2]))
    pass_time(shop, date(2063, 1, 31))

    months = [start_of(BEGIN, number) for number in range(25)]
    invoices = shop.engine.store.invoices(account.id)
    assert [(invoice.due_on, invoice.status) for invoice in invoices] == [(month, "paid") for month in months]
    paid = {payment["external_order_num"]: payment["captured_at"] for payment in shop.payments()}
    assert list(paid) == [invoice.number for invoice in invoices]
    # To the day, but for the month that the old card could not pay.
    days = [day[:10] for day in paid.values()]
    assert days == [str(date(2062, 7, 2) if month == date(2062, 6, 30) else month) for month in months]
