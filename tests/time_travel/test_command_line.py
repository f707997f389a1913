"""``azukari clock``, each command in a process of its own, beside a server that sees it."""

import json
from typing import Any

import pytest

from azukari.core.clock import DAY, MINUTE, parse_iso
from tests.commands import azukari, done, of
from tests.house import Api, House
from tests.time_travel.clocks import PATH, now_of


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_the_clock_is_set_and_shown(house: House, api: Api) -> None:
    def said(*words: str) -> Any:
        return json.loads(done("clock", *words, *of(house.services.settings), "--json"))

    assert abs(parse_iso(said("advance", "P1D")["now"]) - house.clock.now() - DAY) < MINUTE
    assert (await api.get(PATH)).json()["real"] is False
    frozen = said("freeze")
    assert (await api.get(PATH)).json() == frozen
    text = done("clock", "set", "2001-02-03T04:05:06Z", *of(house.services.settings))
    assert text == "2001-02-03T04:05:06Z  (standing still)\n"
    assert await now_of(api) == parse_iso("2001-02-03T04:05:06Z")
    said("reset")
    assert (await api.get(PATH)).json()["real"] is True


@pytest.mark.parametrize("engine", ["sqlite"])
def test_what_cannot_be_gets_a_sentence(house: House) -> None:
    where = of(house.services.settings)
    ended = azukari("clock", "set", "tomorrow", *where)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "The value of now is invalid: it must be a time" in ended.stderr
    done("merchants", "create", "Another shop", *where)
    assert "Say whose clock" in azukari("clock", "show", *where).stderr
