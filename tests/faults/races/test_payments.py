"""Two requests for one thing at one moment: one wins, the other is told, and the books balance (REL-5)."""

from collections import Counter

from tests.cards import MASTER
from tests.faults.races.racing import ROUNDS, hold, payment, race, refused, shown, sort
from tests.faults.sites import Rows
from tests.faults.truth import Book
from tests.house import Api, House, card


async def test_a_capture_and_a_cancellation(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        winners, losers = sort(await race(api.post(f"/payments/{held}/capture"), api.post(f"/payments/{held}/cancel")))

        (winner,), (loser,) = winners, losers
        refused(loser, "not_capturable", "not_cancellable")
        assert (await shown(api, held))["status"] == winner.json()["status"]


async def test_several_captures(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        winners, losers = sort(
            await race(*(api.post(f"/payments/{held}/capture", json={"amount": amount}) for amount in (300, 400, 1000)))
        )

        (winner,) = winners
        for loser in losers:
            refused(loser, "not_capturable")
        assert await shown(api, held) == winner.json()


async def test_refunds_of_more_than_there_is(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        replies = await race(
            *(api.post(f"/payments/{paid}/refund", json={"amount": amount}) for amount in (600, 500, 300, 700))
        )

        winners, losers = sort(replies)
        for loser in losers:
            refused(loser, "not_refundable")
        assert winners
        after = await shown(api, paid)
        assert after["amount_refunded"] == sum(refund["amount"] for refund in after["refunds"]) <= 1000
        assert len(after["refunds"]) == len(winners)


async def test_refunds_side_by_side(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        replies = await race(*(api.post(f"/payments/{paid}/refund", json={"amount": 200}) for _ in range(5)))

        assert [reply.status_code for reply in replies] == [200] * 5
        for reply in replies:
            answer = reply.json()
            assert answer["amount_refunded"] == sum(refund["amount"] for refund in answer["refunds"])
        assert (await shown(api, paid))["status"] == "refunded"


async def test_refunds_of_everything(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        winners, losers = sort(await race(*(api.post(f"/payments/{paid}/refund") for _ in range(3))))

        (winner,) = winners
        for loser in losers:
            refused(loser, "not_refundable")
        assert winner.json()["status"] == "refunded"


async def test_a_refund_and_a_cancellation(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        refund, cancel = await race(api.post(f"/payments/{paid}/refund"), api.post(f"/payments/{paid}/cancel"))

        assert refund.status_code == 200
        refused(cancel, "not_cancellable")


async def test_a_refund_and_a_capture(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        capture, refund = await race(
            api.post(f"/payments/{held}/capture"), api.post(f"/payments/{held}/refund", json={"amount": 100})
        )

        assert capture.status_code == 200
        if refund.status_code != 200:
            refused(refund, "not_refundable")


async def test_a_deletion_and_a_charge(api: Api, rows: Rows) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()

        deletion, *charges = await race(api.delete(f"/customers/{customer}"), *(api.charge(customer) for _ in range(3)))

        assert deletion.status_code == 200
        # Its card is shredded before it is gone: a charge between the two finds nothing to charge.
        assert {charge.status_code for charge in charges} <= {200, 404, 422, 504}
        assert (await api.charge(customer)).status_code == 404
    assert await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL") == []
    assert await rows.all("SELECT id FROM azukari_keys.deks") == []


async def test_two_deletions(api: Api) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()

        replies = await race(*(api.delete(f"/customers/{customer}") for _ in range(3)))

        assert {reply.status_code for reply in replies} <= {200, 404}
        assert sum(reply.status_code == 200 for reply in replies) == 1


async def test_a_token_that_pays_twice(house: House, api: Api) -> None:
    for _ in range(ROUNDS):
        token = await api.token(verification_value="123")
        before = Book.read(house.services.settings.data).taken()
        order = {"amount": 1000, "currency": "JPY", "payment_details": token}

        winners, losers = sort(await race(*(api.post("/payments", json=order) for _ in range(4))))

        assert len(winners) == 1
        assert {loser.json()["error"]["code"] for loser in losers} == {"invalid_token"}
        assert Book.read(house.services.settings.data).taken() == before + 1


async def test_a_token_that_pays_and_is_kept(api: Api) -> None:
    for _ in range(ROUNDS):
        token = await api.token(verification_value="123")

        winners, losers = sort(
            await race(
                api.post("/payments", json={"amount": 1000, "currency": "JPY", "payment_details": token}),
                api.post("/customers", json={"payment_details": token}),
            )
        )

        (_,), (loser,) = winners, losers
        assert loser.json()["error"]["code"] == "invalid_token"


async def test_two_payments_with_one_order_number(api: Api, customer: str) -> None:
    for number in range(ROUNDS):
        order = {"amount": 1000, "currency": "JPY", "customer": customer, "external_order_num": f"A-{number}"}

        winners, losers = sort(await race(*(api.post("/payments", json=order) for _ in range(4))))

        assert len(winners) == 1
        assert {loser.json()["error"]["param"] for loser in losers} == {"external_order_num"}


async def test_two_changes_of_a_payments_words(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        replies = await race(
            *(api.patch(f"/payments/{paid}", json={"metadata": {f"name-{number}": "x"}}) for number in range(3))
        )

        assert [reply.status_code for reply in replies] == [200] * 3
        assert set((await shown(api, paid))["metadata"]) == {"name-0", "name-1", "name-2"}


async def test_a_change_of_words_and_a_refund(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        paid = await payment(api, customer)

        change, refund = await race(
            api.patch(f"/payments/{paid}", json={"description": "changed"}),
            api.post(f"/payments/{paid}/refund", json={"amount": 400}),
        )

        assert (change.status_code, refund.status_code) == (200, 200)
        after = await shown(api, paid)
        assert (after["description"], after["amount_refunded"]) == ("changed", 400)


async def test_two_changes_of_a_customers_words(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        replies = await race(
            *(api.patch(f"/customers/{customer}", json={"metadata": {f"name-{number}": "x"}}) for number in range(3))
        )

        assert [reply.status_code for reply in replies] == [200] * 3
    assert set((await api.get(f"/customers/{customer}")).json()["metadata"]) == {"name-0", "name-1", "name-2"}


async def test_two_new_cards_of_a_customer(api: Api, rows: Rows) -> None:
    customer = await api.customer()
    for _ in range(ROUNDS):
        replies = await race(
            *(
                api.patch(f"/customers/{customer}", json={"payment_details": card(number)})
                for number in (MASTER, "378282246310005", "4242424242424242")
            )
        )

        assert [reply.status_code for reply in replies] == [200] * 3
        assert (await api.charge(customer)).status_code == 200
    # Whoever came last has replaced all the others: one card is left that can be opened.
    assert len(await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL")) == 1
    assert len(await rows.all("SELECT id FROM azukari_keys.deks")) == 1


async def test_a_new_card_and_a_deletion(api: Api, rows: Rows) -> None:
    for _ in range(ROUNDS):
        customer = await api.customer()

        change, deletion = await race(
            api.patch(f"/customers/{customer}", json={"payment_details": card(MASTER)}),
            api.delete(f"/customers/{customer}"),
        )

        assert change.status_code in (200, 404)
        assert deletion.status_code == 200
        assert (await api.get(f"/customers/{customer}")).status_code == 404
    assert await rows.all("SELECT id FROM vault_entries WHERE shredded_at IS NULL") == []


async def test_everything_at_once_on_one_payment(api: Api, customer: str) -> None:
    for _ in range(ROUNDS):
        held = await hold(api, customer)

        replies = await race(
            api.post(f"/payments/{held}/capture", json={"amount": 800}),
            api.post(f"/payments/{held}/cancel"),
            api.post(f"/payments/{held}/refund", json={"amount": 500}),
            api.post(f"/payments/{held}/refund", json={"amount": 400}),
            api.patch(f"/payments/{held}", json={"description": "changed"}),
            api.post(f"/payments/{held}/capture"),
        )

        assert Counter(reply.status_code for reply in replies).keys() <= {200, 422, 423}
        assert (await shown(api, held))["status"] in ("captured", "cancelled", "refunded")
