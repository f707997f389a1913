"""``azukari clock``, each command in a process of its own, beside a server that sees it."""

import json
from typing import Any

from azukari.core.clock import DAY, MINUTE, parse_iso
from tests.house import Api, House
from tests.test_cli import azukari, done, of
from tests.time_travel.clocks import PATH, now_of


async def test_the_clock_is_set_and_shown(house: House, api: Api) -> None:
    def said(*words: str) -> Any:
        return json.loads(done("clock", *words, *of(house.parts.settings), "--json"))

    assert said("show")["real"] is True
    assert abs(parse_iso(said("advance", "P1D")["now"]) - house.clock.now() - DAY) < MINUTE
    assert (await api.get(PATH)).json()["real"] is False
    frozen = said("freeze")
    assert (await api.get(PATH)).json() == frozen
    assert said("set", "2001-02-03T04:05:06Z") == {**frozen, "now": "2001-02-03T04:05:06Z"}
    assert await now_of(api) == parse_iso("2001-02-03T04:05:06Z")
    assert done("clock", "show", *of(house.parts.settings)) == "2001-02-03T04:05:06Z  (standing still)\n"
    said("reset")
    assert (await api.get(PATH)).json()["real"] is True


def test_what_cannot_be_gets_a_sentence(house: House) -> None:
    where = of(house.parts.settings)
    for words, sentence in (
        (("set", "tomorrow"), "The value of now is invalid."),
        (("advance", "a while"), "The value of advance is invalid."),
        (("reset", "--merchant", "nobody"), "There is no merchant with this id."),
    ):
        ended = azukari("clock", *words, *where)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert sentence in ended.stderr
    done("merchants", "create", "Another shop", *where)
    assert "Say whose clock" in azukari("clock", "show", *where).stderr
