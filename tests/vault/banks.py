"""What the vault sends cards to, in the tests of the room."""

from azukari.vault import Blank, Filled, Outbound, Reply

ORDER = Outbound(
    "POST",
    "https://bank/charge",
    json={"n": Blank.NUMBER, "m": Blank.MONTH, "y": Blank.YEAR, "h": Blank.NAME, "c": Blank.VERIFICATION_VALUE},
)


class Bank:
    """Notes what it is sent."""

    def __init__(self) -> None:
        self.got: list[Filled] = []

    async def send(self, request: Filled) -> Reply:
        self.got.append(request)
        return Reply(200, {}, b"{}")
