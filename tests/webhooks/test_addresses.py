"""Webhooks go to the open internet, and nowhere else (SEC-15)."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from azukari.webhooks import addresses
from azukari.webhooks.addresses import AddressRefused, Target, Unresolved, is_global, parse, resolve
from azukari.webhooks.sending import Sender
from azukari.webhooks.service import loopback_allowed
from tests.house import House
from tests.webhooks.receiver import Receiver
from tests.webhooks.work import Work, endpoint

#: Addresses that are not of the open internet, each as its plainest reader writes it.
CLOSED_4 = """
    0.0.0.0 0.0.0.1 0.1.2.3 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.0
    127.0.0.1 127.0.0.2 127.1.1.1 127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.123 169.254.169.254
    169.254.169.253 169.254.170.2 169.254.255.255 172.16.0.1 172.17.0.1 172.20.10.5 172.31.255.255 192.0.0.1
    192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.171 192.0.0.192 192.0.2.1 192.88.99.1 192.88.99.2 192.168.0.1
    192.168.1.1 192.168.99.100 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1
    224.0.0.251 233.252.0.1 239.255.255.250 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
""".split()  # noqa: SIM905
CLOSED_6 = """
    :: ::1 ::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::169.254.169.254 ::8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:127.0.0.1
    ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:192.168.0.1 ::ffff:8.8.8.8
    ::ffff:0.0.0.0 ::ffff:100.64.0.1 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254
    64:ff9b::8.8.8.8 64:ff9b:1::1 64:ff9b:1::a9fe:a9fe 100::1 100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2
    2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2001:db8:ffff::1
    2002::1 2002:7f00:1:: 2002:7f00:1::1 2002:a00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 2002:c0a8:1::1
    2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1 5f00::1 8000::1 c000::1 e000::1 fc00::1 fc00:ec2::254 fd00::1
    fd00:ec2::254 fd12:3456:789a::1 fdff::1 fe00::1 fe80::1 fe80::a9fe:a9fe fe80::1:2:3:4 febf::1 fec0::1 feff::1
    ff00::1 ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 ffff::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:ffff:7f00:0001
    0:0:0:0:0:FFFF:127.0.0.1
""".split()  # noqa: SIM905
OPEN = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 52.1.2.3 93.184.216.34 100.63.255.255 100.128.0.1 172.15.255.255 172.32.0.1
    192.0.1.1 192.167.255.255 193.0.0.1 198.17.0.1 198.20.0.1 203.0.112.1 223.255.255.254
    2001:4860:4860::8888 2400:cb00::1 2606:4700:4700::1111 2606:2800:220:1:248:1893:25c8:1946 2a00:1450:4001::1
""".split()  # noqa: SIM905

#: Ways to write 127.0.0.1, 169.254.169.254 and 10.0.0.1 that somebody's reader takes.
NUMBERS = """
    2130706433 017700000001 0x7f000001 0x7F000001 0X7F000001 127.1 127.0.1 127.0.0.1. 127.0.0.01 127.0.0.001
    0177.0.0.1 0177.0.0.01 0x7f.0.0.1 0x7f.0x0.0x0.0x1 0x7f.1 127.0.0x1 127.0.0.0x1 0x7f.0.0.0x1 00000177.0.0.1
    127.000.000.001 127.0.0.1.1 127.0.0 127. 0 0.0 00 0x 0x0 0x00000000 0.0.0 2852039166 0xa9fea9fe 025177524776
    0xA9.0xFE.0xA9.0xFE 0251.0376.0251.0376 169.254.43518 169.16689662 0xa9.254.0251.254 169.254.169.0376
    3232235521 167772161 012.0.0.1 0xa.0.0.1 10.1 10.0.1 4294967295 4294967296 99999999999999999999 256.256.256.256
    127.0.0.256 1.2.3.4.5 a.0x7f a.1 a.b.c.01 shop.example.0x shop.123 12345.67890 ٠ ١٢٧.٠.٠.١ １２７.０.０.１
    １２７。０。０。１ ①②⑦.⓪.⓪.① ₁₂₇.0.0.1 ¹²⁷.0.0.1 127｡0｡0｡1 127．0．0．1 ０x７f000001 2130706433. 0x7f000001.
    169.254.169.254. １６９.２５４.１６９.２５４ 𝟏𝟐𝟕.𝟎.𝟎.𝟏 127.0.0.𝟙 ⑯⑨.254.169.254
""".split()  # noqa: SIM905

