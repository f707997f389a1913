"""The published 3-D Secure test cards, by brand, and what a shopper does with them. Source: contract 16.2."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

FRICTIONLESS = {"visa": "4100000000000100", "master": "5100000000000107", "jcb": "3528000000000106"}
CHALLENGE = {"visa": "4100000000005000", "master": "5100000000005007", "jcb": "3528000000005006"}
FAILS_ON_VISIT = {"visa": "4100000000500000", "master": "5100000000500007", "jcb": "3528000000500006"}
CHALLENGE_FAILS = {"visa": "4100000000300005", "master": "5100000000300002", "jcb": "3528000000300001"}
#: What the network of a card says of a yes, and of a no.
ECI = {"visa": ("05", "07"), "jcb": ("05", "07"), "master": ("02", "00")}
RIGHT, FAILING = "123456", "111111"


def address(token: dict[str, Any]) -> tuple[str, str]:
    """The token's id and the state, from where its shopper is sent."""
    query = parse_qs(urlsplit(token["authentication_url"]).query)
    (token_id,), (state,) = query["token"], query["state"]
    return token_id, state
