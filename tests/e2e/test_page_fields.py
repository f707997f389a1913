"""The fields of the hosted page take what people give."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.cards import VISA
from tests.e2e.browsing import OpenPage
from tests.e2e.serving import Shop
from tests.e2e.shopping import errors, fill_card, is_back, new_session, press, visit
from tests.e2e.watching import Watch
from tests.house import Api
from tests.mail_addresses import REFUSED, TAKEN
from tests.names_of_payers import DOUBTED, DOUBTED_KANA, KANA, NO_KANA, NO_NAMES, ON_CARDS


@pytest.mark.parametrize(
    ("typed", "shown", "tile"),
    [
        ("4111111111111111", "4111 1111 1111 1111", "VISA"), ("378282246310005", "3782 822463 10005", "AMEX"),
        ("30569309025904", "3056 930902 5904", "DINERS"),
        ("５５５５５５５５５５５５４４４４", "5555 5555 5555 4444", "MC"),
        (" 3530-1113 3330-0000 ", "3530 1113 3330 0000", "JCB"),
        ("6212345678901234567", "6212 3456 7890 1234 567", "UPAY"),
    ],
)  # fmt: skip
async def test_a_number_is_grouped_and_its_brand_named(
    page: Page, api: Api, shop: Shop, typed: str, shown: str, tile: str
) -> None:
    await visit(page, await new_session(api, shop))
    await page.locator("#number").fill(typed)

    await expect(page.locator("#number")).to_have_value(shown)
    await expect(page.locator(".tile")).to_have_text(tile)
    length = "表面の4桁" if tile == "AMEX" else "裏面の3桁"
    await expect(page.locator("#code-h")).to_have_text(f"カード{length}")


async def test_the_caret_stays_and_backspace_takes_the_digit_before_a_gap(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    number = page.locator("#number")
    await number.press_sequentially("12345678")
    await number.evaluate("it => it.setSelectionRange(5, 5)")
    await number.press("Backspace")

    await expect(number).to_have_value("1235 678")
    assert await number.evaluate("it => it.selectionStart") == 3
    await number.press("9")
    await expect(number).to_have_value("1239 5678")
    await number.press("ControlOrMeta+z")
    await number.press("ControlOrMeta+z")
    await expect(number).to_have_value("1235 678")


async def test_an_input_method_is_left_alone_until_it_is_done(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    number = page.locator("#number")
    await number.focus()
    tools = await page.context.new_cdp_session(page)
    for length in range(1, 7):
        text = "４" * length
        await tools.send("Input.imeSetComposition", {"text": text, "selectionStart": length, "selectionEnd": length})
        await expect(number).to_have_value(text)
    await tools.send("Input.insertText", {"text": "４" * 6})

    await expect(number).to_have_value("4444 44")


@pytest.mark.parametrize(
    "typed",
    [
        "12/30", "1230", "12/2030", "2030-12", "203012", "１２／３０", "12 / 30", "122030", "2030年12月", "30年12月",
        "２０３０年 １２月", "2030년 12월", "12月30年",
    ],
)  # fmt: skip
async def test_an_expiry_in_any_form_is_shown_in_one(page: Page, api: Api, shop: Shop, typed: str) -> None:
    await visit(page, await new_session(api, shop))
    await page.locator("#expiry").fill(typed)
    await page.locator("#expiry").blur()

    await expect(page.locator("#expiry")).to_have_value("12 / 30")
    await expect(errors(page)).to_have_count(0)


@pytest.mark.parametrize("saved", ["2020-12", "202012", "１２／２０２０", "2020年12月"])
async def test_a_saved_card_that_has_expired_is_said_to_have(page: Page, api: Api, shop: Shop, saved: str) -> None:
    await visit(page, await new_session(api, shop))
    await page.locator("#expiry").fill(saved)
    await expect(page.locator("#expiry")).to_have_value("12 / 20")
    await page.locator("#expiry").blur()

    await expect(errors(page)).to_have_text(["カードの有効期限が切れています"])


async def test_an_expiry_is_shaped_as_it_is_typed_and_can_be_deleted(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    expiry = page.locator("#expiry")
    await expiry.press_sequentially("830")
    await expect(expiry).to_have_value("08 / 30")
    for _ in range(4):
        await expiry.press("Backspace")
    await expect(expiry).to_have_value("")


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("number", "4111 1111", "桁数が足りません"),
        ("number", "4111111111111112", "カード番号をもう一度ご確認ください"),
        ("number", "41111111111111111111", "桁数が多すぎます"),
        ("expiry", "13/30", "月/年で入力してください（例 08/29）"),
        ("expiry", "01/20", "カードの有効期限が切れています"),
        ("expiry", "01/59", "月/年で入力してください（例 08/29）"),
        ("code", "12", "3桁で入力してください"), ("name", "4111 1111 1111 1111", "カード名義をご確認ください"),
    ],
)  # fmt: skip
async def test_a_field_says_what_is_wrong_on_leaving_and_not_before(
    page: Page, api: Api, shop: Shop, field: str, typed: str, said: str
) -> None:
    await visit(page, await new_session(api, shop))
    if field == "code":
        await page.locator("#number").fill(VISA)
    place = page.locator(f"#{field}")
    await place.press_sequentially(typed)
    await expect(errors(page)).to_have_count(0)
    await place.blur()

    await expect(errors(page)).to_have_text(said)
    await expect(place).to_have_attribute("aria-invalid", "true")
    # After the hint, where there is one.
    await expect(place).to_have_accessible_description(re.compile(rf"(^|\s){re.escape(said)}\s*$"))

    await place.fill({"number": VISA, "expiry": "12/30", "code": "123", "name": "TARO YAMADA"}[field])
    await expect(errors(page)).to_have_count(0)
    await expect(place).to_have_attribute("aria-invalid", "false")


#: By the script's own functions: each value's fault, doubt, and what is sent of it.
READ = """async ([kind, values]) => {
  const { brands, doubts, faults, tidy } = await import(document.querySelector("[href$='/card.js']").href);
  return values.map((value) => {
    const fault = faults[kind](value, 0) || null;
    return [fault, fault ? null : doubts[kind](value, 0) || null, tidy[kind](value)];
  });
}"""


async def read(page: Page, kind: str, values: list[str]) -> dict[str, tuple[str | None, str | None, str]]:
    """What the page's script says of each value, and what it makes of it."""
    found = await page.evaluate(READ, [kind, values])
    return {value: tuple(said) for value, said in zip(values, found, strict=True)}


