"""The journal on both nodes, and who may take a run or a node from whom: with the real launcher on this machine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import cast

import pytest

from hamn_flow.engine import adopt, begin
from hamn_flow.engine.begin import Desk, resume, rollback, start
from hamn_flow.engine.claim import LeftRunning
from hamn_flow.engine.links import Links
from hamn_flow.errors import Busy, Interrupted, Refused, StaleDriver, StepFailed, Unreachable
from hamn_flow.facts.node import Nodes
from hamn_flow.journal import drive
from hamn_flow.journal.chain import Commit, Copy, Health, first_sum, next_sum
from hamn_flow.model.command import Command, JobState, Key, NodeName
from hamn_flow.model.events import (
    CommandCancelled,
    CommandEnded,
    CommandLaunched,
    CopyMissed,
    DriverCame,
    Event,
    JobsFound,
    NodeSeen,
    StepBegun,
)
from hamn_flow.model.pair import NodeSpec
from hamn_flow.model.run import Holder, RunState, StepState
from hamn_flow.transport.connection import Connection, Held, Keeping, Owner, Piece
from hamn_flow.transport.local import connect_local
from tests.claiming import claim
from tests.engine.conftest import NODE, NOON, Bench
from tests.engine.toys import IsThere, Write

A, B = NODE, NodeName("b")
SAVE = 'cp "$1/copies/"*.copy "$2"; echo written >> "$3"'


@dataclass(frozen=True, kw_only=True)
class WriteSaving(Write):
    """Write a line, and save what the node keeps of the journal just then."""

    base: str

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        del nodes
        yield Command(node=self.node, argv=("sh", "-c", SAVE, "sh", self.base, f"{self.path}.saved", self.path))


@contextmanager
def desk_elsewhere(bench: Bench, driver: str = "elsewhere") -> Iterator[Desk]:
    """A desk on another machine: its journal is another one."""
    holder = Holder(pid=2, host="there", user="tester", since=NOON, what="test")
    with bench.desk() as here, drive(bench.folder / f"{driver}.db", holder=holder, clock=lambda: NOON) as journal:
        yield replace(here, journal=journal, world=replace(here.world, driver=driver, who="tester@there"))


def base(bench: Bench, node: NodeName) -> str:
    return bench.path(f"node-{node}")


def copy_on(bench: Bench, node: NodeName, run: str) -> Copy:
    return Copy.read(run, (Path(base(bench, node)) / "copies" / f"{run}.copy").read_bytes())


def launched(copy: Copy) -> set[str]:
    events = (event for commit in copy.commits for _, _, event in commit.events())
    return {event.step for event in events if isinstance(event, CommandLaunched)}


def saving(bench: Bench, *names: str) -> list[WriteSaving]:
    nodes = (A, B)
    return [
        WriteSaving(node=nodes[number % 2], path=bench.path(name), base=base(bench, nodes[number % 2]))
        for number, name in enumerate(names)
    ]


def test_a_step_finds_its_own_intent_on_its_node_and_the_other_node_is_a_step_behind_at_most(bench: Bench) -> None:
    steps = saving(bench, "one", "two", "three", "four")
    bench.procedure(*([step] for step in steps))
    with bench.desk() as desk:
        run = start(desk, "toy", {})
        ours = desk.journal.commits(run)
    for number, step in enumerate(steps):
        copy = Copy.read(run, Path(f"{step.path}.saved").read_bytes())
        assert copy.health is Health.WHOLE
        assert {each.name for each in steps[: number + 1]} == launched(copy)
        begun = [event for _, _, event in copy.commits[-1].events() if isinstance(event, StepBegun)]
        assert [event.step for event in begun] == [step.name], "its intent is the last that was committed"
    for node in (A, B):
        assert copy_on(bench, node, run).commits == ours, "at the end both have all of it"


def test_a_node_that_does_not_answer_is_noted_once_and_not_waited_for(bench: Bench) -> None:
    bench.procedure(*([Write(node=A, path=bench.path(name))] for name in ("one", "two")))
    with bench.desk() as desk:
        run = start(away(desk, B), "toy", {})
        noted = [event for _, _, event in desk.journal.events(run) if isinstance(event, CopyMissed)]
        assert [(event.node, event.reason) for event in noted] == [(B, "it does not answer")]
        assert copy_on(bench, A, run).commits == desk.journal.commits(run)
    assert bench.slept == []


def test_a_disk_that_takes_no_copy_is_noted_and_the_run_goes_on(bench: Bench) -> None:
    bench.procedure([Write(node=A, path=bench.path("one"))])
    Path(base(bench, A)).mkdir(mode=0o700)
    (Path(base(bench, A)) / "copies").touch()
    with bench.desk() as desk:
        run = start(desk, "toy", {})
        noted = [event for _, _, event in desk.journal.events(run) if isinstance(event, CopyMissed)]
    assert [event.node for event in noted] == [A]
    assert "copies is not a folder of user" in noted[0].reason
    assert bench.lines("one") == 1


def away(desk: Desk, *nodes: NodeName) -> Desk:
    """The same desk, from which these nodes do not answer."""
    there = desk.world.connect

    def connect(spec: NodeSpec) -> Connection:
        if spec.name in nodes:
            raise Unreachable(f"{spec.name} does not answer")
        return there(spec)

    return replace(desk, world=replace(desk.world, connect=connect))


@pytest.mark.parametrize("went", ["found so", "to be done", "back"])
def test_what_may_have_been_begun_on_a_node_whose_copy_is_not_seen_is_in_doubt(bench: Bench, went: str) -> None:
    """The acting node is gone with the driver; the other one's copy lacks the step that was under way."""
    one, two = Write(node=B, path=bench.path("one")), Write(node=A, path=bench.path("two"))
    bench.procedure([one], [two], [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        run = start(desk, "toy", {})
    run = bench.only_run().summary.id
    full = copy_on(bench, B, run)
    before = next(
        number
        for number, commit in enumerate(full.commits)
        if any(isinstance(event, StepBegun) and event.step == two.name for _, _, event in commit.events())
    )
    place, parted = (Path(base(bench, node)) / "copies" / f"{run}.copy" for node in (B, A))
    place.write_bytes("".join(commit.line for commit in full.commits[:before]).encode())
    theirs = parted.read_bytes()
    if went != "found so":
        Path(two.path).unlink()
    with desk_elsewhere(bench) as desk:
        found = adopt.look_for(away(desk, A).world, desk.cluster, B)
        taken = adopt.take_over(away(desk, A), B, found)
        assert (taken.summary.id, taken.summary.unseen) == (run, (A,))
        assert taken.step(two.name).state is StepState.IN_DOUBT
        if went == "back":
            assert rollback(desk, run) is RunState.ROLLED_BACK
            assert (bench.lines("one"), bench.lines("two")) == (0, 0)
            return
        with pytest.raises(StepFailed):
            resume(desk, run)
        step = desk.journal.run(run).step(two.name)
        if went == "found so":
            assert step.state is StepState.SKIPPED
            assert "whether this run did it is not known" in step.reason
        else:
            assert step.state is StepState.DONE
        assert bench.lines("two") == 1
        assert list(Path(base(bench, A)).glob(f"copies/{run}.copy.aside")), "what parted is kept"
        assert desk.journal.run(run).summary.unseen == (), "it was brought up, and from then on is seen"
        parted.write_bytes(theirs)
        with pytest.raises(Busy, match="another driver has gone on"):
            resume(desk, run)


@contextmanager
def running(bench: Bench, run: str, go: Path) -> Iterator[Key]:
    """A command of a run that nobody knows, still running on a node whose driver let it go."""
    node = connect_local(NodeSpec(name=A, address="192.0.2.1"), base=base(bench, A))
    owner, key = Owner(run=run, driver="gone"), Key(f"{run}-1-1-0")
    text = 'turn=0; until [ -e "$1" ] || [ $turn = 600 ]; do turn=$((turn + 1)); sleep 0.05; done'
    command = Command(node=A, argv=("sh", "-c", text, "sh", str(go)))
    node.launch(key, command, generation=claim(node, owner), owner=owner)
    claim(node, Owner.nobody("released"))
    try:
        yield key
    finally:
        go.touch()
        node.wait(key, 60)
        node.close()


def test_nothing_is_launched_while_a_command_of_an_earlier_driver_runs(bench: Bench) -> None:
    go = Path(bench.path("go"))
    bench.procedure([Write(node=A, path=bench.path("one"))])
    Path(base(bench, A)).mkdir(mode=0o700)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(Path(bench.path("one")).exists())
        return len(asked) == 3

    bench.stop = stop
    with running(bench, "other1", go) as key, bench.desk() as desk:
        with pytest.raises(Interrupted, match="a command of an earlier driver"):
            start(desk, "toy", {})
        run = desk.journal.runs()[0].id
        found = [event for _, _, event in desk.journal.events(run) if isinstance(event, JobsFound)]
        assert [(event.node, event.keys) for event in found] == [(A, (key,))]
        assert asked == [False] * 3
        bench.stop = lambda: False
        go.touch()
        resume(replace(desk, world=replace(desk.world, stop_requested=lambda: False)), run)
    assert bench.lines("one") == 1


def test_it_is_ended_where_a_person_says_so(bench: Bench) -> None:
    bench.procedure([Write(node=A, path=bench.path("one"))])
    Path(base(bench, A)).mkdir(mode=0o700)
    with running(bench, "other1", Path(bench.path("go"))) as key, bench.desk() as desk:
        run = start(replace(desk, left_running=LeftRunning.CANCEL), "toy", {})
        ended = [event for _, _, event in desk.journal.events(run) if isinstance(event, CommandCancelled)]
        assert [(event.key, event.signal) for event in ended] == [(key, "TERM")]
        node = desk.world.connect(desk.cluster.node(A))
        job = node.ask(key)
        node.close()
        assert job.state is JobState.DONE
        assert job.result
        assert job.result.status == -15
    assert bench.lines("one") == 1


def test_a_run_that_waits_and_has_changed_nothing_holds_no_node(bench: Bench) -> None:
    bench.procedure([IsThere(node=A, path=bench.path("go"))], [Write(node=A, path=bench.path("one"))])
    with bench.desk() as desk, pytest.raises(Refused):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    assert holder(bench, A) == holder(bench, B) == f"- run {run} waits and has changed nothing"
    assert copy_on(bench, A, run).commits == copy_on(bench, B, run).commits, "its halt is in both"


def holder(bench: Bench, node: NodeName) -> str:
    """Who holds a node, as it says itself."""
    link = connect_local(NodeSpec(name=node, address="192.0.2.1"), base=base(bench, node))
    try:
        return link.held().owner
    finally:
        link.close()


def test_what_was_left_running_is_looked_for_again_where_the_link_was_lost_meanwhile(bench: Bench) -> None:
    asked: list[tuple[Key, ...]] = []

    def found(_connection: Connection, keys: tuple[Key, ...]) -> None:
        asked.append(keys)
        if len(asked) == 1:
            raise Unreachable("the link was lost")

    with bench.desk() as desk:
        links = Links(cluster=desk.cluster, world=desk.world, owner=Owner(run="r", driver="d"), found_running=found)
        with pytest.raises(Unreachable):
            links.reach(A)
        for _ in range(3):
            links.reach(A)
            links._drop(links._connection(A)[0])
        links.close()
    assert len(asked) == 2


def after_first_command(desk: Desk, deed: Callable[[], None]) -> Desk:
    """The same desk, where something happens once the first command has ended."""
    seen: list[Event] = []

    def watch(event: Event) -> None:
        if isinstance(event, CommandEnded):
            seen.append(event)
            if len(seen) == 1:
                deed()

    return replace(desk, world=replace(desk.world, watch=watch))


@pytest.mark.parametrize("node", [A, B], ids=["the acting node", "the other node"])
@pytest.mark.parametrize(
    ("to", "said"),
    [
        (Owner(run="other1", driver="admin2:7"), "was taken over: run other1, driver admin2:7, generation 2"),
        (Owner.nobody("released by root@vm: wrong window"), "was given up: released by root@vm: wrong window"),
    ],
    ids=["taken over", "released"],
)
def test_a_driver_that_a_node_obeys_no_more_halts_at_a_step_that_it_has_not_begun(
    bench: Bench, node: NodeName, to: Owner, said: str
) -> None:
    """That command was refused, or never sent: nothing about it is in doubt."""
    bench.procedure(*([Write(node=A, path=bench.path(name))] for name in ("one", "two", "three", "four")))

    def take() -> None:
        link = connect_local(NodeSpec(name=node, address="192.0.2.1"), base=base(bench, node))
        claim(link, to)
        link.close()

    with bench.desk() as desk, pytest.raises(StaleDriver) as stale:
        start(after_first_command(desk, take), "toy", {})
    assert stale.value.sentence == f"{node} {said}"
    run = bench.only_run()
    *done, refused = [step for step in run.steps if step.state is not StepState.PENDING]
    assert [step.state for step in done] == [StepState.DONE] * len(done)
    assert run.summary.halt
    assert (run.summary.halt.step, run.summary.halt.reason) == (refused.name, stale.value.sentence)
    assert (refused.state, refused.reason) == (StepState.FAILED, stale.value.sentence)
    assert run.commands[-1].last_lines == "(never launched)"
    assert sum(bench.lines(name) for name in ("one", "two", "three", "four")) == len(done) < 3


def test_a_link_to_the_other_node_that_is_lost_is_noted(bench: Bench) -> None:
    bench.procedure(*([Write(node=A, path=bench.path(name))] for name in ("one", "two", "three")))
    made: dict[NodeName, Connection] = {}
    with bench.desk() as desk:

        def connect(spec: NodeSpec) -> Connection:
            made[spec.name] = desk.world.connect(spec)
            return made[spec.name]

        watched = replace(desk, world=replace(desk.world, connect=connect))
        run = start(after_first_command(watched, lambda: made[B].close()), "toy", {})  # noqa: PLW0108 - it is made later
        noted = [event for _, _, event in desk.journal.events(run) if isinstance(event, CopyMissed)]
        assert [event.node for event in noted] == [B]
        assert copy_on(bench, A, run).commits == desk.journal.commits(run)


def test_a_piece_of_an_earlier_link_that_comes_late_is_our_own(bench: Bench) -> None:
    """It comes in after the copy was looked at, and before the node was claimed."""
    bench.procedure([Write(node=A, path=bench.path("one"))], [IsThere(node=A, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    whole = copy_on(bench, A, run)
    place = Path(base(bench, A)) / "copies" / f"{run}.copy"
    place.write_bytes("".join(commit.line for commit in whole.commits[:-2]).encode())
    Path(bench.path("go")).touch()
    with bench.desk() as desk:

        class Late:
            def __init__(self, real: Connection) -> None:
                self._real = real

            def claim(self, owner: Owner, over: Held) -> Held:
                if len(copy_on(bench, A, run).commits) < len(whole.commits):
                    place.write_bytes("".join(commit.line for commit in whole.commits).encode())
                return self._real.claim(owner, over)

            def __getattr__(self, name: str) -> object:
                return getattr(self._real, name)

        def connect(spec: NodeSpec) -> Connection:
            real = desk.world.connect(spec)
            return cast("Connection", Late(real)) if spec.name == A else real

        resume(replace(desk, world=replace(desk.world, connect=connect)), run)
        noted = [event for _, _, event in desk.journal.events(run) if isinstance(event, CopyMissed)]
        assert noted == []
        assert copy_on(bench, A, run).commits == desk.journal.commits(run)


def test_a_node_whose_copies_cannot_be_read_keeps_no_run_from_being_adopted(bench: Bench) -> None:
    """Nor does a copy that a newer version wrote: only names of events are read of it."""
    bench.procedure([Write(node=A, path=bench.path("one"))], [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    for name in (A, B):
        node = connect_local(NodeSpec(name=name, address="192.0.2.1"), base=base(bench, name))
        claim(node, Owner.nobody("x" * 3000))
        node.close()
    (Path(base(bench, A)) / "copies").chmod(0o755)
    text = '{"version":99,"at":"2030-01-01T00:00:00.000000+00:00","events":[["CommandLaunched",{}],["NewThing",{}]]}'
    newer = Commit(text=text, sum=next_sum(first_sum("newer1"), text))
    (Path(base(bench, B)) / "copies" / "newer1.copy").write_text(newer.line)
    with desk_elsewhere(bench) as desk:
        found = adopt.look_for(desk.world, desk.cluster, B)
        assert (found.run, set(found.copies)) == (run, {B})
        assert adopt.take_over(desk, B, found).summary.unseen == (A,)


def test_where_no_copy_can_be_read_it_is_said_why(bench: Bench) -> None:
    """And nobody is told that there is none."""
    bench.procedure([Write(node=A, path=bench.path("one"))], [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    for name in (A, B):
        place = Path(base(bench, name)) / "copies" / f"{run}.copy"
        place.unlink()
        place.mkdir()
    with desk_elsewhere(bench) as desk, pytest.raises(Refused) as refused:
        adopt.look_for(desk.world, desk.cluster, B, run).newest()
    said = rf"there is no whole copy of run {run}: that on a cannot be read: .*; that on b cannot be read: .* directory"
    assert re.fullmatch(said, refused.value.sentence)
    for name in (A, B):
        shutil.rmtree(Path(base(bench, name)) / "copies")
        (Path(base(bench, name)) / "copies").touch()
    for given in (run, ""):
        with desk_elsewhere(bench) as desk, pytest.raises(Unreachable, match=r"could not do it: .*/copies: Not a dir"):
            adopt.look_for(desk.world, desk.cluster, B, given)


class Silent:
    """A link to a real node that takes pieces of a copy and never says so."""

    def __init__(self, real: Connection) -> None:
        self._real = real

    def keep(self, copy: str, piece: Piece) -> Keeping:
        said = self._real.keep(copy, piece)
        return (lambda _seconds: None) if piece.text else said

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@pytest.mark.parametrize("how", ["well", "no copy can be made", "nothing is said of it", "the node is away"])
def test_a_node_is_told_that_a_run_was_abandoned_only_if_it_keeps_that(bench: Bench, how: str) -> None:
    """Or another machine could go on with it from there, and nobody would know."""
    bench.procedure([Write(node=A, path=bench.path("one"))], [IsThere(node=A, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    if how == "no copy can be made":
        (Path(base(bench, B)) / "copies").chmod(0o755)
    with bench.desk() as desk:

        def connect(spec: NodeSpec) -> Connection:
            real = desk.world.connect(spec)
            return cast("Connection", Silent(real)) if spec.name == B else real

        if how == "nothing is said of it":
            given = replace(desk, world=replace(desk.world, connect=connect))
        else:
            given = away(desk, B) if how == "the node is away" else desk
        assert begin.abandon(given, run, "by hand") == (() if how == "well" else (B,))
        assert copy_on(bench, A, run).commits == desk.journal.commits(run)
    if how != "the node is away":
        assert holder(bench, B) == f"- run {run} was abandoned"


def test_what_is_told_from_side_to_side_is_told_in_the_order_of_the_commits(bench: Bench) -> None:
    bench.procedure([Write(node=A, path=bench.path(name)) for name in ("one", "two", "three")])
    turn, together = Lock(), Flag()
    told: list[Event] = []

    def watch(event: Event) -> None:
        if not turn.acquire(blocking=False):
            together.set()
            return
        told.append(event)
        if isinstance(event, CopyMissed):
            together.wait(1)
        turn.release()

    with bench.desk() as desk:
        run = start(away(replace(desk, world=replace(desk.world, watch=watch)), B), "toy", {})
        assert not together.is_set(), "two were told at the same time"
        recorded = [event for _, _, event in desk.journal.events(run)]
        assert told == [event for event in recorded if not isinstance(event, DriverCame | NodeSeen)]