#: Hosts that are no whole name, or no name.
NAMES = """
    localhost LOCALHOST localhost. LocalHost ip6-localhost metadata intranet shop a - -a.example a-.example .example
    example. shop..example ..example shop_a.example _dmarc.example shop%2eexample.com shop%00.example %6c%6f%63alhost
    shop.example%2f@127.0.0.1 127.0.0.1%23.example xn-- xn--.example xn--a.example xn--zzzzzzzzz.example ex*mple.com
    *.example sho\u00adp .. ... \u2024 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ lo\u200bcalhost ʟocalhost loc\u0430lhost\u2024
    shop!.example shop$.example (shop).example shop,example shop;example shop'example shop"example shop<example
    shop^example shop|example shop`example {shop}.example shop+a.example shop=a.example shop&a.example ~shop.example
    [] [:] [::] [::1 ::1] [::1]] [[::1]] [::1%lo] [::1%25lo] [fe80::1%25eth0] [v1.a] [::ffff:127.0.0.01] [1::2::3]
    [g::1] [12345::1] [127.0.0.1] [localhost] [2606:4700:4700::1111]a a[2606:4700:4700::1111] [2606:4700:4700::1111].
""".split()  # noqa: SIM905

#: Whole addresses that are refused for what they are.
URLS = [
    "", " ", "/", "//", "shop.example", "shop.example/hooks", "//shop.example", "https:", "https:/", "https://",
    "https:///", "https:///hooks", "https:shop.example", "https:/shop.example", "https:///shop.example",
    "https:\\\\shop.example", "https:/\\shop.example", "https://shop.example\\@127.0.0.1", "https://\\shop.example",
    "https://shop.example\\.evil.example", "http://shop.example", "HTTP://shop.example", "http://1.1.1.1",
    "http://127.0.0.1", "http://localhost:8000", "ftp://shop.example", "file:///etc/passwd", "file://localhost/etc",
    "gopher://shop.example:6379/_INFO", "dict://shop.example", "ldap://shop.example", "jar:https://shop.example!/",
    "javascript:alert(1)", "data:text/plain,a", "blob:https://shop.example/1", "ws://shop.example",
    "wss://shop.example", "view-source:https://shop.example", "mailto:a@shop.example", "httpss://shop.example",
    "xhttps://shop.example", "https ://shop.example", " https://shop.example", "https://shop.example ",
    "\thttps://shop.example", "https://shop.example\n", "https://shop.example\r\nHost: a", "https://shop.example/\r\n",
    "https://shop.example/\x00", "https://shop\x00.example", "https://sh op.example", "https://shop.example/a b",
    "https://shop.example/\u202e", "https://shop.example/\u2028", "https://shop.example/ü", "https://shop.example/\x7f",
    "ht\ntps://shop.example", "https:\n//shop.example", "https://shop.exa\tmple", "h\u200bttps://shop.example",
    "https://user@shop.example", "https://user:word@shop.example", "https://:word@shop.example",
    "https://@shop.example", "https://a@b@shop.example", "https://shop.example@127.0.0.1", "https://127.0.0.1@a.example",
    "https://shop.example:443@127.0.0.1", "https://shop.example:@127.0.0.1", "https://1.1.1.1 @127.0.0.1",
    "https://1.1.1.1#@127.0.0.1", "https://shop.example#a", "https://shop.example/#", "https://shop.example?#a",
    "https://shop.example:", "https://shop.example:0", "https://shop.example:1", "https://shop.example:22",
    "https://shop.example:25", "https://shop.example:80", "https://shop.example:0443", "https://shop.example:442",
    "https://shop.example:444", "https://shop.example:1023", "https://shop.example:65536", "https://shop.example:99999",
    "https://shop.example:443443", "https://shop.example:+443", "https://shop.example:-443",
    "https://shop.example:4 43",
    "https://shop.example:443:443", "https://shop.example:４４３", "https://shop.example:0x1bb", "https://shop.example:a",
    "https://shop.example:443a", "https://shop.example::443", "https://:443", "https://[2606:4700:4700::1111]:22",
    "https://2606:4700:4700::1111", "https://2606:4700:4700::1111:443", "https://[1.1.1.1]", "https://?a", "https://#a",
    "https://shop.example/4111111111111111", "https://shop.example/?card=4111-1111-1111-1111",
    "https://shop.example/" + "a" * 2_000, "https://" + "a" * 64 + ".example", "https://" + "a." * 130 + "example",
    "https://shop.example/<a>", 'https://shop.example/"', "https://shop.example/a\\b", "https://shop.example/`",
    "https://shop.example/{a}", "https://shop.example/|", "https://shop.example/^",
]  # fmt: skip