async def test_the_script_reads_mail_addresses_as_the_server_does(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))

    found = await read(page, "email", [*TAKEN])
    assert {given: (fault, sent) for given, (fault, _, sent) in found.items()} == {
        given: (None, sent) for given, sent in TAKEN.items()
    }
    refused = await read(page, "email", [*REFUSED])
    assert [given for given, (fault, _, _) in refused.items() if fault != "e_mail"] == []
    # A host without a dot is most often one that was not finished.
    doubted = {given for given, (_, doubt, _) in found.items() if doubt}
    assert doubted == {given for given, sent in TAKEN.items() if "." not in sent.split("@")[1]}


async def test_the_script_takes_what_stands_on_a_card_as_the_server_does(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))

    assert await read(page, "name", [*ON_CARDS]) == {given: (None, None, sent) for given, sent in ON_CARDS.items()}
    found = await read(page, "name", [*DOUBTED])
    assert {given: (fault, sent) for given, (fault, _, sent) in found.items()} == {
        given: (None, sent) for given, sent in DOUBTED.items()
    }
    assert {given: doubt for given, (_, doubt, _) in found.items()} == {
        given: "invalid_parameter" if given.startswith("X") else "e_roman" for given in DOUBTED
    }
    refused = await read(page, "name", [*NO_NAMES])
    assert [given for given, (fault, _, _) in refused.items() if fault != "invalid_parameter"] == []


async def test_the_script_takes_kana_as_banks_register_them(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))

    assert await read(page, "kana", [*KANA]) == {given: (None, None, sent) for given, sent in KANA.items()}
    assert await read(page, "kana", [*DOUBTED_KANA]) == {
        given: (None, "e_kana", sent) for given, sent in DOUBTED_KANA.items()
    }
    refused = await read(page, "kana", [*NO_KANA])
    assert [given for given, (fault, _, _) in refused.items() if fault != "e_kana"] == []


