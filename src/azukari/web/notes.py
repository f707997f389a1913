"""What is not refused and still worth a line of the audit log: text that looks like a card number (SEC-18).

In a name or an address such text is refused (``members.Name``, the vault's reader). In a description, in metadata and
in an order number it is not, since one order number in ten looks like a card's: there it is noted.
"""

from azukari.core.pan import looks_like_card_number
from azukari.web.call import Call

_FREE = ("description", "external_order_num", "metadata")
ACTION = "card_number_in_text"


async def note_card_numbers(call: Call, body: object) -> None:
    """Leave an audit line, under the request's id, where one of a request's free texts looks like a card number."""
    if any(_suspicious(getattr(body, name, None)) for name in _FREE):
        await call.db.write(
            call.vault.audit, call.owner, id=call.new_id(), at=call.now, who=call.key.id, action=ACTION,
            object_id=call.request_id, result="noted",
        )  # fmt: skip


def _suspicious(given: object) -> bool:
    if isinstance(given, dict):
        return any(looks_like_card_number(text) for pair in given.items() for text in pair)
    return isinstance(given, str) and looks_like_card_number(given)
