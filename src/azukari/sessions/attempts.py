"""What a try is made of, on its way in and until its end."""

from typing import NamedTuple

import msgspec

from azukari.processors.base import Consent
from azukari.tokens.sources import PaymentSource
from azukari.wire.return_urls import with_query


class Try(NamedTuple):
    """What is tried.

    capture: what a secret key wants of it. locale: of the payment. consent: to keeping the details.
    language: of our own page, where it is another than the session's.
    """

    source: PaymentSource
    capture: str | None = None
    locale: str | None = None
    consent: Consent | None = None
    language: str | None = None

    def back_to(self, url: str) -> str:
        """A page of ours the shopper comes back to, in the language the last one was left in."""
        return url if self.language is None else with_query(url, "locale", self.language)


class TryContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the end of a try needs beside its attempt, or what a try needs that begins after an authentication.

    secret: a secret key made it. entry_id: of the details to be kept; token_id: where they come from, if from there.
    email: the shopper's. locale: of the payment. redirect_url: of a page where the shopper decides.
    """

    secret: bool = False
    entry_id: str | None = None
    token_id: str | None = None
    email: str | None = None
    locale: str | None = None
    redirect_url: str | None = None

    def encoded(self) -> str:
        """JSON, as the session keeps it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, text: str | None) -> "TryContext":
        """What the session keeps."""
        return cls() if text is None else _decode(text)


_decode = msgspec.json.Decoder(TryContext).decode


def encoded(consent: Consent | None) -> str | None:
    """JSON, as the session keeps it."""
    return None if consent is None else msgspec.json.encode(consent).decode()
