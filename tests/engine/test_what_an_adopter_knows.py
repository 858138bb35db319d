"""What another machine makes of a run whose copies do not say all that was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from fcntl import LOCK_SH, flock
from pathlib import Path
from typing import cast

import pytest

from hamn_flow.engine import adopt
from hamn_flow.engine.begin import Desk, confirm, resume, rollback, start
from hamn_flow.errors import HamnError, LookFailed, StepFailed
from hamn_flow.facts.node import Nodes
from hamn_flow.journal.chain import Copy
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.events import CommandLaunched, CopyMissed, Event, StepSettled
from hamn_flow.model.pair import NodeSpec
from hamn_flow.model.probe import Probe, unknown
from hamn_flow.model.run import RunState, StepState
from hamn_flow.simulator.connection import raising
from hamn_flow.steps.step import Step
from hamn_flow.transport.connection import Connection, Keeping, Owner, Piece
from tests.engine.conftest import Bench
from tests.engine.test_copies import A, B, WriteSaving, away, base, copy_on, desk_elsewhere, launched
from tests.engine.toys import Announce, IsThere, Lines, Write
from tests.full_disk import without_room
from tests.waiting import until

Hindrance = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody reads the file meanwhile."""
    with file.open("rb") as reading:
        flock(reading, LOCK_SH)
        yield


@dataclass
class Hindered:
    """A link to a node that is kept from keeping the piece that tells of this step's first command.

    Where the driver `dies`, it does so once that command is launched, and has heard of nothing.
    """

    real: Connection
    copies: Path
    step: str
    hindrance: Hindrance = without_room
    dies: bool = False

    def keep(self, copy: str, piece: Piece) -> Keeping:
        if not self.step or f'"CommandLaunched",{{"run":"{copy}","step":"{self.step}"'.encode() not in piece.text:
            return self.real.keep(copy, piece)
        self.step = ""
        with self.hindrance(self.copies / f"{copy}.copy"), pytest.raises(LookFailed) as failed:
            self.real.keep(copy, piece)(60.0)
        return raising(failed.value)

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        self.real.launch(key, command, generation=generation, owner=owner)
        if self.dies and not self.step:
            raise Died

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


class Died(BaseException):
    """The machine that drives is gone: nothing more is said or done by it."""


def hindered(
    bench: Bench, desk: Desk, node: NodeName, step: Step, how: Hindrance = without_room, *, dies: bool = False
) -> Desk:
    """The same desk, with such a link to the node."""
    there = desk.world.connect

    def connect(spec: NodeSpec) -> Connection:
        real = there(spec)
        link = Hindered(real, Path(base(bench, node)) / "copies", step.name, how, dies=dies)
        return cast("Connection", link) if spec.name == node else real

    return replace(desk, world=replace(desk.world, connect=connect))


@pytest.mark.parametrize("how", [without_room, locked])
def test_a_node_that_could_not_keep_what_came_has_no_copy_that_seems_whole(bench: Bench, how: Hindrance) -> None:
    """Else an adopter would think that nothing was begun there since."""
    one, two = (Write(node=A, path=bench.path(name)) for name in ("one", "two"))
    three = WriteSaving(node=A, path=bench.path("three"), base=base(bench, A))
    bench.procedure([one], [two], [three])
    kept: list[bool] = []
    with bench.desk() as desk:

        def watch(event: Event) -> None:
            if isinstance(event, StepSettled) and event.step == two.name:
                kept.append((Path(base(bench, A)) / "copies" / f"{event.run}.copy").exists())

        watched = replace(desk, world=replace(desk.world, watch=watch))
        run = start(hindered(bench, watched, A, two, how), "toy", {})
        noted = [event.node for _, _, event in desk.journal.events(run) if isinstance(event, CopyMissed)]
        assert (kept, noted) == ([False], [A])
        saved = Copy.read(run, Path(f"{three.path}.saved").read_bytes())
        assert launched(saved) == {one.name, two.name, three.name}, "with the next command it has all of it again"
        assert copy_on(bench, A, run).commits == desk.journal.commits(run)


