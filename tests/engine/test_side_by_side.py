"""The steps of a stage run side by side, on both nodes; what stops one lets the others finish."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from hamn_flow.engine.begin import resume, rollback, start
from hamn_flow.engine.halt import Halt, together
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import HamnError, Interrupted, Refused, StaleDriver, StepFailed, Unreachable
from hamn_flow.facts.abreast import MOST, answers, one_by_one, threads
from hamn_flow.journal import Journal
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import CommandEnded, Event, RunHalted, StepSettled
from hamn_flow.model.pair import NodeSpec, Policy
from hamn_flow.model.run import RunState
from hamn_flow.steps.step import Stage
from hamn_flow.transport.connection import Connection, Owner
from hamn_flow.transport.local import connect_local
from tests.engine.conftest import NODE, Bench, cluster, kill_wrapper
from tests.engine.toys import IsThere, Silent, Write, WriteUnless, WriteWhenTold
from tests.waiting import until

OTHER = NodeName("b")


def halted(bench: Bench, error: type[HamnError]) -> HamnError:
    with bench.desk() as desk, pytest.raises(error) as raised:
        start(desk, "toy", {})
    return raised.value


def test_each_step_of_a_stage_waits_for_another_one_and_all_end(bench: Bench) -> None:
    """One by one they would wait for ever: each is told to go by what the next one does while it runs."""
    names = ["one", "two", "three"]
    bench.procedure(
        [
            WriteWhenTold(
                node=node, path=bench.path(f"{name}.done"), runs=bench.path(f"{name}.runs"), go=bench.path(f"{go}.runs")
            )
            for name, go, node in zip(names, [*names[1:], names[0]], [NODE, OTHER, NODE], strict=True)
        ]
    )
    with bench.desk() as desk:
        start(desk, "toy", {})
    assert bench.states() == ["done"] * 3
    assert [bench.lines(f"{name}.runs") for name in names] == [1, 1, 1]


def test_a_failure_lets_its_siblings_finish_and_no_later_stage_begins(bench: Bench) -> None:
    bench.procedure(
        [
            Write(node=NODE, path=bench.path("one")),
            IsThere(node=NODE, path=bench.path("missing")),
            IsThere(node=OTHER, path=bench.path("lacking")),
            Write(node=OTHER, path=bench.path("two")),
        ],
        [Write(node=NODE, path=bench.path("later"))],
    )
    error = halted(bench, StepFailed)
    assert bench.states() == ["done", "failed", "failed", "done", "pending"]
    run = bench.only_run()
    assert run.summary.state is RunState.WAITING
    assert run.summary.halt is not None
    assert run.summary.halt.step == "a.is_there.missing"
    for said in (error.sentence, run.summary.halt.reason):
        assert (
            f"{bench.path('missing')} is missing; also b.is_there.lacking: {bench.path('lacking')} is missing" in said
        )
    assert error.hint == f"Type touch {bench.path('missing')}. Type touch {bench.path('lacking')}."


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_a_stage_half_done_is_resumed_or_rolled_back(way: str, bench: Bench) -> None:
    """What is done is looked at and not done again; only that is undone."""
    objecting = bench.path("objecting")
    Path(objecting).touch()
    bench.procedure(
        [
            Write(node=NODE, path=bench.path("one")),
            WriteUnless(node=NODE, path=bench.path("two"), objecting=objecting),
            Write(node=OTHER, path=bench.path("three")),
        ]
    )
    halted(bench, StepFailed)
    assert (bench.lines("one"), bench.lines("two"), bench.lines("three")) == (1, 0, 1)
    run = bench.only_run().summary.id
    Path(objecting).unlink()
    with bench.desk() as desk:
        state = resume(desk, run) if way == "resume" else rollback(desk, run)
    assert state is (RunState.DONE if way == "resume" else RunState.ROLLED_BACK)
    expected = (1, 1, 1) if way == "resume" else (0, 0, 0)
    assert (bench.lines("one"), bench.lines("two"), bench.lines("three")) == expected


def test_ctrl_c_lets_what_runs_end_and_nothing_begin(bench: Bench) -> None:
    told = WriteWhenTold(node=NODE, path=bench.path("one"), runs=bench.path("runs"), go=bench.path("go"))
    bench.procedure([told, Write(node=OTHER, path=bench.path("two"))], [Write(node=NODE, path=bench.path("three"))])
    bench.stop = lambda: bench.lines("runs") > 0

    def tell() -> None:
        until(lambda: bench.lines("runs") == 1)
        Path(bench.path("go")).touch()

    teller = threading.Thread(target=tell)
    teller.start()
    halted(bench, Interrupted)
    teller.join()
    assert bench.lines("one") == 1
    assert bench.lines("three") == 0
    bench.stop = lambda: False
    run = bench.only_run().summary.id
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert (bench.lines("one"), bench.lines("two"), bench.lines("three")) == (1, 1, 1)


def test_what_is_in_doubt_is_told_before_what_failed_and_only_with_the_halt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a lost command and the halt are one commit, though a sibling failed long before."""
    commits: list[tuple[type[Event], ...]] = []
    record = Journal.record

    def watched(journal: Journal, *events: Event) -> None:
        record(journal, *events)
        commits.append(tuple(type(event) for event in events))

    monkeypatch.setattr(Journal, "record", watched)
    told = WriteWhenTold(node=NODE, path=bench.path("one"), runs=bench.path("runs"), go=bench.path("go"))
    bench.procedure([IsThere(node=OTHER, path=bench.path("missing")), told])

    def lose() -> None:
        until(lambda: bench.lines("runs") == 1)
        kill_wrapper(bench)

    loser = threading.Thread(target=lose)
    loser.start()
    error = halted(bench, Unreachable)
    loser.join()
    assert "nor whether it still runs" in error.sentence
    assert "; also b.is_there.missing: " in error.sentence
    assert bench.states() == ["failed", "in_doubt"]
    assert commits[-1] == (CommandEnded, StepSettled, RunHalted)
    Path(bench.path("go")).touch()


