"""Where a shopper answers a challenge: an address that is good once.

The state in it is a keyed hash over the token and a seed of its row. Nobody who reads the row, or the address of
another token, can make one; and with the seed gone, which goes with the first answer that ends it, there is none.
Source: SEC-23: a cross-site POST brings no SameSite cookie, so the address itself has to say who comes back.
"""

import base64
import hmac
from typing import NamedTuple
from urllib.parse import quote, unquote

from azukari.core.clock import Moment
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.tokens.store import Token
from azukari.vault import Vault
from azukari.wire.return_urls import with_query
from azukari.wiring import Services

#: Of a secure token, in the directory of public ids.
KIND = "secure_token"
PATH = "/three_d_secure_service/offsite"
#: Where a shopper is asked before an address that nobody has registered.
LEAVE = "/three_d_secure_service/leave"
_STATE_BYTES = 20


class Pages(NamedTuple):
    """The addresses of challenges. base_url: what ours start with."""

    base_url: str
    vault: Vault

    @classmethod
    def of(cls, services: Services) -> "Pages":
        """This installation's."""
        return cls(services.settings.base_url, services.vault)

    def show(self, token: Token, moment: Moment) -> SecureTokenOut:
        """A secure token with the address where it is verified."""
        return SecureTokenOut.of(token, self.address_of(token), moment)

    def address_of(self, token: Token) -> str | None:
        """None once it has been used."""
        if token.state_seed is None:
            return None
        return f"{self.base_url}{PATH}?token={token.id}&state={self._state_of(token)}"

    def admits(self, token: Token, state: str) -> bool:
        """Whether somebody comes from the token's own address, which has not been used yet."""
        return token.state_seed is not None and hmac.compare_digest(self._state_of(token).encode(), _bytes(state))

    def asking_first(self, url: str) -> str:
        """The address of ours that is kept in the place of one that shoppers are to be shown before they go there."""
        return f"{self._leave}{quote(url, safe='')}"

    def asks(self, url: str) -> bool:
        """Whether this is such an address."""
        return url.startswith(self._leave)

    def shown_first(self, token: Token) -> str | None:
        """That address, with the token in it; None: shoppers go straight back."""
        url = token.return_url or ""
        if not self.asks(url):
            return None
        return with_query(unquote(url.removeprefix(self._leave)), "secure_token_id", token.id)

    def way_back(self, token: Token) -> str:
        """Where its shopper goes in the end. Fixed when the token was made, never taken from an address."""
        if self.shown_first(token) is not None:
            return f"{self.base_url}{LEAVE}/{token.id}"
        return with_query(token.return_url or "", "secure_token_id", token.id)

    @property
    def _leave(self) -> str:
        return f"{self.base_url}{LEAVE}?to="

    def _state_of(self, token: Token) -> str:
        # Letters, mostly: digits alone could look like a card number, which no address of ours may.
        of = f"3ds {token.merchant_id} {token.mode} {token.id} {token.state_seed}"
        return base64.b32encode(self.vault.mac("pepper", of.encode())[:_STATE_BYTES]).decode().lower()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
