"""One webhook over HTTP: to an address that was looked at, with limits on everything."""

import asyncio
import ssl
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from azukari.webhooks.addresses import Target

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
#: For what follows an answer's status.
REST_SECONDS = 2.0
#: Of an answer that nobody reads.
MOST_BYTES = 64 * 1024


class Posted(NamedTuple):
    """code: the receiver's, None where there was no answer. failure: our word for what went wrong then."""

    code: int | None
    failure: str | None


class Post:
    """Carries webhooks. No proxy, no redirect, no connection kept: the next one is looked at anew.

    trust: whose certificates are believed; the system's authorities unless given.
    """

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self._trust = trust
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def send(self, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes) -> Posted:
        """Send it to the first of the addresses that takes a connection."""
        import httpx  # not needed, and not loaded, before there is a webhook

        for address in addresses:
            try:
                return await self._exchange(_request(target, address, headers, body))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except httpx.TimeoutException:
                return Posted(None, "timeout")
            except httpx.HTTPError:
                return Posted(None, "broken")
        return Posted(None, "connect")

    async def close(self) -> None:
        """Let connections go."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def _exchange(self, request: "httpx.Request") -> Posted:
        import httpx

        response = await self._connected().handle_async_request(request)
        try:
            # What becomes of the rest does not matter: the status has said it all.
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(REST_SECONDS):
                    await _read_some(response)
        finally:
            await response.aclose()
        return Posted(response.status_code, None)

    def _connected(self) -> "httpx.AsyncHTTPTransport":
        import httpx

        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(
                verify=self._trust or ssl.create_default_context(),
                trust_env=False,
                retries=0,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._transport


async def _read_some(response: "httpx.Response") -> None:
    """So that a receiver may finish its sentence, and no more than that."""
    import httpx

    assert isinstance(response.stream, httpx.AsyncByteStream)
    size = 0
    async for chunk in response.stream:
        size += len(chunk)
        if size >= MOST_BYTES:
            return


def _request(target: Target, address: str, headers: Mapping[str, str], body: bytes) -> "httpx.Request":
    import httpx

    host = f"[{address}]" if ":" in address else address
    return httpx.Request(
        "POST",
        f"{target.scheme}://{host}:{target.port}{target.path}",
        headers={**headers, "Host": target.authority, "Connection": "close"},
        content=body,
        extensions={
            # The certificate must be the name's, whatever address we go to.
            "sni_hostname": target.host,
            "timeout": {
                "connect": CONNECT_SECONDS,
                "read": TOTAL_SECONDS,
                "write": TOTAL_SECONDS,
                "pool": TOTAL_SECONDS,
            },
        },
    )


async def within_limit(sending: Awaitable[Posted]) -> Posted:
    """The whole of a call's time, resolving included."""
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await sending
    except TimeoutError:
        return Posted(None, "timeout")
