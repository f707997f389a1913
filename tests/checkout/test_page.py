"""The page's addresses: what comes out, and who may send anything in."""

import json
import re

import pytest

from azukari.checkout.messages import LANGUAGES
from azukari.checkout.routes import DIRECTIVES
from azukari.core.clock import DAY, MINUTE
from azukari.web import assets
from tests.checkout.shoppers import ORIGIN, SHOP, get, shopper
from tests.house import House, card


def unbroken(html: str) -> str:
    """A page without the places where its headings may break."""
    return html.replace("<wbr>", "")


async def test_a_page_has_all_its_headers(house: House) -> None:
    buyer = await shopper(house)
    for reply in (await buyer.get(), await get(house, "/sessions/none")):
        for name, value in assets.PAGE_HEADERS.items():
            assert reply.headers[name] == value
        assert "report-uri /csp-report" in reply.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in reply.headers


async def test_a_card_pays_once_however_often_the_button_is_pressed(house: House) -> None:
    buyer = await shopper(house)
    body = {"csrf": buyer.csrf, "nonce": "one", "locale": "ja", "payment_details": card(verification_value="123")}
    replies = [await buyer.post("/pay", body) for _ in range(3)]

    assert {reply.text for reply in replies} == {replies[0].text}
    answer = replies[0].json()
    assert answer == {"status": "completed", "redirect_url": f"{SHOP}&session_id={buyer.session['id']}"}
    assert len((await house.api.get("/payments")).json()["data"]) == 1


async def test_presses_of_two_sessions_are_two_even_with_one_nonce(house: House) -> None:
    for _ in range(2):
        buyer = await shopper(house)
        assert (await buyer.pay(card(verification_value="123"), nonce="same")).json()["status"] == "completed"


async def test_a_decline_is_told_by_its_code_and_the_form_stays(house: House) -> None:
    buyer = await shopper(house)
    reply = await buyer.pay(card("4123111111111000", verification_value="123"), locale="en")
    assert reply.status_code == 422
    assert reply.json() == {
        "status": "error",
        "error": {"code": "insufficient_funds", "param": None},
        "at": "alert",
        "h": "There isn't enough available on this card",
        "p": "You have not been charged. Please try another card or payment method.",
    }
    assert (await buyer.pay(card(verification_value="123"))).json()["status"] == "completed"


async def test_after_a_prepaid_card_that_was_taken_nobody_is_told_of_no_charge(house: House) -> None:
    buyer = await shopper(house, amount=3000)
    await buyer.pay({"type": "web_money", "prepaid_number": "1111111111111111"})

    again = (await buyer.pay({"type": "web_money", "prepaid_number": "e111111111111114"}, locale="en")).json()

    assert again["p"].startswith("¥2,000 has been taken already. You have not been charged the remaining ¥1,000. ")
    # That was given back when another method was tried.
    other = (await buyer.pay(card("4123111111111059", verification_value="123"), locale="en")).json()
    assert other["p"].startswith("You have not been charged. ")
    messages = (await buyer.get("/words?locale=en")).json()["w"]
    assert messages["no_charge"] == "You have not been charged."


async def test_five_declines_end_it(house: House) -> None:
    buyer = await shopper(house)
    for _ in range(5):
        assert (await buyer.pay(card("4123111111111059", verification_value="123"))).json()["at"] == "alert"
    assert (await buyer.pay(card(verification_value="123"))).json()["at"] == "page"
    assert "お手続きの回数が上限に達しました" in await buyer.open()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": ORIGIN + "0"}, 403),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_nobody_elses_page_can_pay(house: House, headers: dict[str, str], status: int) -> None:
    buyer = await shopper(house)
    body = {"csrf": buyer.csrf, "nonce": "one", "payment_details": card()}
    for path in ("/pay", "/resume"):
        assert (await buyer.post(path, body, **headers)).status_code == status
    assert (await house.api.get(f"/sessions/{buyer.session['id']}")).json()["payment"] is None


