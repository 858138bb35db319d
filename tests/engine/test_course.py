"""A procedure is a graph of stages: each begins when those that it comes after are settled, beside all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamn_flow.engine.begin import resume, rollback, skip, start
from hamn_flow.engine.course import Course
from hamn_flow.errors import Invalid, StepFailed
from hamn_flow.facts.abreast import Abreast, Work, one_by_one, threads
from hamn_flow.model.events import CheckpointReached, StepSettled
from hamn_flow.model.run import RunState, stages_before
from hamn_flow.steps.step import Stage
from tests.engine.conftest import NODE, Bench
from tests.engine.toys import IsThere, Write, WriteWhenTold

After = tuple[str, ...] | None


def last_first(works: Sequence[Work]) -> tuple[BaseException | None, ...]:
    return one_by_one(works[::-1])[::-1]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Stages by number, each with some of those before it."""
    graph: dict[str, tuple[str, ...]] = {}
    for number in range(draw(st.integers(0, 8))):
        graph[str(number)] = tuple(draw(st.lists(st.sampled_from(list(graph)), unique=True))) if graph else ()
    return graph


class Watched:
    """Settles stages, and remembers which had ended when each began."""

    def __init__(self, failing: set[str]) -> None:
        self.failing = failing
        self.begun: dict[str, set[str]] = {}
        self.ended: set[str] = set()
        self.failed = False
        self._turn = Lock()

    def settle(self, stage: str) -> None:
        with self._turn:
            assert stage not in self.begun
            self.begun[stage] = set(self.ended)
            self.failed = self.failed or stage in self.failing
        if stage in self.failing:
            raise ValueError(stage)
        with self._turn:
            self.ended.add(stage)


@settings(deadline=None)  # threads wait for a core
@given(graph=graphs(), failing=st.sets(st.integers(0, 7).map(str), max_size=2))
@pytest.mark.parametrize("abreast", [one_by_one, last_first, threads])
def test_a_stage_begins_once_after_what_it_comes_after(
    abreast: Abreast, graph: Mapping[str, tuple[str, ...]], failing: set[str]
) -> None:
    watched = Watched(failing & graph.keys())
    said = Course(after=graph, settle=watched.settle, abreast=abreast).run()
    for stage, ended in watched.begun.items():
        assert ended >= set(graph[stage])
    assert sorted(map(str, said)) == sorted(watched.begun.keys() & watched.failing)
    if not said:
        assert watched.ended == graph.keys()
    else:
        assert all(not set(graph[stage]) & watched.failing for stage in watched.begun)


@pytest.mark.parametrize("abreast", [one_by_one, threads])
def test_a_long_row_of_stages_is_taken(abreast: Abreast) -> None:
    names = [str(number) for number in range(2000)]
    watched = Watched(set())
    after = {name: names[max(0, number - 1) : number] for number, name in enumerate(names)}
    assert Course(after=after, settle=watched.settle, abreast=abreast).run() == ()
    assert len(watched.ended) == 2000


def test_what_ends_the_driver_ends_the_course() -> None:
    class Killed(BaseException):
        pass

    def settle(stage: str) -> None:
        if stage == "two":
            raise Killed

    for abreast in (one_by_one, threads):
        with pytest.raises(Killed):
            Course(after={"one": (), "two": ("one",), "three": ("two",)}, settle=settle, abreast=abreast).run()


def laid(bench: Bench, *stages: tuple[str, After]) -> None:
    """A procedure of stages, each of which writes a file of its name."""
    bench.stages = [
        Stage(name=name, steps=(Write(node=NODE, path=bench.path(name)),), after=after) for name, after in stages
    ]


def test_a_stage_goes_on_while_later_ones_that_do_not_need_it_are_done(bench: Bench) -> None:
    """One stage after the other they would wait for ever: the first ends only when the third has run."""
    laid(bench, ("second", ()), ("third", ("second",)), ("fourth", None))
    first = WriteWhenTold(node=NODE, path=bench.path("first"), runs=bench.path("first.runs"), go=bench.path("third"))
    bench.stages = [Stage(name="first", steps=(first,)), *bench.stages]
    with bench.desk() as desk:
        name = start(desk, "toy", {})
        story = [event for _, _, event in desk.journal.events(name)]
    settled = [event.step for event in story if isinstance(event, StepSettled)]
    assert settled.index("a.write.second") < settled.index("a.write.first")
    assert settled[-1] == "a.write.fourth"
    reached = [event.checkpoint for event in story if isinstance(event, CheckpointReached)]
    assert reached == ["first", "second", "third", "fourth"], "a checkpoint says that all before it is settled"


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_what_was_done_ahead_of_a_stage_that_failed_is_kept_or_undone(way: str, bench: Bench) -> None:
    laid(bench, ("second", ()), ("third", ("second",)), ("fourth", None))
    bench.stages = [
        Stage(name="first", steps=(IsThere(node=NODE, path=bench.path("missing")),), after=()),
        *bench.stages,
    ]
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run()
    assert run.summary.checkpoint == "start"
    assert (bench.lines("second"), bench.lines("fourth")) == (1, 0)
    Path(bench.path("missing")).touch()
    with bench.desk() as desk:
        state = resume(desk, run.summary.id) if way == "resume" else rollback(desk, run.summary.id)
    assert state is (RunState.DONE if way == "resume" else RunState.ROLLED_BACK)
    expected = (1, 1, 1) if way == "resume" else (0, 0, 0)
    assert tuple(map(bench.lines, ("second", "third", "fourth"))) == expected


def test_a_rollback_that_keeps_a_step_stands_nowhere_before_what_it_keeps(bench: Bench) -> None:
    """Its stage was done ahead of one that failed, and that a person then let out."""
    Path(bench.path("there")).touch()
    laid(bench, ("second", ("zero",)), ("third", None))
    zero, first = (IsThere(node=NODE, path=bench.path(path)) for path in ("there", "missing"))
    bench.stages = [
        Stage(name="zero", steps=(zero,)),
        Stage(name="first", steps=(first,)),
        *bench.stages,
    ]
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run()
    assert (run.summary.checkpoint, bench.lines("second")) == ("zero", 1)
    with bench.desk() as desk:
        skip(desk, run.summary.id, "a.is_there.missing", "it never was")
        rollback(desk, run.summary.id, to="a.write.second")
    assert bench.only_run().summary.checkpoint == "zero"


def test_what_comes_after_an_empty_stage_comes_after_what_that_one_came_after(bench: Bench) -> None:
    laid(
        bench, ("first", None), ("second", ()), ("third", None), ("fourth", ("third",)), ("fifth", ("first", "fourth"))
    )
    bench.stages = [
        Stage(name=one.name, steps=() if one.name == "third" else one.steps, after=one.after) for one in bench.stages
    ]
    with bench.desk() as desk:
        start(desk, "toy", {})
    run = bench.only_run()
    assert {step.planned.stage: step.planned.after for step in run.steps} == {
        "first": None,
        "second": (),
        "fourth": ("first", "second"),
        "fifth": ("fourth",),
    }
    assert stages_before(run)["fifth"] == {"first", "second", "fourth"}


def test_a_stage_cannot_come_after_what_is_not_before_it(bench: Bench) -> None:
    laid(bench, ("first", ("second",)), ("second", ("nosuch",)))
    with bench.desk() as desk, pytest.raises(Invalid) as raised:
        start(desk, "toy", {})
    assert raised.value.problems == (
        "toy.py:1: stage first comes after second, which is no stage before it",
        "toy.py:1: stage second comes after nosuch, which is no stage before it",
    )
