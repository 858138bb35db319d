"""What the engine promises, on steps that change real files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from hamn_flow.engine.begin import abandon, confirm, resume, rollback, skip, start
from hamn_flow.errors import Changed, HamnError, Interrupted, Invalid, Refused, RollbackFailed, StepFailed, Unreachable
from hamn_flow.model.pair import NodeSpec
from hamn_flow.model.run import Decision, RunState, StepState
from hamn_flow.transport.connection import Connection
from tests.engine.conftest import NODE, Bench, kill_wrapper
from tests.engine.toys import (
    Announce,
    Burn,
    IsThere,
    Silent,
    SwapCable,
    Write,
    WriteTwice,
    WriteUnless,
    WriteWhenFree,
    WriteWhenTold,
)
from tests.waiting import until


def started(bench: Bench, error: type[HamnError] | None = None) -> str:
    """Start the toy procedure, expecting that end; the run's id."""
    with bench.desk() as desk:
        if error is None:
            start(desk, "toy", {})
        else:
            with pytest.raises(error):
                start(desk, "toy", {})
    return bench.only_run().summary.id


def test_a_run_changes_what_is_to_do_and_says_why_it_left_the_rest(bench: Bench) -> None:
    Path(bench.path("there")).write_text("before\n")
    bench.procedure(
        [Write(node=NODE, path=bench.path("there"))],
        [Write(node=NODE, path=bench.path("one")), WriteTwice(node=NODE, path=bench.path("two"))],
    )
    run = bench.run(started(bench))
    assert [(step.name, step.state, step.reason) for step in run.steps] == [
        ("a.write.there", StepState.SKIPPED, "1 lines"),
        ("a.write.one", StepState.DONE, "1 lines"),
        ("a.write.two", StepState.DONE, "two lines"),
    ]
    assert (bench.lines("there"), bench.lines("one"), bench.lines("two")) == (1, 1, 2)
    assert run.summary.state is RunState.DONE
    assert run.summary.checkpoint == "stage 2"
    assert sorted((command.step, command.status) for command in run.commands) == [
        ("a.write.one", 0),
        ("a.write.two", 0),
        ("a.write.two", 0),
    ]


def test_a_rollback_undoes_only_what_the_run_changed_last_first(bench: Bench) -> None:
    Path(bench.path("there")).write_text("before\n")
    names = ["there", "one", "two"]
    bench.procedure(*([Write(node=NODE, path=bench.path(name))] for name in names))
    run = started(bench)
    with bench.desk() as desk:
        assert rollback(desk, run) is RunState.ROLLED_BACK
    undone = [command.step for command in bench.run(run).commands if command.text.startswith("rm ")]
    assert undone == ["a.write.two", "a.write.one"]
    assert [bench.lines(name) for name in names] == [1, 0, 0]
    assert bench.run(run).summary.checkpoint == "start"
    with bench.desk() as desk, pytest.raises(Refused, match="is rolled back; there is nothing to roll back"):
        rollback(desk, run)


def test_rollback_to_a_step_keeps_its_stage_and_the_run_can_go_on(bench: Bench) -> None:
    bench.procedure(*([Write(node=NODE, path=bench.path(name))] for name in ("one", "two", "three")))
    run = started(bench)
    with bench.desk() as desk:
        assert rollback(desk, run, to="a.write.one") is RunState.WAITING
    assert [bench.lines(name) for name in ("one", "two", "three")] == [1, 0, 0]
    assert bench.run(run).summary.checkpoint == "stage 1"
    with bench.desk() as desk:
        assert resume(desk, run, forward=True) is RunState.DONE
    assert [bench.lines(name) for name in ("one", "two", "three")] == [1, 1, 1]


def test_attempts_are_journalled_and_a_person_who_resumes_gets_new_ones(bench: Bench) -> None:
    folder = bench.path("folder")
    bench.procedure([WriteWhenFree(node=NODE, path=bench.path("one"), folder=folder)])
    run = started(bench, StepFailed)
    assert bench.slept == [3.0]
    halted = bench.run(run)
    assert [(attempt.number, attempt.wait) for attempt in halted.attempts] == [(1, 3.0), (2, None)]
    assert halted.summary.halt is not None
    assert halted.summary.halt.hint == f"Type mkdir {folder}."
    with bench.desk() as desk, pytest.raises(StepFailed):
        resume(desk, run)
    assert len(bench.run(run).attempts) == 4
    Path(folder).mkdir()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE


def test_what_was_seen_first_is_kept_by_a_retry(bench: Bench) -> None:
    """The second attempt sees one line where the first saw none; going back, none must be left."""
    bench.procedure([WriteTwice(node=NODE, path=bench.path("two"))])
    bench.stop = lambda: bench.lines("two") == 1
    run = started(bench, Interrupted)
    bench.stop = lambda: False
    with bench.desk() as desk, pytest.raises(StepFailed):  # it now has three lines, which is never two
        resume(desk, run)
    assert bench.run(run).steps[0].seen == {"lines": None}
    with bench.desk() as desk:
        rollback(desk, run)
    assert not Path(bench.path("two")).exists()


def test_remedies_are_tried_one_by_one_until_an_attempt_succeeds(bench: Bench) -> None:
    folder = bench.path("folder")
    bench.procedure([WriteWhenFree(node=NODE, path=bench.path("one"), folder=folder, makes_folder=True)])
    run = bench.run(started(bench))
    assert [command.text.split()[0] for command in run.commands] == ["tee", "mkdir", "tee", "mkdir", "tee", "cp"]
    assert bench.slept == []


class LostAtLaunch:
    """A link that is lost at its first launch, and what happens until it is there again."""

    def __init__(self, real: Connection, meanwhile: Callable[[], None]) -> None:
        self._real, self._meanwhile = real, meanwhile

    def launch(self, *_what: object, **_by: object) -> None:
        self._meanwhile()
        raise Unreachable("the link was lost")

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@pytest.mark.parametrize("lost", [1, 2, 5])
@pytest.mark.parametrize("objects", [False, True])
def test_an_objection_is_asked_again_after_a_link_was_lost(bench: Bench, lost: int, *, objects: bool) -> None:
    """Until the link is there again the other node may have taken the role; and no such loss alone ends a run."""
    veto = Path(bench.path("veto"))
    bench.procedure([WriteUnless(node=NODE, path=bench.path("one"), objecting=str(veto))])
    losses = iter(range(lost))
    with bench.desk() as desk:

        def connect(spec: NodeSpec) -> Connection:
            real = desk.world.connect(spec)
            if spec.name != NODE or next(losses, None) is None:
                return real
            return cast("Connection", LostAtLaunch(real, veto.touch if objects else lambda: None))

        losing = replace(desk, world=replace(desk.world, connect=connect))
        if objects:
            with pytest.raises(StepFailed, match="objects"):
                start(losing, "toy", {})
        else:
            start(losing, "toy", {})
    assert bench.lines("one") == (0 if objects else 1)


def test_nothing_goes_past_an_objection(bench: Bench) -> None:
    veto = Path(bench.path("veto"))
    veto.touch()
    bench.procedure(
        [Write(node=NODE, path=bench.path("one"))],
        [WriteUnless(node=NODE, path=bench.path("two"), objecting=str(veto))],
    )
    run = started(bench, StepFailed)
    with bench.desk() as desk, pytest.raises(Refused, match=r"cannot be skipped: .* objects"):
        skip(desk, run, "a.write.two", "I am in a hurry")
    assert bench.lines("two") == 0
    veto.unlink()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    veto.touch()
    with bench.desk() as desk, pytest.raises(RollbackFailed, match="objects"):
        rollback(desk, run)
    assert (bench.lines("one"), bench.lines("two")) == (1, 1)
    veto.unlink()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.ROLLED_BACK


def test_a_failed_rollback_can_be_turned_round(bench: Bench) -> None:
    veto = Path(bench.path("veto"))
    bench.procedure(
        [WriteUnless(node=NODE, path=bench.path("one"), objecting=str(veto))],
        [Write(node=NODE, path=bench.path("two"))],
    )
    run = started(bench)
    veto.touch()
    with bench.desk() as desk, pytest.raises(RollbackFailed):
        rollback(desk, run)
    assert (bench.lines("one"), bench.lines("two")) == (1, 0)
    with bench.desk() as desk:
        assert resume(desk, run, forward=True) is RunState.DONE
    assert (bench.lines("one"), bench.lines("two")) == (1, 1)