@pytest.mark.parametrize("name", ["JOHN SMITH 3RD", "ACME FLEET 12", "SMITH (ACME LTD)", "X", "O´BRIEN"])
async def test_a_name_as_it_is_embossed_pays(page: Page, api: Api, shop: Shop, name: str) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    await page.locator("#name").fill(name)
    await page.locator("#name").blur()
    await expect(errors(page)).to_have_count(0)
    async with page.expect_request("**/pay") as sent:
        await press(page)
    assert (await sent.value).post_data_json["payment_details"]["name"] == name
    await is_back(page, shop, session)


async def test_a_name_in_kanji_is_asked_about_and_pays(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop)
    await visit(page, session)
    await fill_card(page)
    name = page.locator("#name")
    await name.fill("山田　太郎")
    await expect(errors(page)).to_have_count(0)
    await name.blur()
    await expect(errors(page)).to_have_text("カードに印字されたローマ字で入力してください")
    # No error: nothing is red, and nothing is said to be wrong.
    await expect(name).to_have_attribute("aria-invalid", "false")
    await expect(name).to_have_accessible_description(re.compile(r"\sカードに印字されたローマ字で入力してください\s*$"))
    await expect(errors(page)).to_have_css("color", "rgb(29, 33, 38)")

    await press(page)
    await is_back(page, shop, session)


async def test_a_card_number_in_the_name_is_not_sent(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await fill_card(page)
    await page.locator("#name").fill("TARO 4111 1111 1111 1111")
    await press(page)

    await expect(errors(page)).to_have_text("カード名義をご確認ください")
    await expect(page.locator("#name")).to_be_focused()
    await expect(page.locator("#go")).not_to_have_attribute("aria-disabled", "true")


async def test_the_kana_of_a_company_pay_at_a_bank(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop), "#bank_transfer")
    panel = page.locator("[data-panel=bank_transfer]")
    await panel.get_by_label("メールアドレス").fill("　taro＠example。com　")
    await panel.get_by_label("セイ").fill("カ）ヤマダショウテン")
    await panel.get_by_label("メイ").fill("ﾕ)ﾀﾅｶ-1/2.")
    await panel.get_by_label("電話番号").fill("0312345678")
    async with page.expect_request("**/pay") as sent:
        await press(page)
    details = (await sent.value).post_data_json["payment_details"]
    assert details["family_name_kana"] == "カ)ヤマダショウテン"
    assert details["given_name_kana"] == "ユ)タナカ-1/2."
    assert details["email"] == "taro@example.com"
    await expect(page.get_by_role("heading", name="お振込先")).to_be_visible()


@pytest.mark.parametrize(
    "typed", ["a b@example.com", "a@example.com, b@example.com", "mailto:a@example.com", "太郎 <a@b.jp>", "a@b@c.jp"]
)  # fmt: skip
async def test_what_is_no_mail_address_is_said_and_not_mended(page: Page, api: Api, shop: Shop, typed: str) -> None:
    await visit(page, await new_session(api, shop), "#bank_transfer")
    email = page.locator("[data-panel=bank_transfer]").get_by_label("メールアドレス")
    await email.fill(typed)
    await email.blur()

    await expect(errors(page)).to_have_text("メールアドレスをご確認ください")
    await expect(email).to_have_attribute("aria-invalid", "true")
    await expect(email).to_have_value(typed)