def test_one_that_nobody_can_see_does_not_hide_that_others_are_done(bench: Bench) -> None:
    bench.procedure(
        [Silent(node=NODE, path=bench.path("one"), veil=bench.path("veil")), Write(node=OTHER, path=bench.path("two"))]
    )
    halted(bench, Unreachable)
    assert bench.states() == ["in_doubt", "done"]


# --- the parts -------------------------------------------------------------------------------------------------


def halt(step: str, *, unreachable: bool = False, cause: HamnError | None = None) -> Halt:
    return Halt(step=step, reason=f"{step} halts", hint="Wait.", unreachable=unreachable, cause=cause)


def test_the_gravest_halt_comes_first() -> None:
    by_gravity = [
        halt("stale", cause=StaleDriver("taken over")),
        halt("doubt", unreachable=True),
        halt("failed"),
        halt("stopped", cause=Interrupted("stopped")),
    ]
    assert together(by_gravity[::-1]).step == "stale"
    assert together(by_gravity[:0:-1]).step == "doubt"
    assert together(by_gravity[2:]).reason == "failed halts; also stopped: stopped halts"
    assert together(by_gravity[2:]).hint == "Wait."


@dataclass
class Crowd:
    """Counts how many are inside at the same time."""

    inside: int = 0
    most: int = 0

    def enter(self) -> None:
        with LOCK:
            self.inside += 1
            self.most = max(self.most, self.inside)
        until(lambda: self.most == MOST)
        with LOCK:
            self.inside -= 1


LOCK = threading.Lock()


def test_no_more_than_so_many_at_a_time_and_all_are_carried_out() -> None:
    crowd = Crowd()
    assert threads([crowd.enter] * (3 * MOST)) == (None,) * (3 * MOST)
    assert crowd.most == MOST


def test_the_answers_come_in_the_order_of_the_questions_and_errors_are_raised() -> None:
    for abreast in (threads, one_by_one):
        assert answers(abreast, [lambda: 1, lambda: 2, lambda: 3]) == (1, 2, 3)
        with pytest.raises(ZeroDivisionError):
            answers(abreast, [lambda: 1.0, lambda: 1 / 0])