def test_what_a_driver_began_that_died_before_it_heard_that_it_was_not_kept_is_in_doubt(bench: Bench) -> None:
    """Its command ran on a node whose disk is full, and the other node had not heard of it yet."""
    one, two = (Write(node=A, path=bench.path(name)) for name in ("one", "two"))
    bench.procedure([one], [two])
    with bench.desk() as desk, pytest.raises(Died):
        start(hindered(bench, desk, A, two, dies=True), "toy", {})
    run = bench.only_run().summary.id
    until(lambda: two.name in launched(copy_on(bench, B, run)))
    cut_off(bench, run, two)
    with desk_elsewhere(bench) as desk:
        taken = adopt.take_over(desk, B, adopt.look_for(desk.world, desk.cluster, B))
        assert [step.state for step in taken.steps] == [StepState.DONE, StepState.IN_DOUBT]
        with pytest.raises(HamnError, match=f"{two.name}: it is not known whether this run did it"):
            rollback(desk, run)


def test_what_a_node_could_not_keep_before_is_sent_again_ahead_of_its_own_command(bench: Bench) -> None:
    one = Write(node=A, path=bench.path("one"))
    two = WriteSaving(node=B, path=bench.path("two"), base=base(bench, B))
    bench.procedure([one], [two])
    with bench.desk() as desk:
        run = start(hindered(bench, desk, B, one), "toy", {})
    assert launched(Copy.read(run, Path(f"{two.path}.saved").read_bytes())) == {one.name, two.name}


def test_what_a_node_could_not_keep_is_sent_again_at_the_end(bench: Bench) -> None:
    one = Write(node=A, path=bench.path("one"))
    bench.procedure([one])
    with bench.desk() as desk:
        run = start(hindered(bench, desk, B, one), "toy", {})
        assert copy_on(bench, B, run).commits == desk.journal.commits(run)


