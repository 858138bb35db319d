"""The copies of two nodes of which one is slow: with the real launcher on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread
from typing import cast

from hamn_flow.engine.begin import Desk
from hamn_flow.engine.copies import SOON, Copies
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import CheckpointReached, CopyMissed, Event, RunPlanned
from hamn_flow.transport.connection import Connection, Keeping, Kept, Owner, Piece
from tests.claiming import claim
from tests.engine.conftest import NODE, Bench

A, B = NODE, NodeName("b")
RUN = "k7m2qx"
LONG = 30.0


@dataclass
class Slow:
    """A link to a real node whose word about what it keeps comes late."""

    real: Connection
    hangs: bool = False
    asked: Flag = field(default_factory=Flag)
    go: Flag = field(default_factory=Flag)
    waits: list[float] = field(default_factory=list)

    def keep(self, copy: str, piece: Piece) -> Keeping:
        said = self.real.keep(copy, piece)

        def kept(seconds: float) -> Kept | None:
            self.waits.append(seconds)
            if not self.hangs:
                return said(LONG)
            self.asked.set()
            return said(LONG) if self.go.wait(LONG if seconds > SOON else 0) else None

        return kept

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


@contextmanager
def two_links(desk: Desk) -> Iterator[tuple[Copies, Connection, Slow, list[Event]]]:
    """The copies of a run, a link to each node, and what is noted."""
    noted: list[Event] = []
    owner = Owner(run=RUN, driver="test")
    planned = RunPlanned(run=RUN, procedure="toy", cluster="toys", cluster_path="c.toml", options={}, steps=())
    desk.journal.record(planned)
    copies = Copies(owner=owner, journal=desk.journal, record=noted.append)
    with (
        closing(desk.world.connect(desk.cluster.node(A))) as acting,
        closing(desk.world.connect(desk.cluster.node(B))) as real,
    ):
        other = Slow(real)
        for link in (acting, cast("Connection", other)):
            copies.look(link)
            copies.bring(link, claim(link, owner))
        yield copies, acting, other, noted


def go_on(desk: Desk) -> None:
    desk.journal.record(CheckpointReached(run=RUN, checkpoint="one more"))


def test_a_node_that_hangs_while_it_is_brought_up_keeps_no_command_from_the_other(bench: Bench) -> None:
    with bench.desk() as desk, two_links(desk) as (copies, acting, slow, _):
        other = cast("Connection", slow)
        generation = other.held().generation
        go_on(desk)
        slow.hangs = True
        brought = Thread(target=copies.bring, args=(other, generation))
        sent = Thread(target=copies.send, args=(acting, [other]))
        brought.start()
        try:
            assert slow.asked.wait(LONG)
            sent.start()
            sent.join(LONG / 3)
            assert not sent.is_alive(), "it waits for the other node"
            assert brought.is_alive()
        finally:
            slow.go.set()
            brought.join(LONG)
            sent.join(LONG)
        copies.flush([acting, other])
        whole = "".join(commit.line for commit in desk.journal.commits(RUN)).encode()
        assert acting.fetch(RUN) == other.fetch(RUN) == whole


def test_a_late_node_is_waited_for_once_and_at_the_halt_once_more(bench: Bench) -> None:
    with bench.desk() as desk, two_links(desk) as (copies, acting, slow, noted):
        other = cast("Connection", slow)
        slow.hangs = True
        slow.waits.clear()
        for _ in range(4):
            go_on(desk)
            copies.send(acting, [other])
            copies.heard(acting)
        assert slow.waits == [SOON, 0.0, 0.0]
        assert noted == [CopyMissed(run=RUN, node=B, reason="it has not answered yet")]
        slow.go.set()
        copies.flush([acting, other])
        assert slow.waits == [SOON, 0.0, 0.0, SOON]
        assert other.fetch(RUN) == acting.fetch(RUN)
