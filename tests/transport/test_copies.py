"""Copies of journals on a node: appended to only where they are what the sender thinks, and there before a launch."""

from __future__ import annotations

from contextlib import suppress
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path

import pytest

from hamn_flow.errors import LookFailed, StaleDriver, Unreachable
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.transport.connection import Connection, Kept, Owner, Piece
from tests.claiming import claim
from tests.transport.conftest import Dial

OWNER = Owner(run="k7m2qx", driver="laptop:4711")
LINE = b"x" * 64 + b"\n"
LONG = 60.0


def kept(node: Connection, at: int, text: bytes, *, owner: Owner = OWNER) -> Kept:
    piece = Piece(at=at, text=text, generation=node.held().generation, owner=owner.text)
    said = node.keep("k7m2qx", piece)(LONG)
    assert said is not None
    return said


def test_a_piece_is_appended_only_where_the_copy_has_the_size_that_was_said(dial: Dial, base: Path) -> None:
    node, other = dial(), dial()
    claim(node, OWNER)
    assert (node.copies(), node.fetch("k7m2qx")) == ((), b"")
    assert kept(node, 0, b"one " + LINE) == Kept(size=69, end=LINE)
    assert kept(node, 0, b"again " + LINE) == Kept(size=69, end=LINE)
    assert kept(other, 69, b"two\n") == Kept(size=73, end=(LINE + b"two\n")[-65:])
    assert kept(node, 69, b"too late\n").size == 73
    assert node.fetch("k7m2qx") == b"one " + LINE + b"two\n"
    assert other.copies() == ("k7m2qx",)
    assert (base / "copies" / "k7m2qx.copy").stat().st_mode & 0o777 == 0o600


def test_it_is_there_before_what_is_launched_after_it(node: Connection, base: Path) -> None:
    generation = claim(node, OWNER)
    size = 0
    for number in range(20):
        piece = b"%d\n" % number * 9000
        said = node.keep("k7m2qx", Piece(at=size, text=piece, generation=generation, owner=OWNER.text))
        key = Key(f"k{number}")
        read = Command(node=NodeName("mn1"), argv=("wc", "-c", str(base / "copies" / "k7m2qx.copy")))
        node.launch(key, read, generation=generation, owner=OWNER)
        size += len(piece)
        job = node.wait(key, LONG)
        assert job.result is not None
        assert job.result.text.split()[0] == str(size)
        assert said(0.0) == Kept(size=size, end=piece[-65:]), "it was said before the launch was"


def test_a_driver_that_was_taken_over_adds_nothing_to_it(dial: Dial) -> None:
    """Also while it is read: what the heir reads after its claim is all that there will be of the other one."""
    driver, heir = dial(), dial()
    for turn in range(20):
        run, text = f"k{turn}", bytes([65 + turn]) * 30_000 + b"\n"
        generation = claim(driver, OWNER)
        pieces = [
            Piece(at=number * len(text), text=text, generation=generation, owner=OWNER.text) for number in range(9)
        ]
        sent = [driver.keep(run, piece) for piece in pieces]
        claim(heir, Owner(run=run, driver="heir"))
        read = heir.fetch(run)
        said: list[Kept | None] = []
        for keeping in sent:
            with suppress(StaleDriver):
                said.append(keeping(LONG))
        assert heir.fetch(run) == read
        assert len(read) == len(said) * len(text)


def test_a_driver_that_was_taken_over_sets_nothing_aside(dial: Dial) -> None:
    driver, heir, other = dial(), dial(), Owner(run="k7m2qx", driver="heir")
    generation = claim(driver, OWNER)
    kept(driver, 0, b"one\n")
    present = claim(heir, other)
    kept(heir, 4, b"two\n", owner=other)
    for said, owner in ((generation, OWNER), (present, OWNER), (generation, other)):
        with pytest.raises(StaleDriver):
            driver.set_aside("k7m2qx", generation=said, owner=owner)
    assert heir.fetch("k7m2qx") == b"one\ntwo\n"


def test_a_copy_set_aside_stays_under_another_name(node: Connection, base: Path) -> None:
    generation = claim(node, OWNER)
    for text in (b"first\n", b"second\n"):
        kept(node, 0, text)
        node.set_aside("k7m2qx", generation=generation, owner=OWNER)
    node.set_aside("k7m2qx", generation=generation, owner=OWNER)  # there is none
    assert kept(node, 0, b"third\n").size == 6
    assert node.copies() == ("k7m2qx",)
    assert sorted(path.read_text() for path in (base / "copies").iterdir()) == ["first\n", "second\n", "third\n"]


def test_who_only_asks_leaves_nothing_behind(node: Connection, base: Path) -> None:
    generation = claim(node, OWNER)
    assert node.keep("k7m2qx", Piece())(LONG) == Kept(size=0)
    assert (node.fetch("k7m2qx"), node.copies()) == (b"", ())
    node.set_aside("k7m2qx", generation=generation, owner=OWNER)
    assert not (base / "copies").exists()


def test_a_copy_that_cannot_be_read_is_not_taken_for_an_empty_one(node: Connection, base: Path) -> None:
    (base / "copies").mkdir(mode=0o700)
    (base / "copies" / "k7m2qx.copy").mkdir()  # opens, and is refused when it is read
    with pytest.raises(LookFailed, match=r"k7m2qx\.copy: Is a directory"):
        node.fetch("k7m2qx")
    with pytest.raises(LookFailed, match=r"k7m2qx\.copy: Is a directory"):
        node.keep("k7m2qx", Piece())(LONG)


def test_a_copy_that_somebody_else_has_locked_is_waited_for_a_moment_and_no_more(node: Connection, base: Path) -> None:
    claim(node, OWNER)
    kept(node, 0, b"one\n")
    with (base / "copies" / "k7m2qx.copy").open("rb") as file:
        flock(file, LOCK_EX)
        with pytest.raises(LookFailed, match=r"k7m2qx\.copy is locked: another connection"):
            kept(node, 4, b"two\n")
        with pytest.raises(LookFailed, match=r"k7m2qx\.copy is locked: another connection"):
            node.fetch("k7m2qx")
        with pytest.raises(LookFailed, match=r"k7m2qx\.copy is locked: another connection"):
            node.set_aside("k7m2qx", generation=1, owner=OWNER)
        said = node.keep("k7m2qx", Piece(at=4, text=b"two\n", generation=1, owner=OWNER.text))
        flock(file, LOCK_UN)
        assert said(LONG) == Kept(size=8, end=b"one\ntwo\n")
    assert node.fetch("k7m2qx") == b"one\ntwo\n"


def test_a_node_that_cannot_keep_it_says_so(node: Connection, base: Path) -> None:
    (base / "copies").touch()
    claim(node, OWNER)
    with pytest.raises(Unreachable, match="copies is not a folder of user"):
        kept(node, 0, b"text\n")
    with pytest.raises(Unreachable, match="a field that it cannot have"):
        node.fetch("../k7m2qx")
