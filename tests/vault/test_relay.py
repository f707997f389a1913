"""The relay: where orders may go, what fills them, and that no echo of the card comes back."""

import base64
import json
import re
import traceback
import urllib.parse
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azukari.core.secret import Secret
from azukari.vault import Blank, Filled, Outbound, PaymentDetails, Reply, ReplyUnknown, RequestNotSent, RequestRefused
from azukari.vault.inside.scrub import CardInReply, Scrubber, WordScrubber
from tests.house import reroute

from .conftest import AMEX, CARDS, DINERS, MASTER, VISA, Room, card

CODE = "9137"
BODY: Mapping[str, object] = {
    "amount": 1000,
    "card": {"number": Blank.NUMBER, "cvc": Blank.VERIFICATION_VALUE, "name": Blank.NAME},
    "more": [{"expiry": [Blank.MONTH, Blank.YEAR]}, Blank.VERIFICATION_VALUE],
}
ORDER = Outbound("POST", "https://bank/charges", headers={"Idempotency-Key": "r1"}, json=BODY)


class Answering:
    """A bank that answers as it is told."""

    def __init__(self, answer: Callable[[Filled], Reply]) -> None:
        self.answer = answer
        self.got: list[Filled] = []

    async def send(self, request: Filled) -> Reply:
        self.got.append(request)
        return self.answer(request)


async def exchange(room: Room, answer: Callable[[Filled], Reply], number: str = VISA, order: Outbound = ORDER) -> Reply:
    reroute(room.vault, "bank", Answering(answer))
    details = card(number, verification_value=CODE)
    return await room.vault.send(await room.lend(details), details.verification_value, order)


def spellings(number: str) -> dict[str, bytes]:
    """The ways a number may be echoed."""
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    text = {
        "raw": number,
        "spaced": spaced,
        "dashed": spaced.replace(" ", "-"),
        "dotted": spaced.replace(" ", "."),
        "each digit apart": " ".join(number),
        "within a word": f"card{number}x",
        "before other digits": f"{number}0830",
        "after other digits": f"16{number}",
        "over lines": spaced.replace(" ", "\r\n"),
        "quoted URL": urllib.parse.quote(spaced),
        "form": spaced.replace(" ", "+"),
        "URL, each digit": "".join(f"%3{digit}" for digit in number),
        "URL, dashes": spaced.replace(" ", "%2D"),
        "JSON escapes": "".join(f"\\u003{digit}" for digit in number),
        "JSON escaped blanks": spaced.replace(" ", "\\u0020"),
        "JSON in JSON": json.dumps(json.dumps({"number": number})),
        "no-break spaces": spaced.replace(" ", "\u00a0"),
        "hex": number.encode().hex(),
        "hex, upper": number.encode().hex().upper(),
        **{f"base64 after {n}": base64.b64encode(b"x" * n + number.encode() + b"yy").decode() for n in range(4)},
        "base64 of JSON": base64.b64encode(json.dumps({"card": {"number": number}}).encode()).decode(),
        "base64 URL": base64.urlsafe_b64encode(f"?>{number}".encode()).decode(),
        "base64 in lines": base64.encodebytes(f"{'x' * 45}{number}".encode()).decode(),
    }
    return {name: value.encode() for name, value in text.items()} | {
        "UTF-16": f'{{"number":"{number}"}}'.encode("utf-16-le"),
        "UTF-16 BE": f'{{"number":"{number}"}}'.encode("utf-16-be"),
    }


def shows(data: bytes, number: str) -> bool:
    """Whether a reader with some patience finds the number."""
    readings = [
        data,
        urllib.parse.unquote_to_bytes(data),
        re.sub(rb"\\u00(..)", lambda m: bytes.fromhex(m[1].decode()), data),
    ]
    for run in re.findall(rb"[A-Za-z0-9+/]{4,}", data.translate(bytes.maketrans(b"-_", b"+/"), b"\r\n")):
        for cut in (run[offset:] for offset in range(4)):
            readings.append(base64.b64decode(cut[: len(cut) - (len(cut) % 4 == 1)] + b"=" * (-len(cut) % 4)))
    for run in re.findall(rb"(?:[0-9A-Fa-f]{2})+", data):
        readings.append(bytes.fromhex(run.decode()))
    return any(number.encode() in reading.translate(None, b" -.+\r\n\x00\xc2\xa0") for reading in readings)


def scrubbed(number: str, code: str | None, body: bytes) -> bytes:
    return Scrubber(number, code).reply({}, body)[1]