HOSTILE = [
    *(f"https://{host}/hooks" for host in [*CLOSED_4, *NUMBERS, *NAMES]),
    *(f"https://{host}:8443/" for host in CLOSED_4),
    *(f"https://[{host}]/hooks" for host in CLOSED_6),
    *URLS,
]


@pytest.mark.parametrize("url", HOSTILE, ids=ascii)
def test_a_hostile_address_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        parse(url, loopback=False)
    assert str(refused.value).startswith("It")


def test_there_are_hundreds_of_them() -> None:
    assert len(set(HOSTILE)) > 300


@pytest.mark.parametrize("address", [*CLOSED_4, *CLOSED_6])
async def test_a_name_that_leads_to_one_is_refused_whatever_else_it_leads_to(address: str) -> None:
    target = parse("https://shop.example/hooks", loopback=False)
    for found in ([address], ["1.1.1.1", address], [address, "2606:4700:4700::1111"]):
        with pytest.raises(AddressRefused):
            await resolve(target, _always(found))


@pytest.mark.parametrize("address", OPEN)
async def test_the_open_internet_is_open(address: str) -> None:
    assert is_global(address)
    assert await resolve(parse("https://shop.example", loopback=False), _always([address])) == [address]
    host = f"[{address}]" if ":" in address else address
    assert await resolve(parse(f"https://{host}/", loopback=False), _nobody) == [address]


@pytest.mark.parametrize("text", ["", "a", "1.1.1", "1.1.1.1 ", "01.1.1.1", "2606:4700:4700::1111%eth0", "1.1.1.1/32"])
def test_what_is_no_address_is_not_global(text: str) -> None:
    assert not is_global(text)


def test_nothing_private_is_global_by_whatever_road() -> None:
    for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"):
        for number in range(0, ipaddress.ip_network(network).num_addresses, 65_521):
            inside = ipaddress.ip_network(network)[number]
            embedded = int(inside)
            ways = [f"::ffff:{inside}", f"::{inside}", f"64:ff9b::{inside}",
                    f"2002:{embedded >> 16:x}:{embedded & 0xffff:x}::1"]  # fmt: skip
            assert not any(is_global(way) for way in (str(inside), *ways)), inside


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://shop.example", "https://shop.example/"),
        ("HTTPS://Shop.Example/Hooks?a=B", "https://shop.example/Hooks?a=B"),
        ("https://shop.example:443/", "https://shop.example/"),
        ("https://shop.example:8443/a", "https://shop.example:8443/a"),
        ("https://shop.example?a=%2F", "https://shop.example/?a=%2F"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://テスト.example/", "https://xn--zckzah.example/"),
        ("https://SHOP。example/", "https://shop.example/"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://[2606:4700:4700:0::1111]:8443/", "https://[2606:4700:4700::1111]:8443/"),
        ("https://shop.example/a/../b;c=d,e/@f:g!$&'()*+=-._~[]", None),
    ],
)
def test_an_address_is_kept_in_one_form_and_stays_as_it_is_when_read_again(url: str, kept: str | None) -> None:
    target = parse(url, loopback=False)
    assert target.url == (kept or url)
    assert parse(target.url, loopback=False) == target


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/a", "http://localhost:3000/", "http://[::1]:8080/", "http://127.1.2.3/"]
)
async def test_plain_http_may_go_to_this_machine_where_that_is_allowed(url: str) -> None:
    assert parse(url, loopback=True).url == url
    with pytest.raises(AddressRefused):
        parse(url, loopback=False)


