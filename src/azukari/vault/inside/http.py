"""Orders over HTTPS."""

import logging
from typing import TYPE_CHECKING

from azukari.core.deadline import Deadline
from azukari.vault.inside.transport import Filled, Reply, ReplyUnknown, RequestNotSent

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
CONNECTIONS = 256
#: Bytes of a reply, decompressed; a charge's answer has a few thousand.
MAX_REPLY = 1024 * 1024


class HttpTransport:
    """One pool of connections to all processors: certificates verified, redirects not followed, no proxies."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: Filled) -> Reply:
        """Send it. Raises RequestNotSent when no connection, or no TLS, came about; ReplyUnknown after that."""
        import httpx

        try:
            with Deadline(request.timeout_seconds):
                return await self._exchange(self._connected(), request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RequestNotSent from error

    async def close(self) -> None:
        """Close the pool."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(self, client: "httpx.AsyncClient", request: Filled) -> Reply:
        call = client.stream(request.method, request.url, headers=dict(request.headers), content=request.body)
        async with call as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_REPLY:
                    raise ReplyUnknown("ReplyTooLarge")
        return Reply(response.status_code, dict(response.headers), bytes(body))

    def _connected(self) -> "httpx.AsyncClient":
        if self._client is None:
            self._client = _client()
        return self._client


def _client() -> "httpx.AsyncClient":
    # Loaded with the first order: an installation with the simulator alone never needs it.
    import httpx

    # At DEBUG the library logs reply headers as they come, a card echoed in one of them too.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        verify=True,
        follow_redirects=False,
        trust_env=False,
        headers={"user-agent": "Azukari"},
        # Each wait has the order's own limit; what is left to say is how long a connection may take.
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS // 4),
    )