async def test_one_sessions_page_cannot_pay_another(house: House) -> None:
    one, other = await shopper(house), await shopper(house)
    one.csrf = other.csrf
    assert (await one.pay(card())).status_code == 403
    one.csrf = "é"
    assert (await one.pay(card())).status_code == 403


async def test_storing_takes_the_words_that_were_shown(house: House) -> None:
    buyer = await shopper(house, mode="customer")
    told = (await buyer.get("/words?locale=ja")).json()
    text = told["m"]["credit_card"]["consent"]
    details = card(verification_value="123")
    for wrong in (None, {"text": text + " ", "version": "1"}, {"text": text, "version": "2"}):
        assert (await buyer.pay(details, consent=wrong)).json()["at"] == "page"
    assert (await buyer.pay(details, consent={"text": text, "version": "1"})).json()["status"] == "completed"
    customer = (await house.api.get(f"/customers/{buyer.session['customer_id']}")).json()
    assert customer["source"]["last_four_digits"] == "1111"


async def test_a_konbini_payment_leads_to_its_instructions(house: House) -> None:
    buyer = await shopper(house)
    reply = (await buyer.pay({"type": "konbini", "store": "family-mart", "email": "a@b.test"})).json()
    address = reply["redirect_url"].removeprefix(ORIGIN)
    assert re.fullmatch(r"/ja/instructions/\w+", address)

    html = (await get(house, address.replace("/ja/", "/en/"))).text
    assert ">How to make a payment at Family Mart</h1>" in html
    assert f'href="{SHOP.replace("&", "&amp;")}&amp;session_id={buyer.session["id"]}">Return to ' in html
    assert "5,190" in html
    assert "data:image/png;base64," in html

    again = await buyer.get()
    assert (again.status_code, again.headers["Location"]) == (303, f"{ORIGIN}{address}")
    buyer.path, buyer.csrf = address, re.findall(r'data-csrf="(\w+)"', html)[0]
    assert (await buyer.post("/simulate", {"csrf": "x", "outcome": "paid"})).status_code == 403
    assert (await buyer.post("/simulate", {"csrf": buyer.csrf, "outcome": "sold"})).status_code == 422
    assert (await buyer.post("/simulate", {"csrf": buyer.csrf, "outcome": "paid"})).json() == {"status": "captured"}
    assert "ご入金を確認しました" in unbroken((await get(house, address)).text)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("paid", "ご入金を確認しました"),
        ("expired", "お支払い期限が過ぎました"),
        ("failed", "お支払いを完了できませんでした"),
    ],
)
async def test_when_it_is_over_nobody_is_told_to_pay(house: House, outcome: str, said: str) -> None:
    kana = {"family_name_kana": "ヤマダ", "given_name_kana": "タロウ"}
    actor = {"email": "a@example.com", "phone": "0312345678"}
    told = {"konbini": "レジで", "bank_transfer": "ちょうどをお振り込みください", "pay_easy": "3つの番号を入力"}
    for type, messages in told.items():
        details = {"type": type, "store": "seven-eleven"} | actor | kana
        order = {"amount": 1000, "currency": "JPY", "payment_details": details}
        payment = (await house.api.post("/payments", json=order)).json()
        page = f"/ja/instructions/{payment['id']}"
        assert messages in (await get(house, page)).text
        await house.api.post(f"/test/payments/{payment['id']}/simulate", json={"outcome": outcome})
        html = unbroken((await get(house, page)).text)
        assert said in html
        assert messages not in html


async def test_a_cash_payment_the_shop_cancels_is_not_said_to_be_late(house: House) -> None:
    details = {"type": "konbini", "store": "lawson", "email": "a@example.com"}
    order = {"amount": 1000, "currency": "JPY", "payment_details": details}
    payment = (await house.api.post("/payments", json=order)).json()
    await house.api.post(f"/payments/{payment['id']}/cancel")
    assert "お手続きは取り消されました" in unbroken((await get(house, f"/ja/instructions/{payment['id']}")).text)