def test_a_skipped_step_is_recorded_with_who_and_why_and_never_undone(bench: Bench) -> None:
    folder = bench.path("folder")
    bench.procedure(
        [WriteWhenFree(node=NODE, path=bench.path("one"), folder=folder)], [Write(node=NODE, path=bench.path("two"))]
    )
    run = started(bench, StepFailed)
    with bench.desk() as desk, pytest.raises(Refused, match="a decision needs a reason"):
        skip(desk, run, "a.write.one", " ")
    with bench.desk() as desk:
        skip(desk, run, "a.write.one", "not needed here")
        assert resume(desk, run) is RunState.DONE
    (decision,) = bench.run(run).decisions
    assert (decision.kind, decision.who, decision.why) == (Decision.SKIP, "tester@here", "not needed here")
    assert bench.states() == ["skipped", "done"]


def test_a_run_waits_for_a_person_and_believes_only_what_cannot_be_seen(bench: Bench) -> None:
    link = Path(bench.path("link"))
    bench.procedure([SwapCable(node=NODE, path=str(link), seen_by_us=True)])
    run = started(bench, HamnError)
    with bench.desk() as desk:
        confirm(desk, run, "a.swap_cable", "done by hand")
        with pytest.raises(HamnError, match="confirmed, but the link is down"):
            resume(desk, run)
    link.touch()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE


def test_a_person_settles_what_cannot_be_seen(bench: Bench) -> None:
    bench.procedure([SwapCable(node=NODE, path="", seen_by_us=False)])
    run = started(bench, HamnError)
    with bench.desk() as desk:
        confirm(desk, run, "a.swap_cable", "done by hand")
        assert resume(desk, run) is RunState.DONE


def test_what_cannot_be_looked_at_is_in_doubt_and_not_repeated(bench: Bench) -> None:
    veil = Path(bench.path("veil"))
    bench.procedure([Silent(node=NODE, path=bench.path("one"), veil=str(veil))])
    run = started(bench, Unreachable)
    with bench.desk() as desk, pytest.raises(Unreachable):
        resume(desk, run)
    assert (bench.states(), bench.lines("one"), bench.slept) == (["in_doubt"], 1, [])
    veil.unlink()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
        assert rollback(desk, run) is RunState.ROLLED_BACK
    assert bench.lines("one") == 0


def test_a_person_settles_what_stays_in_doubt(bench: Bench) -> None:
    bench.procedure([Silent(node=NODE, path=bench.path("one"), veil=bench.path("veil"))])
    run = started(bench, Unreachable)
    with bench.desk() as desk:
        confirm(desk, run, "a.write.one", "I looked behind the veil")
        assert resume(desk, run) is RunState.DONE
    assert bench.lines("one") == 1


def test_a_command_of_which_nobody_knows_how_it_ended_is_not_tried_again(bench: Bench) -> None:
    """Its wrapper on the node is killed, so that the command runs on and its status is never known."""
    go = Path(bench.path("go"))
    bench.procedure([WriteWhenTold(node=NODE, path=bench.path("one"), runs=bench.path("runs"), go=str(go))])

    def orphan() -> None:
        until(lambda: bench.lines("runs") == 1)
        kill_wrapper(bench)

    with ThreadPoolExecutor(1) as pool:
        killer = pool.submit(orphan)
        run = started(bench, Unreachable)
        killer.result()
    assert (bench.states(), bench.lines("one"), len(bench.run(run).commands)) == (["in_doubt"], 0, 1)
    go.touch()
    until(lambda: bench.lines("one") == 1)
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert (bench.lines("one"), len(bench.run(run).commands)) == (1, 1)


def test_no_way_back_past_what_is_irreversible(bench: Bench) -> None:
    bench.procedure(
        [Write(node=NODE, path=bench.path("one"))],
        [Burn(node=NODE, path=bench.path("two"))],
        [Write(node=NODE, path=bench.path("three"))],
    )
    run = started(bench)
    with bench.desk() as desk, pytest.raises(Refused, match="ink does not come off") as refused:
        rollback(desk, run)
    assert refused.value.hint == f"Type hamn-flow rollback {run} --to a.write.two to undo what came after it."
    with bench.desk() as desk:
        rollback(desk, run, to="a.write.two")
    assert [bench.lines(name) for name in ("one", "two", "three")] == [1, 1, 0]