def halted(bench: Bench, *steps: Step, cut: Step) -> str:
    """A run that waits at its end; the copy on B knows nothing of what was done from that step on."""
    bench.procedure(*([step] for step in steps), [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    cut_off(bench, run, cut)
    return run


def cut_off(bench: Bench, run: str, step: Step) -> None:
    """Take from the copy on B what came from the last launch of that step on."""
    full = copy_on(bench, B, run)
    begun = max(
        number
        for number, commit in enumerate(full.commits)
        if any(isinstance(event, CommandLaunched) and event.step == step.name for _, _, event in commit.events())
    )
    place = Path(base(bench, B)) / "copies" / f"{run}.copy"
    place.write_bytes("".join(commit.line for commit in full.commits[:begun]).encode())


def adopted_from_b(desk: Desk) -> None:
    """Adopt it while A does not answer."""
    alone = away(desk, A)
    adopt.take_over(alone, B, adopt.look_for(alone.world, desk.cluster, B))


def test_all_that_a_driver_may_have_done_alone_on_a_node_is_in_doubt(bench: Bench) -> None:
    """Its link to the other node was lost: it went on for several steps, and a person must see to each of them."""
    one = Write(node=B, path=bench.path("one"))
    two, three = (Write(node=A, path=bench.path(name)) for name in ("two", "three"))
    run = halted(bench, one, two, three, cut=two)
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        assert [desk.journal.run(run).step(step.name).state for step in (two, three)] == [StepState.IN_DOUBT] * 2
        for step in (three, two):
            with pytest.raises(HamnError, match=f"{step.name}: it is not known whether this run did it"):
                rollback(desk, run)
            Path(step.path).unlink()
            confirm(desk, run, step.name, "I removed it")
        assert rollback(desk, run) is RunState.ROLLED_BACK
        assert (bench.lines("one"), bench.lines("two"), bench.lines("three")) == (0, 0, 0)


def test_what_a_resume_finds_done_and_nobody_knows_by_whom_a_rollback_still_asks_about(bench: Bench) -> None:
    """Else it would say that all is as before, with what the first driver did still there."""
    one, two = Write(node=B, path=bench.path("one")), Write(node=A, path=bench.path("two"))
    run = halted(bench, one, two, cut=two)
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        with pytest.raises(StepFailed):
            resume(desk, run)
        found = desk.journal.run(run).step(two.name)
        assert (found.state, found.doubted) == (StepState.SKIPPED, True)
        with pytest.raises(HamnError, match=f"{two.name}: it is not known whether this run did it"):
            rollback(desk, run)
        Path(two.path).unlink()
        confirm(desk, run, two.name, "I removed it")
        assert rollback(desk, run) is RunState.ROLLED_BACK
        assert (bench.lines("one"), bench.lines("two")) == (0, 0)


def test_a_person_is_asked_about_a_step_once_what_came_after_it_is_undone(bench: Bench) -> None:
    """Who brings a node back earlier may mount there what the other one still has mounted."""
    one, two, three = (Write(node=node, path=bench.path(name)) for node, name in ((B, "one"), (A, "two"), (B, "three")))
    run = halted(bench, one, two, IsThere(node=A, path=bench.path("gate")), three, cut=two)
    Path(bench.path("gate")).touch()
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        with pytest.raises(StepFailed):
            resume(desk, run)
        assert bench.lines("three") == 1
        with pytest.raises(HamnError, match=f"{two.name}: it is not known whether this run did it"):
            rollback(desk, run)
        assert (bench.lines("one"), bench.lines("three")) == (1, 0)


def test_a_look_that_is_not_answered_takes_no_doubt_away(bench: Bench) -> None:
    one, two = Write(node=B, path=bench.path("one")), Write(node=A, path=bench.path("two"))
    run = halted(bench, one, two, cut=two)
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        with pytest.raises(HamnError):
            resume(away(desk, A), run)
        assert desk.journal.run(run).step(two.name).doubted
        with pytest.raises(HamnError, match=f"{two.name}: it is not known whether this run did it"):
            rollback(desk, run)


def test_what_was_undone_may_have_been_done_again(bench: Bench) -> None:
    """With no link to the other node, whose copy still says that the run goes back."""
    one, two = Write(node=B, path=bench.path("one")), Write(node=A, path=bench.path("two"))
    bench.procedure([one], [two], [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk:
        with pytest.raises(StepFailed):
            start(desk, "toy", {})
        run = desk.journal.runs()[0].id
        rollback(desk, run, to=one.name)
        with pytest.raises(StepFailed):
            resume(desk, run, forward=True)
    cut_off(bench, run, two)
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        with pytest.raises(HamnError, match=f"{two.name}: it is not known whether this run did it"):
            rollback(desk, run)


@dataclass(frozen=True, kw_only=True)
class Veiled(Write):
    """Nothing is to be run for it; once that is said nobody can look at it until its veil is gone."""

    veil: str

    def probe(self, nodes: Nodes) -> Probe:
        veiled = nodes[self.node].get(Lines(path=self.veil)) is not None
        return unknown("a veil lies over it") if veiled else super().probe(nodes)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        del nodes
        Path(self.veil).touch()
        return iter(())


def test_a_run_that_nobody_adopted_asks_about_no_step_that_it_never_began(bench: Bench) -> None:
    one, two = Write(node=B, path=bench.path("one")), Veiled(node=A, path=bench.path("two"), veil=bench.path("veil"))
    bench.procedure([one], [two], [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk:
        with pytest.raises(HamnError, match="a veil lies over it"):
            start(desk, "toy", {})
        run = desk.journal.runs()[0].id
        Path(two.veil).unlink()
        Path(two.path).write_text("somebody else's\n")
        with pytest.raises(StepFailed):
            resume(desk, run)
        assert rollback(desk, run) is RunState.ROLLED_BACK
        assert (bench.lines("one"), bench.lines("two")) == (0, 1)


def test_a_rollback_asks_no_person_about_what_changes_nothing(bench: Bench) -> None:
    one, two = Write(node=B, path=bench.path("one")), Write(node=A, path=bench.path("two"))
    check, said = IsThere(node=A, path=bench.path("fact")), Announce(node=A, path=bench.path("said"))
    Path(check.path).touch()
    run = halted(bench, one, two, check, said, cut=two)
    Path(two.path).unlink()
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        assert rollback(desk, run) is RunState.ROLLED_BACK
        assert (bench.lines("one"), bench.lines("said")) == (0, 1)


def test_a_branch_that_an_adopter_has_left_behind_is_no_reason_to_refuse_the_next_one(bench: Bench) -> None:
    one, two = Write(node=B, path=bench.path("one")), Write(node=A, path=bench.path("two"))
    run = halted(bench, one, two, Write(node=A, path=bench.path("three")), cut=two)
    with desk_elsewhere(bench) as desk:
        adopted_from_b(desk)
        with pytest.raises(HamnError):
            resume(away(desk, A), run)
    with desk_elsewhere(bench, "third") as desk:
        found = adopt.look_for(desk.world, desk.cluster, A)
        assert len(found.copies[A].commits) > 0
        assert found.newest()[0] == B
        taken = adopt.take_over(desk, A, found)
        assert taken.summary.unseen == (A,)
        Path(bench.path("go")).touch()
        assert resume(desk, run) is RunState.DONE
