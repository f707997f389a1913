"""The relay: fills an order's blanks, sends it to a declared host, takes the card out of the reply (SEC-28)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from azukari.core import log
from azukari.core.secret import Secret
from azukari.db import Announce
from azukari.vault.inside.accounts import AccountSecrets
from azukari.vault.inside.auth import header_of
from azukari.vault.inside.entries import Plain
from azukari.vault.inside.errors import HostRefused, HostsFixed, HostTaken
from azukari.vault.inside.http import HttpTransport
from azukari.vault.inside.scrub import BothScrubbers, Scrubber, WordScrubber
from azukari.vault.inside.transport import (
    NO_SECRET_FIELDS,
    Blank,
    Filled,
    Outbound,
    Reply,
    ReplyUnknown,
    RequestNotSent,
    RequestRefused,
    Transport,
)

_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
_MISSING: Any = object()
_CONTENT_TYPE = "Content-Type"
_encode = msgspec.json.Encoder().encode
AnyScrubber = Scrubber | WordScrubber | BothScrubbers


class Relay:
    """Sends orders to the hosts that were declared, and nowhere else."""

    def __init__(self, announce: Announce, *, loopback_http: bool) -> None:
        self._announce = announce
        self._loopback_http = loopback_http
        self._http = HttpTransport()
        self._transports: dict[str, Transport] = {}
        self._hosts_fixed = False

    def allow(self, host: str, transport: Transport | None) -> None:
        """Declare a host (with its port, unless that is 443). Raises HostTaken, HostsFixed; both are logged."""
        # One host has one name, as two processors might write it in different ways.
        name = host.lower().removesuffix(":443").removesuffix(".")
        if self._hosts_fixed:
            raise _logged(HostsFixed(name))
        if name in self._transports:
            raise _logged(HostTaken(name))
        self._transports[name] = transport or self._http

    @property
    def hosts(self) -> frozenset[str]:
        """Those that were declared, in small letters."""
        return frozenset(self._transports)

    def fix_hosts(self) -> None:
        """Let no host be added from now on."""
        self._hosts_fixed = True

    async def send(
        self,
        outbound: Outbound,
        card: Plain | None,
        code: Secret | None,
        proof: Secret | None = None,
        secret_fields: Mapping[Blank, Secret] = NO_SECRET_FIELDS,
        account: AccountSecrets | None = None,
    ) -> Reply:
        """secret_fields: secrets that are no card's. account: of a request that is authenticated.

        Raises RequestNotSent (RequestRefused among them), ReplyUnknown.

        Neither shows the transport's own error, which may hold the order.
        """
        host, transport = self._route(outbound.url)
        # In one breath: what is opened has no name here, where a traceback could read it.
        request = _authenticated(_filled(outbound, _values(card, code, proof, secret_fields)), outbound.auth, account)
        scrubber = _scrubber(card, code, secret_fields, account)
        reply, failure = await self._call(host, transport, request)
        if reply is None:
            # Raised out here: inside an except block the transport's error would hang on as its context.
            raise failure
        cleaned = _scrubbed(reply, scrubber)
        if cleaned is None:
            raise ReplyUnknown("UnreadableReply")
        return cleaned

    async def close(self) -> None:
        """Let connections go."""
        await self._http.close()

    def _route(self, url: str) -> tuple[str, Transport]:
        # Python's parser, httpx's and a proxy's must see one host: what they could read differently is refused.
        if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
            raise RequestRefused("The request's URL is malformed.")
        parts = urlsplit(url)
        # The whole of the authority is compared, so a user name before the host or another port makes it another.
        transport = self._transports.get(parts.netloc.lower())
        if transport is None:
            raise RequestRefused("The request's host was not declared by a processor.")
        if parts.scheme != "https" and not self._plain_allowed(parts.scheme, parts.hostname):
            raise RequestRefused("The request's URL must start with https://.")
        return parts.netloc.lower(), transport

    def _plain_allowed(self, scheme: str, host: str | None) -> bool:
        return self._loopback_http and scheme == "http" and host in _LOOPBACK

    async def _call(self, host: str, transport: Transport, request: Filled) -> tuple[Reply | None, Exception]:
        failure: Exception = ReplyUnknown("NoReply")
        reply = None
        self._announce(f"call:before:{host}")
        try:
            reply = await transport.send(request)
        except RequestNotSent as error:
            failure = RequestNotSent(_word(error))
        except Exception as error:
            failure = ReplyUnknown(_word(error))
        finally:
            self._announce(f"call:after:{host}")
        return reply, failure


def _logged(refused: HostRefused) -> HostRefused:
    """The same, once an operator can read of it: what declared the host may keep the exception to itself."""
    log.warning("host.refused", host=refused.host, reason=type(refused).__name__)
    return refused


def _word(error: Exception) -> str:
    """The kind of an error and of its cause; never their texts."""
    cause = error.__cause__
    return type(cause).__name__ if cause is not None else type(error).__name__


def _values(
    card: Plain | None, code: Secret | None, proof: Secret | None, secret_fields: Mapping[Blank, Secret]
) -> Mapping[Blank, str]:
    values = {blank: word.reveal() for blank, word in secret_fields.items()}
    if card is None:
        return values
    values |= {Blank.NUMBER: card.n, Blank.MONTH: card.m, Blank.YEAR: card.y}
    if card.h is not None:
        values[Blank.NAME] = card.h
    if code is not None:
        values[Blank.VERIFICATION_VALUE] = code.reveal()
    if proof is not None:
        values[Blank.AUTHENTICATION_VALUE] = proof.reveal()
    return values


def _filled(request: Outbound, values: Mapping[Blank, str]) -> Filled:
    for name, value in request.headers.items():
        if not _one_line(name) or not _one_line(value):
            raise RequestRefused("A header of the request is not one line of ASCII.")
    if request.json is None:
        return Filled(request, request.headers, b"")
    headers = dict(request.headers)
    if _CONTENT_TYPE.lower() not in map(str.lower, headers):
        headers[_CONTENT_TYPE] = "application/json"
    return Filled(request, headers, _encode(_fill(request.json, values)))


def _authenticated(request: Filled, auth: object, account: AccountSecrets | None) -> Filled:
    """The request with its account's header. Raises RequestRefused."""
    if auth is None:
        return request
    name, value = header_of(auth, {} if account is None else account.texts)
    if name.lower() in map(str.lower, request.headers):
        raise RequestRefused("The request brings a header that authenticates it.")
    request.headers = {**request.headers, name: value}
    return request