async def test_a_barcode_is_open_and_good_for_ten_minutes(house: House) -> None:
    buyer = await shopper(house)
    await buyer.pay({"type": "konbini", "store": "seven-eleven", "email": "a@b.test"})
    payment = (await house.api.get(f"/sessions/{buyer.session['id']}")).json()["payment"]["id"]
    reply = await get(house, f"/api/v1/barcodes/{payment}")
    assert reply.json()["status"] == "ready"
    assert reply.json()["image"].startswith("data:image/png;base64,")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert (await get(house, "/api/v1/barcodes/none")).status_code == 404


async def test_a_browser_may_ask_whether_it_may_fetch_a_barcode(house: House) -> None:
    reply = await house.api.options("/barcodes/none", auth=None, headers={"Origin": "https://shop.example"})
    assert reply.status_code == 204
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "content-type" in reply.headers["Access-Control-Allow-Headers"]
    assert "OPTIONS" in (await house.api.delete("/barcodes/none")).headers["Allow"]
    assert (await house.api.options("http://azukari.test/sessions/none", auth=None)).status_code == 405


async def test_a_wallet_is_visited_and_left(house: House) -> None:
    buyer = await shopper(house)
    away = (await buyer.pay({"type": "paypay"})).json()["redirect_url"].removeprefix(ORIGIN)
    html = (await get(house, away)).text
    assert ">KOMOJU Offsite Test Page</h1>" in html
    assert ">Capture</button>" in html
    buyer.path = away
    csrf = re.findall(r'data-csrf="(\w+)"', html)[0]
    assert (await buyer.post("", {"csrf": "x", "decision": "approved"})).status_code == 403
    reply = await buyer.post("", {"csrf": csrf, "decision": "approved"})
    back = reply.json()["redirect_url"].removeprefix(ORIGIN)
    reply = await get(house, back)
    assert (reply.status_code, reply.headers["Location"]) == (303, f"{ORIGIN}/sessions/{buyer.session['id']}")
    assert (await house.api.get(f"/sessions/{buyer.session['id']}")).json()["status"] == "completed"


async def test_a_refusing_wallet_brings_its_reason_back(house: House) -> None:
    buyer = await shopper(house)
    away = (await buyer.pay({"type": "paypay"})).json()["redirect_url"].removeprefix(ORIGIN)
    path, buyer.path = buyer.path, away
    csrf = re.findall(r'data-csrf="(\w+)"', (await get(house, away)).text)[0]
    back = (await buyer.post("", {"csrf": csrf, "decision": "insufficient"})).json()["redirect_url"]
    reply = await get(house, back.removeprefix(ORIGIN))
    assert reply.headers["Location"].endswith("?failed=insufficient_funds")
    buyer.path = path
    assert "残高またはご利用可能額が足りませんでした" in await buyer.open("?failed=insufficient_funds")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_who_comes_back_finds_the_language_she_chose(house: House, language: str) -> None:
    buyer = await shopper(house)
    away = await buyer.pay({"type": "paypay"}, locale=language)
    buyer.path = away.json()["redirect_url"].removeprefix(ORIGIN)
    csrf = re.findall(r'data-csrf="(\w+)"', (await buyer.get()).text)[0]
    back = (await buyer.post("", {"csrf": csrf, "decision": "declined"})).json()["redirect_url"]
    reply = await get(house, back.removeprefix(ORIGIN))
    assert f"?locale={language}&failed=" in reply.headers["Location"]

    buyer = await shopper(house)
    away = await buyer.pay(card("4100000000005000", verification_value="123"), locale=language)
    buyer.path = away.json()["redirect_url"].removeprefix(ORIGIN)
    html = (await buyer.get()).text
    assert f'<html lang="{LANGUAGES[language][0]}"' in html
    found = dict(re.findall(r'data-(token|state)="([^"]+)"', html))
    back = (await buyer.post("", found | {"password": "123456"})).json()["redirect_url"]
    assert back.startswith(f"{ORIGIN}{buyer.home}?locale={language}&secure_token_id=")


