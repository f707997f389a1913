"""Pipes that servers tell of their requests: they cost nothing, and nobody waits for them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from azukari.tools.tail import Pipe
from azukari.web.request_tail import FOLDER, MOST, RequestTail


@pytest.fixture
def taps(tmp_path: Path) -> Iterator[RequestTail]:
    taps = RequestTail(tmp_path)
    yield taps
    taps.close()


def test_where_nobody_watches_nothing_is_open(taps: RequestTail, tmp_path: Path) -> None:
    taps.look()
    assert not taps.open
    assert list(tmp_path.iterdir()) == []


def test_a_line_reaches_everybody_who_watches(taps: RequestTail, tmp_path: Path) -> None:
    pipes = [Pipe(tmp_path), Pipe(tmp_path)]
    taps.look()
    taps.look()
    taps.tell("one\n")
    taps.tell("two\n")
    for pipe in pipes:
        found, *lines = pipe.read()
        assert b'"event":"tail.found"' in found
        assert lines == [b"one", b"two"]
        pipe.close()
    taps.look()
    assert not taps.open


def test_a_reader_who_does_not_read_holds_up_nobody_and_hears_how_much_it_missed(
    taps: RequestTail, tmp_path: Path
) -> None:
    pipe = Pipe(tmp_path)
    taps.look()
    line = "x" * 400 + "\n"
    for _ in range(5_000):
        taps.tell(line)
    told = 0
    while lines := pipe.read():
        told += lines.count(line[:-1].encode())
    taps.tell("last\n")
    missed, last = pipe.read()
    assert told < 5_000
    assert f'"count":{5_000 - told}'.encode() in missed
    assert last == b"last"
    pipe.close()


def test_what_nobody_reads_any_more_is_taken_away(taps: RequestTail, tmp_path: Path) -> None:
    read, left = Pipe(tmp_path), Pipe(tmp_path)
    taps.look()
    os.close(left.handle)
    taps.tell("one\n")
    assert taps.open
    assert len(list((tmp_path / FOLDER).iterdir())) == 1
    os.close(read.handle)
    # As another process finds it, or this one after a restart.
    RequestTail(tmp_path).look()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_only_pipes_are_written_to_and_only_so_many(taps: RequestTail, tmp_path: Path) -> None:
    pipes = [Pipe(tmp_path) for _ in range(MOST + 1)]
    file, link = tmp_path / FOLDER / "0", tmp_path / FOLDER / "1"
    file.write_text("mine")
    link.symlink_to(file)
    taps.look()
    taps.tell("one\n")
    assert file.read_text() == "mine"
    assert [bool(pipe.read()) for pipe in pipes].count(True) == MOST
    for pipe in pipes:
        pipe.close()