def test_a_driver_that_dies_takes_its_siblings_along_where_they_go_one_by_one() -> None:
    ran: list[str] = []

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one_by_one([lambda: ran.append("first"), die, lambda: ran.append("never")])
    assert ran == ["first"]


@dataclass
class Turn:
    """A node's turn, and how many have come to wait for it."""

    lock: threading.RLock
    came: int = 0

    def __enter__(self) -> None:
        with LOCK:
            self.came += 1
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def links_to(connect: Callable[[NodeSpec], Connection]) -> Links:
    return Links(cluster=cluster(Policy()), world=World(connect=connect, who="tester@here", driver="test"))


def test_who_waited_while_a_node_was_sought_takes_the_answer() -> None:
    """Or a stage on a dead node would halt after as many timeouts as it has steps."""
    tries = 0

    def connect(spec: NodeSpec) -> Connection:
        nonlocal tries
        tries += 1
        until(lambda: turn.came >= MOST)
        raise Unreachable(f"{spec.name} does not answer")

    links = links_to(connect)
    links._turns[NODE] = turn = Turn(links._turns[NODE])  # type: ignore[assignment] # all that is used of a lock
    ended = threads([partial(links.reach, NODE)] * MOST)
    assert all(isinstance(error, Unreachable) for error in ended)
    assert tries == 1
    with pytest.raises(Unreachable):
        links.reach(NODE)
    assert tries == 2, "a later one tries anew"


def test_a_driver_that_has_left_does_not_claim_a_node(bench: Bench) -> None:
    """Ctrl-C twice, while a step was connecting: the next driver must not be taken for the stale one."""
    knocked, left = threading.Event(), threading.Event()
    base = bench.path("node")

    def connect(spec: NodeSpec) -> Connection:
        knocked.set()
        assert left.wait(30)
        return connect_local(spec, base=base)

    links = replace(links_to(connect), owner=Owner(run="run", driver="old"))
    ended: list[BaseException | None] = []
    step = threading.Thread(target=lambda: ended.extend(threads([partial(links.reach, NODE)])))
    step.start()
    assert knocked.wait(30)
    links.close()
    left.set()
    step.join(30)
    assert isinstance(ended[0], Unreachable)
    connection = connect_local(cluster(Policy()).node(NODE), base=base)
    assert connection.hello.generation == 0
    connection.close()


def test_a_plan_that_would_be_another_by_now_is_refused(bench: Bench) -> None:
    """A colleague moved the role between the question and the answer."""
    shown = [Stage(name="stage 1", steps=(Write(node=NODE, path=bench.path("shown")),))]
    bench.procedure([Write(node=NODE, path=bench.path("now"))])
    with bench.desk() as desk, pytest.raises(Refused, match="has changed since this plan was shown"):
        start(desk, "toy", {}, shown)
    with bench.desk() as desk:
        assert desk.journal.runs() == ()
        start(desk, "toy", {}, bench.stages)
    assert (bench.lines("shown"), bench.lines("now")) == (0, 1)


def test_a_rollback_follows_the_plan_and_not_the_clock(bench: Bench) -> None:
    """The first step was found done, fell back, and was done by a resume after all that stands upon it."""
    Path(bench.path("one")).write_text("before\n")
    missing = IsThere(node=NODE, path=bench.path("missing"))
    bench.procedure([Write(node=NODE, path=bench.path("one"))], [Write(node=NODE, path=bench.path("two"))], [missing])
    halted(bench, StepFailed)
    Path(bench.path("one")).unlink()
    run = bench.only_run().summary.id
    with bench.desk() as desk, pytest.raises(StepFailed):
        resume(desk, run)
    with bench.desk() as desk:
        assert rollback(desk, run) is RunState.ROLLED_BACK
    undone = [command.step for command in bench.run(run).commands if command.text.startswith("rm ")]
    assert undone == ["a.write.two", "a.write.one"]


def test_without_threads_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[int] = []
    assert threads([partial(done.append, number) for number in range(3)]) == (None,) * 3
    assert done == [0, 1, 2]