async def test_sessions_that_are_over_say_so(house: House) -> None:
    done = await shopper(house)
    await done.pay(card(verification_value="123"))
    assert "お支払いが完了しました" in await done.open()
    house.clock.advance(2 * MINUTE)
    assert "このお支払いは完了しています" in await done.open()

    cancelled = await shopper(house)
    await house.api.post(f"/sessions/{cancelled.session['id']}/cancel")
    assert "お手続きは取り消されました" in await cancelled.open()

    late = await shopper(house)
    house.clock.advance(2 * DAY)
    html = await late.open()
    assert "お支払いページの期限が切れました" in html
    assert "<form" not in html


async def test_an_address_that_leads_nowhere_is_a_page(house: House) -> None:
    for path in (
        "/sessions/none",
        "/ja/instructions/none",
        "/xx/instructions/none",
        "/offsite/none",
        "/return/none",
        "/three_d_secure_service/offsite?token=tok_1&state=x",
    ):
        reply = await get(house, path)
        assert (reply.status_code, reply.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "お支払いページが見つかりません" in (await get(house, path, headers={"Accept-Language": "ja"})).text


async def test_a_link_may_carry_more_than_anybody_reads(house: House) -> None:
    buyer = await shopper(house)
    many = "&".join(f"utm{place}=x" for place in range(500))
    for path in ("", "/state", "/words"):
        assert (await buyer.get(f"{path}?{many}")).status_code == 200
    assert (await get(house, f"/three_d_secure_service/offsite?{many}")).status_code == 404


async def test_an_id_with_nul_in_it_is_nobodys(house: House) -> None:
    for address in (
        "/fields/frame?session=%00&origin=x",
        "/fields/words?session=a%00b",
        "/fields/return?session_id=%00",
        "/three_d_secure_service/offsite?token=%00&state=x",
    ):
        assert (await get(house, address)).status_code == 404, address


async def test_nothing_of_a_form_without_a_script_is_read(house: House) -> None:
    buyer = await shopper(house)
    reply = await buyer.post("", b"cardnumber=1", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (reply.status_code, reply.headers["Location"]) == (303, f"{ORIGIN}{buyer.path}")


async def test_a_broken_policy_is_noted_by_its_directive_alone(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    for directive in ("script-src-elem", "4111111111111111"):
        body = {"csp-report": {"effective-directive": directive, "blocked-uri": "https://evil.test/4111111111111111"}}
        reply = await house.api.post(
            "http://azukari.test/csp-report",
            content=json.dumps(body),
            auth=None,
            headers={"Content-Type": "application/csp-report"},
        )
        assert reply.status_code == 204
    for body in (b"", b"[]", b"\xff"):
        assert (await house.api.post("http://azukari.test/csp-report", content=body, auth=None)).status_code == 204
    logged = capsys.readouterr().err
    assert "script-src-elem" in logged
    assert "evil" not in logged
    assert "4111" not in logged
    assert "script-src" in DIRECTIVES


async def test_static_files_are_kept_for_good_under_their_release(house: House) -> None:
    reply = await get(house, f"/static/{assets.release()}/pay.js")
    assert "immutable" in reply.headers["Cache-Control"]
    reply = await get(house, "/static/0123456789abcdef/pay.js")
    assert (reply.status_code, reply.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "body",
    [
        b'{"csp-report":{"effective-directive":"\xff"}}',
        b'{"csp-report":' * 5_000,
        b"[" * 100_000,
        b"\xff\xfe",
        b"[]",
        b"",
    ],
)
async def test_a_report_that_cannot_be_read_breaks_nothing(house: House, body: bytes) -> None:
    assert (await house.api.post("http://azukari.test/csp-report", content=body, auth=None)).status_code == 204


@pytest.mark.parametrize("colour", ["1f5a4e", "1F5A4E", "zzzzzz", "1f5a4", "..%2f..%2f"])
async def test_only_a_colour_is_a_style_sheet(house: House, colour: str) -> None:
    reply = await get(house, f"/accent/{colour}.css")
    assert reply.status_code == (200 if colour == "1f5a4e" else 404)
