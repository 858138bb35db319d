"""The copies of two nodes of which one is slow: with the real launcher on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Event as Flag
from threading import Thread
from typing import cast

from hamn_flow.engine.begin import Desk
from hamn_flow.engine.copies import SOON, Copies
from hamn_flow.engine.links import Links
from hamn_flow.model.command import Command, Job, Key, NodeName
from hamn_flow.model.events import CheckpointReached, CopyMissed, Event, RunPlanned
from hamn_flow.model.pair import NodeSpec
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


def plan(desk: Desk) -> None:
    desk.journal.record(
        RunPlanned(run=RUN, procedure="toy", cluster="toys", cluster_path="c.toml", options={}, steps=())
    )


@contextmanager
def two_links(desk: Desk) -> Iterator[tuple[Copies, Connection, Slow, list[Event]]]:
    """The copies of a run, a link to each node, and what is noted."""
    noted: list[Event] = []
    owner = Owner(run=RUN, driver="test")
    plan(desk)
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
        assert slow.waits == [SOON, 0.0, 0.0, 0.0, SOON]
        assert other.fetch(RUN) == acting.fetch(RUN)


@dataclass
class Losing(Copies):
    """The copies of a driver that finds the link to the other node lost."""

    found: Callable[[Connection], None] = lambda _lost: None

    def send(self, acting: Connection, others: Iterable[Connection]) -> tuple[Connection, ...]:
        (other,) = others
        super().send(acting, [other])
        self.found(other)
        return (other,)


def test_a_node_that_is_sought_for_long_keeps_no_command_from_the_other(bench: Bench) -> None:
    sought, go = Flag(), Flag()
    ended: list[Job] = []
    with bench.desk() as desk:
        plan(desk)

        def connect(spec: NodeSpec) -> Connection:
            if seeking.is_alive() and spec.name == B:
                sought.set()
                go.wait(LONG)
            return desk.world.connect(spec)

        def seek(lost: Connection) -> None:
            """A step on the other node has found it lost as well, a moment before."""
            links._drop(lost)
            seeking.start()
            assert sought.wait(LONG)

        def act() -> None:
            links.launch(Key("k"), Command(node=A, argv=("true",)))
            ended.append(links.attach(A, Key("k"), LONG, lambda _key, _signal: None))

        owner = Owner(run=RUN, driver="test")
        links = Links(cluster=desk.cluster, world=replace(desk.world, connect=connect), owner=owner)
        links.copies = Losing(owner=owner, journal=desk.journal, record=desk.journal.record, found=seek)
        seeking, acting = Thread(target=links.reach, args=(B,)), Thread(target=act)
        with closing(links):
            links.connect()
            acting.start()
            acting.join(LONG / 3)
            in_time = [job.result for job in ended]
            assert seeking.is_alive()
            go.set()
            for thread in (acting, seeking):
                thread.join(LONG)
            assert in_time, "it waits for the other node"
            assert links.reached == (A, B), "the new link is not let go of"