async def test_an_empty_form_can_be_sent_and_is_told(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await press(page)

    await expect(errors(page)).to_have_text(
        [
            "カード番号を入力してください",
            "有効期限を入力してください",
            "セキュリティコードを入力してください",
            "カード名義を入力してください",
        ]
    )
    await expect(page.locator("#number")).to_be_focused()
    await expect(page).to_have_title("エラー: [テスト] お支払い | Test shop")


async def test_what_is_pressed_stays_where_it_is(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await page.locator("#number").press_sequentially("4111 1111 1111 1112")

    await page.locator("#go").hover()
    await page.mouse.down()
    await expect(page.locator("#number")).not_to_be_focused()
    await expect(errors(page)).to_have_count(0)
    await page.mouse.up()

    await expect(errors(page)).to_have_count(4)
    await expect(page.locator("#number")).to_be_focused()


async def test_what_was_left_is_marked_also_after_a_press_beside_everything(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await page.locator("#number").press_sequentially("4111 1111 1111 1112")

    await page.get_by_role("heading", level=1).click()

    await expect(errors(page)).to_have_count(1)


async def test_contact_fields_are_mended(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop), "#bank_transfer")
    panel = page.locator("[data-panel=bank_transfer]")
    await panel.get_by_label("メールアドレス").fill("taro＠example.com ")
    await panel.get_by_label("セイ").fill("やまだ")
    await panel.get_by_label("メイ").fill("ﾀﾛｳ")
    await panel.get_by_label("電話番号").fill("+81 90-1234-5678")
    async with page.expect_request("**/pay") as sent:
        await press(page)
    details = (await sent.value).post_data_json["payment_details"]
    assert details == {
        "type": "bank_transfer",
        "email": "taro@example.com",
        "phone": "09012345678",
        "family_name_kana": "ヤマダ",
        "given_name_kana": "タロウ",
    }
    await expect(page.get_by_role("heading", name="お振込先")).to_be_visible()


async def test_an_email_ends_where_its_address_does(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop), "#bank_transfer")
    email = page.locator("[data-panel=bank_transfer]").get_by_label("メールアドレス")
    for whole in ("ａ＠b.com", "a..b.@docomo.ne.jp", "a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"):
        await email.fill(whole)
        await email.blur()
        await expect(errors(page)).to_have_count(0)
        for more in (",", "，", "、", "。", ">", "."):
            await email.fill(whole + more)
            await email.blur()
            await expect(errors(page)).to_have_text("メールアドレスをご確認ください")


async def test_the_keyboard_is_enough(page: Page, api: Api, shop: Shop) -> None:
    session = await new_session(api, shop, payment_types=["credit_card", "paypay"])
    await visit(page, session)
    await page.keyboard.press("Tab")
    await expect(page.locator(".lang summary")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name="クレジットカード")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="PayPay")).to_be_checked()
    await page.keyboard.press("ArrowUp")
    for text in (VISA, "1230", "123", "TARO YAMADA"):
        await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")

    await is_back(page, shop, session)


async def test_a_change_of_language_keeps_what_was_typed(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await fill_card(page)
    await page.locator("#name").fill("山田")
    await page.locator("#name").blur()
    await page.locator(".lang summary").click()
    await page.get_by_role("link", name="English").click()

    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#go")).to_have_text("Pay ¥5,000")
    await expect(page.locator("#number")).to_have_value("4111 1111 1111 1111")
    await expect(errors(page)).to_have_text("Use the Latin letters on the card")
    await expect(page).to_have_title("[Test] Payment | Test shop")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#number")).to_have_value("")


async def test_a_change_of_language_needs_no_script(open_page: OpenPage, api: Api, shop: Shop, watch: Watch) -> None:
    # Turned off, Chromium says of a module it would have preloaded that a policy forbids it.
    watch.expect(r"did not load: .*\.js: csp")
    page = await open_page(script=False)
    session = await new_session(api, shop)
    await page.goto(session["session_url"])
    await page.locator(".lang summary").click()
    await page.get_by_role("link", name="한국어").click()

    await expect(page.locator("html")).to_have_attribute("lang", "ko")
    await expect(page.locator("#go")).to_be_hidden()
    await expect(page.locator("noscript p")).to_have_text("JavaScript를 켜고 새로 고쳐 주세요.")


async def test_a_fee_changes_the_sum_and_is_announced(page: Page, api: Api, shop: Shop) -> None:
    await visit(page, await new_session(api, shop))
    await page.get_by_role("radio", name="コンビニ").check()

    await expect(page.locator("#total-sum")).to_have_text("5,190円")
    await expect(page.locator(".amount")).to_have_text("5,190円")
    await expect(page.locator("#fee")).to_contain_text("190円")
    await expect(page.locator("#say")).to_have_text("合計は5,190円になりました")
    assert page.url.endswith("#konbini")
    await page.reload()
    await expect(page.get_by_role("radio", name="コンビニ")).to_be_checked()