def _one_line(text: str) -> bool:
    return text.isascii() and text.isprintable()


_PLAIN = frozenset({str, int, bool, type(None)})


def _fill(tree: object, values: Mapping[Blank, str]) -> Any:
    # By exact types first: they are nearly all there is, and the tests for the others are slow.
    kind = type(tree)
    if kind in _PLAIN:
        return tree
    if kind is Blank:
        return values.get(tree, _MISSING)  # type: ignore[call-overload]
    if kind is dict or isinstance(tree, Mapping):
        filled: dict[str, object] = {}
        for name, below in tree.items():  # type: ignore[attr-defined]
            value = below if type(below) in _PLAIN else _fill(below, values)
            if value is not _MISSING:
                filled[name] = value
        return filled
    if isinstance(tree, list | tuple):
        return [value for below in tree if (value := _fill(below, values)) is not _MISSING]
    return tree


#: Each may be a word, or a few digits, that stand in any reply.
_SHORT = frozenset({Blank.PASSWORD, Blank.PIN_DIGITS, Blank.SOCIAL_ID})
#: So many characters stand nowhere by chance.
_LONG = 11


def _scrubber(
    card: Plain | None, code: Secret | None, secret_fields: Mapping[Blank, Secret], account: AccountSecrets | None
) -> AnyScrubber | None:
    of_card = None if card is None else Scrubber(card.n, code.reveal() if code else None)
    if not secret_fields and account is None:
        return of_card
    texts = {blank: word.reveal() for blank, word in secret_fields.items()}
    of_account = () if account is None else account.texts.values()
    short = [text for blank, text in texts.items() if blank in _SHORT or len(text) < _LONG]
    short += [text for text in of_account if len(text) < _LONG]
    of_words = WordScrubber([text for text in (*texts.values(), *of_account) if text not in short], short)
    # The words first: a stripe's data holds the number, and would not be found once that is gone.
    return of_words if of_card is None else BothScrubbers(of_words, of_card)


def _scrubbed(reply: Reply, scrubber: AnyScrubber | None) -> Reply | None:
    """The reply without the card; None when that cannot be had."""
    try:
        if scrubber is None:
            return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.body)
        return Reply(reply.status, *scrubber.reply(reply.headers, reply.body))
    except Exception:  # whatever it is, it was made of the reply
        return None