@pytest.mark.parametrize("spelling", sorted(spellings(VISA)))
@pytest.mark.parametrize("number", [VISA, AMEX, DINERS, "6200000000000005"])
def test_no_echo_of_the_number_comes_through(number: str, spelling: str) -> None:
    echo = spellings(number)[spelling]
    assert shows(echo, number)
    try:
        cleaned = scrubbed(number, None, b'{"result":"ok","echo":"' + echo + b'"}')
    except CardInReply:
        return  # then the whole reply is lost, which is right
    assert not shows(cleaned, number)
    assert cleaned.startswith(b'{"result":"ok"')


@pytest.mark.parametrize("spelling", ["raw", "spaced", "dashed", "quoted URL", "form", "hex", "base64 after 1",
                                      "JSON escapes", "URL, each digit", "each digit apart"])  # fmt: skip
def test_the_usual_echoes_are_masked_and_the_rest_stays(spelling: str) -> None:
    echo = spellings(VISA)[spelling]

    cleaned = scrubbed(VISA, None, b'{"id":"1","echo":"' + echo + b'","again":"' + echo + b'","n":12}')

    assert cleaned.count(b"41111111****1111") == 2
    assert cleaned.startswith(b'{"id":"1","echo":"')
    assert cleaned.endswith(b'","n":12}')


def test_the_verification_value_is_masked_where_it_is_a_whole_value() -> None:
    body = b'{"cvc":"9137","in":"{\\"cvc\\":\\"9137\\"}","form":"a=1&cvc=9137&b","id":"x9137","sum":91370,"n":9137}'

    assert scrubbed(VISA, "9137", body) == (
        b'{"cvc":"***","in":"{\\"cvc\\":\\"***\\"}","form":"a=1&cvc=***&b","id":"x9137","sum":91370,"n":9137}'
    )
    assert scrubbed(VISA, "9137", b"cvc=9137") == b"cvc=***"
    assert scrubbed(VISA, "9137", b"<cvc>9137</cvc>") == b"<cvc>***</cvc>"


@given(st.binary(max_size=400))
def test_a_clean_reply_is_not_touched(body: bytes) -> None:
    assert scrubbed(VISA, None, body) == body


@given(
    st.text(alphabet=st.sampled_from("0123456789 -%\\u23{}\"',.:"), max_size=120),
    st.sampled_from(CARDS),
    st.text(alphabet=" -.", max_size=2),
)
def test_whatever_stands_around_it_the_number_is_found(noise: str, number: str, gap: str) -> None:
    try:
        cleaned = scrubbed(number, None, f"{noise}{gap.join(number)}{noise}".encode())
    except CardInReply:
        return
    assert gap.join(number).encode() not in cleaned


async def test_blanks_are_filled_at_any_depth(room: Room) -> None:
    bank = Answering(lambda request: Reply(200, {}, b"{}"))
    room.vault.allow("bank", bank)
    details = card(AMEX, verification_value=CODE)
    await room.vault.send(await room.lend(details), details.verification_value, ORDER)
    await room.vault.send(await room.lend(card(name=None)), None, ORDER)

    full, bare = (json.loads(got.body) for got in bank.got)
    assert full == {
        "amount": 1000,
        "card": {"number": AMEX, "cvc": CODE, "name": "Hana Sato"},
        "more": [{"expiry": ["08", "2030"]}, CODE],
    }
    assert bare["card"] == {"number": VISA}
    assert bare["more"] == [{"expiry": ["08", "2030"]}]
    assert dict(bank.got[0].headers) == {"Idempotency-Key": "r1", "Content-Type": "application/json"}


async def test_an_order_without_a_card_has_no_card_in_it(room: Room) -> None:
    bank = Answering(lambda request: Reply(200, {"X-Id": "7"}, b'{"found":true}'))
    room.vault.allow("bank", bank)

    reply = await room.vault.send_plain(ORDER)
    await room.vault.send_plain(Outbound("GET", "https://bank/charges/r1"))

    assert (reply.status, reply.headers, reply.json()) == (200, {"x-id": "7"}, {"found": True})
    assert json.loads(bank.got[0].body) == {"amount": 1000, "card": {}, "more": [{"expiry": []}]}
    assert bank.got[1].body == b""