def test_what_is_done_once_is_done_in_this_run_and_not_again(bench: Bench) -> None:
    Path(bench.path("news")).write_text("of an earlier run\n")
    bench.procedure([Announce(node=NODE, path=bench.path("news"))], [IsThere(node=NODE, path=bench.path("awaited"))])
    run = started(bench, StepFailed)
    assert bench.lines("news") == 2
    with bench.desk() as desk, pytest.raises(StepFailed):
        resume(desk, run)
    assert bench.lines("news") == 2
    bench.boot_ids[NODE] = "another boot"
    with bench.desk() as desk, pytest.raises(StepFailed):
        resume(desk, run)
    assert bench.lines("news") == 3
    Path(bench.path("awaited")).touch()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
        assert rollback(desk, run) is RunState.ROLLED_BACK
    assert bench.lines("news") == 3


def test_resume_looks_again_and_goes_on_from_what_no_longer_holds(bench: Bench) -> None:
    bench.procedure(
        [Write(node=NODE, path=bench.path("one"))],
        [Write(node=NODE, path=bench.path("two"))],
        [IsThere(node=NODE, path=bench.path("awaited"))],
    )
    run = started(bench, StepFailed)
    Path(bench.path("one")).unlink()
    Path(bench.path("awaited")).touch()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert (bench.lines("one"), bench.lines("two")) == (1, 1)
    assert sum(command.step == "a.write.one" for command in bench.run(run).commands) == 2


def test_a_check_that_fails_before_anything_was_touched_refuses(bench: Bench) -> None:
    bench.procedure([IsThere(node=NODE, path=bench.path("needed"))], [Write(node=NODE, path=bench.path("one"))])
    first = started(bench, Refused)
    Path(bench.path("needed")).touch()
    with bench.desk() as desk:
        second = start(desk, "toy", {})
    assert bench.run(first).summary.state is RunState.ABANDONED
    assert bench.run(second).summary.state is RunState.DONE


def test_a_run_that_changed_something_must_be_ended_before_another_begins(bench: Bench) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))], [IsThere(node=NODE, path=bench.path("needed"))])
    run = started(bench, StepFailed)
    with bench.desk() as desk:
        with pytest.raises(Refused, match=rf"run {run} .* is not finished"):
            start(desk, "toy", {})
        abandon(desk, run, "starting over")
        with pytest.raises(Refused):
            start(desk, "toy", {})
    shutil.copy(bench.path("one"), bench.path("needed"))
    assert bench.run(run).summary.state is RunState.ABANDONED


def test_a_stop_between_two_commands_leaves_a_run_that_goes_on(bench: Bench) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))], [Write(node=NODE, path=bench.path("two"))])
    bench.stop = lambda: bench.lines("one") == 1 and bench.lines("two") == 0
    run = started(bench, Interrupted)
    bench.stop = lambda: False
    assert bench.run(run).summary.state is RunState.WAITING
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE


def test_a_run_of_a_step_class_that_changed_is_refused_by_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))], [IsThere(node=NODE, path=bench.path("needed"))])
    run = started(bench, StepFailed)
    monkeypatch.setattr(IsThere, "version", 2)
    with bench.desk() as desk, pytest.raises(Changed, match=r"step a\.is_there\.needed cannot .* is version 2 now"):
        resume(desk, run)


def test_a_run_whose_finished_step_changed_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))], [IsThere(node=NODE, path=bench.path("needed"))])
    run = started(bench, StepFailed)
    Path(bench.path("needed")).touch()
    monkeypatch.setattr(Write, "version", 2)
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
        with pytest.raises(Changed, match=r"step a\.write\.one cannot"):
            rollback(desk, run)


@dataclass(frozen=True, kw_only=True)
class Untitled(Write):  # no docstring: dataclass makes one from the fields, which is no title
    pass


def test_a_step_without_a_title_is_refused(bench: Bench) -> None:
    bench.procedure([Untitled(node=NODE, path=bench.path("one"))])
    with bench.desk() as desk, pytest.raises(Invalid, match=r"the class of step a\.write\.one has no docstring"):
        start(desk, "toy", {})
