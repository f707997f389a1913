"""A new payment type is one line of the table: every other place derives what it knows from there."""

import subprocess
import sys
from pathlib import Path

#: Runs in a process of its own: modules read the table when they are imported.
_WITH_A_NEW_WALLET = """
import asyncio, sys
from pathlib import Path
from azukari import payment_types

line = payment_types._away("koban", "Koban Pay", "JPY", own=("guild",), shows=("email",), storable=True)
payment_types.METHODS["koban"] = line

from azukari.processors import methods
from tests import house as houses
from tests.house import running, settings_for


async def unchecked(reply):
    "The API's description does not know the new type."


houses._hold_against_description = unchecked


async def main():
    assert "koban" in methods.OFFSITE & methods.METHODS & methods.STORABLE
    async with running(settings_for(Path(sys.argv[1]), None)) as house:
        details = {"type": "koban", "email": "taro@example.com", "guild": "salt"}
        order = {"amount": 1000, "currency": "JPY", "payment_details": details}
        paid = (await house.api.post("/payments", json=order)).json()
        shown = paid["payment_details"]
        assert (paid["status"], shown["email"]) == ("pending", "taro@example.com") and "redirect_url" in shown, paid
        assert "Koban Pay" in (await house.api.get(shown["redirect_url"], auth=None)).text

        await house.choose(payment_types={"JPY": ["koban"]})
        assert "koban" in [each["type_slug"] for each in (await house.api.get("/payment_methods")).json()]
        assert (await house.api.get("http://azukari.test/payment_methods/koban.svg", auth=None)).status_code == 200
        order = {"amount": 1000, "currency": "JPY", "mode": "customer_payment", "return_url": "https://shop.example/"}
        session = (await house.api.post("/sessions", json=order)).json()
        assert [each["type"] for each in session["payment_methods"]] == ["koban"], session
        assert "Koban Pay" in (await house.api.get(session["session_url"], auth=None)).text
        order = {"payment_details": {"type": "koban"}}
        paid = (await house.publishable.post(f"/sessions/{session['id']}/pay", json=order)).json()
        assert "redirect_url" in paid, paid


asyncio.run(main())
"""


def test_a_new_wallet_is_one_line_of_the_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITH_A_NEW_WALLET, str(tmp_path / "data")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