async def test_a_bank_that_echoes_everything_everywhere_gives_nothing_away(room: Room) -> None:
    def echo(request: Filled) -> Reply:
        sent = request.body.decode()
        headers = {
            "Location": f"https://elsewhere/?n={VISA}&cvc={CODE}",
            "X-Card": "4111 1111 1111 1111",
            "X-Code": CODE,
            "X-Encoded": base64.b64encode(request.body).decode(),
            f"X-{VISA}": "1",
        }
        return Reply(302, headers, sent.encode())

    reply = await exchange(room, echo)

    everything = f"{reply.headers}{reply.body!r}{reply!r}"
    assert VISA not in everything
    assert "4111 1111 1111" not in everything
    assert CODE not in everything.replace(base64.b64encode(b"x").decode(), "")
    assert reply.status == 302
    assert reply.headers["location"] == "https://elsewhere/?n=41111111****1111&cvc=***"
    assert reply.json()["card"] == {"number": "41111111****1111", "cvc": "***", "name": "Hana Sato"}


class Raising:
    """A transport whose errors carry all they know."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    async def send(self, request: Filled) -> Reply:
        try:
            raise ValueError(request.body, VISA)
        except ValueError as cause:
            raise self.error(f"could not send {request.body!r}") from cause


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (RequestNotSent, RequestNotSent),
        (ReplyUnknown, ReplyUnknown),
        (RuntimeError, ReplyUnknown),
        (OSError, ReplyUnknown),
    ],
)
async def test_errors_of_a_transport_carry_nothing_out(
    room: Room, raised: type[Exception], told: type[Exception]
) -> None:
    room.vault.allow("bank", Raising(raised))
    details = card(VISA, verification_value=CODE)
    use = await room.lend(details)

    with pytest.raises(told) as caught:
        await room.vault.send(use, details.verification_value, ORDER)

    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert str(error) == "ValueError"
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert VISA not in text.replace(f"VISA = '{VISA}'", "")
    assert CODE not in text.replace(f"CODE = '{CODE}'", "")


@pytest.mark.parametrize("echo", [
    "{track}", "{number}", "the card {number} and its track {track}", '{chip}","pin":"86', "{taxpayer}",
])  # fmt: skip
async def test_what_came_beside_a_card_is_taken_out_of_the_reply_too(room: Room, echo: str) -> None:
    beside = {"track": f"{VISA}=991220112345", "chip": "9F2608A1B2C3D4E5F60718", "taxpayer": "12345678909"}
    room.vault.allow("bank", Answering(lambda request: Reply(200, {}, request.body)))
    for details in (
        {"type": "credit_card_terminal", "track2": beside["track"], "field55": beside["chip"]},
        card_tree() | {"type": "credit_card_brazil", "cpf_or_cnpj": beside["taxpayer"]},
        card_tree() | {"type": "credit_card_korea", "first_two_digits_of_pin": "86"},
    ):
        read = PaymentDetails.parse(details, now=0)
        blanks = {blank.value: blank for blank in (*read.secret_fields, Blank.NUMBER)}
        body = blanks | {"said": echo.format(number=VISA, **beside)}

        reply = await room.vault.send(await room.lend(read), None, Outbound("POST", "https://bank/charges", json=body))

        kept = reply.json()
        assert {kept[blank.value] for blank in read.secret_fields} == {"***"}
        assert VISA not in reply.body.decode()
        for word in read.secret_fields.values():
            assert f'"{word.reveal()}"' not in reply.body.decode()
        assert not any(word.reveal() in repr(read) for word in read.secret_fields.values())


def card_tree() -> dict[str, object]:
    """A card as it comes."""
    return {"number": VISA, "month": 8, "year": 2030}


@pytest.mark.parametrize("answer", [None, "text", Reply(200, {"a": 1}, b""), Reply(200, {}, "text")])  # type: ignore[dict-item, arg-type]
async def test_what_is_no_reply_is_unknown(room: Room, answer: object) -> None:
    with pytest.raises(ReplyUnknown):
        await exchange(room, lambda request: answer)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"a":', b"[" * 100_000])
def test_an_unreadable_body_is_unknown(body: bytes) -> None:
    with pytest.raises(ReplyUnknown):
        Reply(200, {}, body).json()


async def test_each_call_is_announced_before_and_after(room: Room) -> None:
    room.points.clear()
    await exchange(room, lambda request: Reply(200, {}, b"{}"))
    reroute(room.vault, "bank", Raising(RuntimeError))
    with pytest.raises(ReplyUnknown):
        await room.vault.send_plain(ORDER)

    assert room.points == ["call:before:bank", "call:after:bank"] * 2


@pytest.mark.parametrize(
    "url",
    [
        "https://other/charges", "https://bank.evil/charges", "https://evil/bank", "https://bank:444/", "https://bank@evil/",
        "https://evil@bank/", "https://bank\\@evil/", "https://evil\\@bank/", "https://bank /", "https://ba\tnk/",
        "https://bank\n/", "//bank/", "bank", "", "https://", "https:bank", "https://bank./", "https://ｂａｎｋ/",
        "https://bank\u0000/", "https://169.254.169.254/", "file:///etc/passwd",
    ],
)  # fmt: skip
async def test_orders_to_hosts_nobody_declared_are_not_sent(room: Room, url: str) -> None:
    bank = Answering(lambda request: Reply(200, {}, b"{}"))
    room.vault.allow("bank", bank)
    room.points.clear()

    with pytest.raises(RequestRefused) as raised:
        await room.vault.send(await room.lend(card()), None, Outbound("POST", url, json=BODY))
    assert isinstance(raised.value, RequestNotSent)
    assert (bank.got, room.points) == ([], [])


@pytest.mark.parametrize("url", ["http://api.bank.example/", "ftp://api.bank.example/", "HTTP://api.bank.example/"])
async def test_a_network_host_is_reached_over_https_alone(room: Room, url: str) -> None:
    room.vault.allow("api.bank.example")

    with pytest.raises(RequestRefused, match="https"):
        await room.vault.send_plain(Outbound("GET", url))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r", "a\x00b", "ä"])
async def test_a_header_that_is_not_one_line_is_not_sent(room: Room, value: str) -> None:
    bank = Answering(lambda request: Reply(200, {}, b"{}"))
    room.vault.allow("bank", bank)

    for headers in ({"X-Ref": value}, {value: "1"}):
        with pytest.raises(RequestRefused):
            await room.vault.send_plain(Outbound("POST", "https://bank/", headers=headers, json={}))
    assert bank.got == []


def test_a_filled_order_prints_without_the_card() -> None:
    order = Filled(ORDER, {}, VISA.encode())

    assert VISA not in f"{order} {order!r}"
    with pytest.raises(TypeError):
        order.__reduce__()


async def test_two_orders_do_not_mix_their_cards(room: Room) -> None:
    def echo(request: Filled) -> Reply:
        return Reply(200, {}, request.body)

    first, second = await exchange(room, echo, VISA), await exchange(room, echo, MASTER)

    assert first.json()["card"]["number"] == "41111111****1111"
    assert second.json()["card"]["number"] == "55555555****4444"


# Other secrets

PREPAID = "q7zk2mvx9lpb4trw"


async def test_lent_words_fill_their_blanks_and_come_back_hidden(room: Room) -> None:
    bank = Answering(lambda request: Reply(200, {"X-Echo": PREPAID}, request.body + PREPAID.encode().hex().encode()))
    room.vault.allow("bank", bank)
    json_body = {"number": Blank.PREPAID_NUMBER, "password": Blank.PASSWORD, "card": Blank.NUMBER}
    order = Outbound("POST", "https://bank/x", json=json_body)

    reply = await room.vault.send_plain(
        order, {Blank.PREPAID_NUMBER: Secret(PREPAID), Blank.PASSWORD: Secret("sesame")}
    )

    assert json.loads(bank.got[0].body) == {"number": PREPAID, "password": "sesame"}
    assert reply.body == b'{"number":"***","password":"***"}***'
    assert reply.headers == {"x-echo": "***"}


@pytest.mark.parametrize(
    "echo", [PREPAID.encode(), base64.b64encode(b"x" + PREPAID.encode()), PREPAID.encode().hex().encode()]
)
def test_a_word_is_taken_out_of_a_reply_however_it_is_written(echo: bytes) -> None:
    _, body = WordScrubber([PREPAID], []).reply({}, b'{"a":"' + echo + b'"}')
    assert PREPAID.encode() not in body
    assert b"***" in body


def test_a_word_that_cannot_be_taken_out_loses_the_reply() -> None:
    with pytest.raises(CardInReply):
        WordScrubber([PREPAID], []).reply({}, "-".join(PREPAID).encode())


def test_a_password_is_hidden_where_it_is_a_value_and_left_where_it_is_a_part_of_words() -> None:
    headers, body = WordScrubber([], ["open"]).reply(
        {"A": "open", "B": "opened"}, b'{"x":"open","y":"reopened"}&p=open'
    )
    assert (headers, body) == ({"a": "***", "b": "opened"}, b'{"x":"***","y":"reopened"}&p=***')