@pytest.mark.parametrize(
    "url", ["http://1.1.1.1/", "http://10.0.0.1/", "http://shop/", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/",
            "http://127.0.0.1:22/", "https://localhost/", "https://127.0.0.1/", "http://2130706433/", "http://127.1/"],
)  # fmt: skip
def test_and_to_no_other(url: str) -> None:
    with pytest.raises(AddressRefused):
        parse(url, loopback=True)


async def test_a_name_that_leads_elsewhere_is_not_this_machine() -> None:
    for found in (["1.1.1.1"], ["127.0.0.1", "10.0.0.1"], ["0.0.0.0"], ["::ffff:127.0.0.1"]):
        with pytest.raises(AddressRefused):
            await resolve(parse("http://localhost:8000/", loopback=True), _always(found))


async def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(Unresolved):
        await resolve(parse("https://shop.example/", loopback=False), _always([]))
    with pytest.raises(Unresolved):
        await resolve(parse("https://shop.example/", loopback=False), _nobody)


async def test_the_system_is_asked_for_names() -> None:
    assert set(await addresses.system_lookup("localhost", 443)) <= {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        await addresses.system_lookup("nobody.invalid", 443)


def _always(found: Sequence[str]) -> addresses.Lookup:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return found

    return lookup


async def _nobody(host: str, port: int) -> Sequence[str]:
    raise socket.gaierror


# Through the front door


@pytest.mark.parametrize("url", HOSTILE[:: len(HOSTILE) // 40], ids=ascii)
async def test_the_api_refuses_them_without_repeating_them(house: House, url: str) -> None:
    # In test mode, on loopback, plain HTTP to this machine is allowed, and these are not that.
    if url.startswith(("http://127", "http://localhost")):
        return
    for request in (
        house.api.post("/webhook_endpoints", json={"url": url}),
        house.api.post("/webhook_endpoints", data={"url": url}),
    ):
        reply = await request
        if "\0" in url:
            assert reply.status_code == 400
            continue
        assert reply.status_code == 422, reply.text
        assert reply.json()["error"]["param"] == "url"
        assert len(url) < 9 or url not in reply.text


async def test_a_name_is_looked_at_again_with_every_try(house: House, receiver: Receiver, work: Work) -> None:
    """A name server that says one thing when we look and another when we connect."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    made = await endpoint(house, receiver, url=f"http://localhost:{receiver.port}/hooks")
    sender = Sender(house.services, lookup=rebinding)
    work = Work(house, sender)
    await work.deliver()
    await house.api.customer()
    await work.deliver()
    await sender.close()

    # Each try asks once, and connects to what it was told then.
    assert asked == ["localhost", "localhost"]
    assert receiver.types == ["ping"]
    assert receiver.got[0].headers["host"] == f"localhost:{receiver.port}"
    reply: dict[str, Any] = (await house.api.get(f"/webhook_endpoints/{made['id']}")).json()
    assert reply["active"]


async def test_no_proxy_is_asked(house: House, receiver: Receiver, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await endpoint(house, receiver)
    await work.deliver()

    assert receiver.types == ["ping"]


#: This machine, as somebody's reader takes it. Only the first few are written as a webhook's address may be.
THIS_MACHINE = """
    http://127.0.0.1/ http://127.0.0.1:PORT/ http://127.9.9.9:PORT/x?y=1 http://[::1]:PORT/ http://localhost:PORT/
    HTTP://LOCALHOST:PORT/ http://127.0.0.1:9200/_cluster/settings?x=1 http://localhost.:PORT/ http://0.0.0.0:PORT/
    http://[::]:PORT/ http://[::ffff:127.0.0.1]:PORT/ http://[::ffff:7f00:1]:PORT/ http://127.1:PORT/
    http://2130706433:PORT/ http://0x7f000001:PORT/ http://0177.0.0.1:PORT/ http://127.0.0.1.:PORT/ http://0:PORT/
    http://this-machine.example:PORT/ http://app.localhost:PORT/ http://ip6-localhost:PORT/
    https://127.0.0.1:PORT/ https://[::1]:PORT/ https://localhost:PORT/ https://localhost.:PORT/ https://0.0.0.0:PORT/
    https://[::ffff:127.0.0.1]:PORT/ https://this-machine.example:PORT/ https://app.localhost:PORT/
""".split()  # noqa: SIM905

LAYOUTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "behind a proxy": {
        "trusted_proxies": (ipaddress.ip_network("127.0.0.1"),), "public_url": "https://pay.merchant.example",
    },
    "off loopback": {"host": "0.0.0.0", "insecure_http": True},
}  # fmt: skip


def set_up(house: House, **layout: Any) -> None:
    """As an operator would, and start again."""
    for name, value in {"loopback_webhooks": False, **layout}.items():
        object.__setattr__(house.services.settings, name, value)


@pytest.fixture
def names_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = socket.getaddrinfo

    def getaddrinfo(host: str, *more: Any, **named: Any) -> Any:
        return ask("127.0.0.1" if host in ("this-machine.example", "app.localhost") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
async def test_no_webhook_goes_to_this_machine_unless_the_operator_says_so(
    house: House, receiver: Receiver, work: Work, layout: dict[str, Any], names_of_this_machine: None
) -> None:
    """A test key reaches no service here, wherever we listen: also one whose endpoint was taken before."""
    made = await endpoint(house, receiver)
    customer = await house.api.customer()
    set_up(house, **layout)
    for url in THIS_MACHINE:
        here = url.replace("PORT", str(receiver.port))
        order = {"amount": 1, "currency": "JPY", "customer": customer, "webhooks": here}
        for reply in (
            await house.api.post("/webhook_endpoints", json={"url": here}),
            await house.api.patch(f"/webhook_endpoints/{made['id']}", json={"url": here}),
            await house.api.post("/payments", json=order),
        ):
            assert reply.status_code == 422, here
            assert reply.json()["error"]["param"] in ("url", "webhooks")
    await work.deliver()

    assert receiver.got == []
    tries = (await house.api.get(f"/webhook_endpoints/{made['id']}/deliveries")).json()["data"]
    assert {(each["code"], each["failure"]) for each in tries} == {(None, "refused")}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
async def test_where_he_does_they_go_there_in_test_mode(
    house: House, receiver: Receiver, work: Work, layout: dict[str, Any]
) -> None:
    set_up(house, loopback_webhooks=True, **layout)
    for host in ("127.0.0.1", "localhost"):
        await endpoint(house, receiver, url=f"http://{host}:{receiver.port}/hooks")
    await work.deliver()

    assert receiver.types == ["ping", "ping"]
    assert not loopback_allowed(house.services, "live")


def test_the_host_header_names_the_port_where_it_is_another() -> None:
    assert Target("https", "shop.example", 443, "/").authority == "shop.example"
    assert Target("https", "::1", 8443, "/").authority == "[::1]:8443"


async def test_a_slow_name_server_holds_nobody_else_up() -> None:
    """Names are resolved in threads of their own: the loop's own are for the database."""
    loop = asyncio.get_running_loop()
    seen = await asyncio.gather(*(addresses.system_lookup("localhost", 443) for _ in range(50)))
    assert len(seen) == 50
    assert getattr(loop, "_default_executor", None) is None
