"""What the engine does where a driver, a command or a node ends in the middle of a step.

A driver that is killed is one that raises what nobody catches, just before or just after it commits.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn, cast

import pytest

from hamn_flow.engine.act import REATTACHED_DEADLINE
from hamn_flow.engine.begin import resume, rollback, skip, start
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import OutcomeUnknown, Refused, StepFailed, Unreachable
from hamn_flow.facts.node import Nodes
from hamn_flow.journal import Journal
from hamn_flow.model.command import Command, Job, Key
from hamn_flow.model.events import CommandEnded, Event
from hamn_flow.model.pair import NodeSpec, Policy
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.model.run import RunState
from hamn_flow.transport.connection import Connection, Owner
from hamn_flow.transport.local import connect_local
from hamn_flow.transport.session import Session
from tests.engine.conftest import NODE, Bench, cluster, kill_wrapper
from tests.engine.test_promises import started
from tests.engine.toys import WHEN_TOLD, Announce, IsThere, Lines, Silent, Write, WriteWhenTold
from tests.waiting import until


class Killed(BaseException):
    """The driver is killed: nothing but `finally` still runs."""


def die(*_: object) -> NoReturn:
    raise Killed


def kill_at_commit(patch: pytest.MonkeyPatch, kind: type[Event], *, before: bool) -> None:
    """Kill the driver at each commit that holds such an event."""
    real = Journal.record

    def record(journal: Journal, *events: Event) -> None:
        struck = any(isinstance(event, kind) for event in events)
        if struck and before:
            raise Killed
        real(journal, *events)
        if struck:
            raise Killed

    patch.setattr(Journal, "record", record)


def killed(bench: Bench, act: Callable[[Bench], None]) -> str:
    """Start or resume the toy procedure with a driver that is killed over it; the run's id."""
    with pytest.raises(Killed):
        act(bench)
    return bench.only_run().summary.id


def begin(bench: Bench) -> None:
    with bench.desk() as desk:
        start(desk, "toy", {})


def go_on(bench: Bench) -> None:
    with bench.desk() as desk:
        resume(desk, desk.journal.runs()[0].id)


def lose_the_driver(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the toy procedure with a driver that is killed once its first command is launched."""
    with monkeypatch.context() as patch:
        patch.setattr(Links, "attach", die)
        killed(bench, begin)


def orphan(bench: Bench) -> None:
    """Once the command of the only job runs, kill its wrapper: nobody will know how the command ended."""
    until(lambda: bench.lines("runs") == 1)
    kill_wrapper(bench)


@pytest.mark.parametrize("before", [True, False], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("resumed", [False, True], ids=["the first driver", "who resumes"])
def test_a_lost_command_is_not_repeated_wherever_the_driver_that_learns_of_it_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, resumed: bool, before: bool
) -> None:
    """The loss, the doubt and the halt are one commit: either all of them are known afterwards, or none."""
    go = Path(bench.path("go"))
    bench.procedure([WriteWhenTold(node=NODE, path=bench.path("one"), runs=bench.path("runs"), go=str(go))])
    if resumed:
        lose_the_driver(bench, monkeypatch)
        orphan(bench)
    run = learn_of_the_loss(bench, monkeypatch, resumed=resumed, before=before)
    if before:
        assert bench.run(run).commands[0].ended_at is None
        with bench.desk() as desk, pytest.raises(Unreachable, match=r"it is not known how `perl - .*` on a ended"):
            resume(desk, run)
    record = bench.run(run)
    assert record.summary.state is RunState.WAITING
    assert record.summary.halt is not None
    assert "nor whether it still runs" in record.summary.halt.reason
    assert bench.states() == ["in_doubt"]
    assert [command.last_lines for command in record.commands] == ["(its end is not known)"]
    go.touch()
    until(lambda: bench.lines("one") == 1)
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert (bench.lines("one"), bench.lines("runs"), len(bench.run(run).commands)) == (1, 1, 1)


def learn_of_the_loss(bench: Bench, monkeypatch: pytest.MonkeyPatch, *, resumed: bool, before: bool) -> str:
    """A driver, killed at the commit in which it says that the command is lost; the run's id."""
    real = Links.attach

    def attach(links: Links, *asked: Any) -> Job:
        if not resumed:
            orphan(bench)
        return real(links, *asked)

    with monkeypatch.context() as patch:
        patch.setattr(Links, "attach", attach)
        kill_at_commit(patch, CommandEnded, before=before)
        return killed(bench, go_on if resumed else begin)


@dataclass
class Patient:
    """A real connection that notes how long a command is waited for, and lets it end then."""

    real: Connection
    go: Path
    waited: list[float]

    def wait(self, key: Key, seconds: float) -> Job:
        self.waited.append(seconds)
        self.go.touch()
        return self.real.wait(key, 60.0)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


def test_a_site_that_gives_commands_more_time_gives_it_also_to_one_that_is_found_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.policy = Policy(deadline_factor=3.0)
    go, waited = Path(bench.path("go")), list[float]()
    bench.procedure(
        [WriteWhenTold(node=NODE, path=bench.path("one"), runs=bench.path("runs"), go=str(go))],
        [Write(node=NODE, path=bench.path("two"))],
    )
    with monkeypatch.context() as patch:
        patch.setattr(Links, "attach", die)
        run = killed(bench, begin)
    with bench.desk() as desk:

        def connect(spec: NodeSpec) -> Connection:
            return cast("Connection", Patient(desk.world.connect(spec), go, waited))

        world = replace(desk.world, connect=connect, monotonic=lambda: 0.0)
        assert resume(replace(desk, world=world), run) is RunState.DONE
    (found_again, launched) = waited
    assert found_again == 3 * REATTACHED_DEADLINE
    assert launched == 3 * Command(node=NODE, argv=("true",)).deadline


@dataclass(frozen=True, kw_only=True)
class WriteOnce(Write):
    """Write a line, once in every run; it can be taken back, and by itself shows no goal."""

    once: ClassVar[bool] = True

    def probe(self, nodes: Nodes) -> Probe:
        lines = nodes[self.node].get(Lines(path=self.path))
        return done(f"{lines} lines", seen={"lines": lines})

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        lines = nodes[self.node].get(Lines(path=self.path))
        return done("as before") if seen == {"lines": lines} else todo(f"{lines} lines")


def test_what_is_done_once_in_a_run_is_not_taken_as_done_because_of_its_undo(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undo's command ended well, the driver was killed over it, and the run is turned round."""
    bench.procedure([WriteOnce(node=NODE, path=bench.path("one"))])
    run = started(bench)
    real = Links.attach

    def end_and_die(links: Links, *asked: Any) -> NoReturn:
        real(links, *asked)
        raise Killed

    with monkeypatch.context() as patch, bench.desk() as desk:
        patch.setattr(Links, "attach", end_and_die)
        with pytest.raises(Killed):
            rollback(desk, run)
    assert bench.lines("one") == 0
    with bench.desk() as desk:
        assert resume(desk, run, forward=True) is RunState.DONE
    assert (bench.lines("one"), bench.states()) == (1, ["done"])


@dataclass(frozen=True, kw_only=True)
class Mount(Write):
    """Write a line; what takes it back, as soon as a file says so, takes with it what was written on top."""

    runs: str
    go: str
    on_top: str

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        del nodes, seen
        words = ("perl", "-", self.path, self.runs, self.go, self.on_top)
        yield Command(node=self.node, argv=words, text_in=WHEN_TOLD + TAKE_BACK, script="when_told.pl")


TAKE_BACK = "unlink $path, $ARGV[3];"


def test_what_a_way_back_still_takes_away_is_not_taken_as_there_when_it_is_turned_round(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what was settled is looked at once the driver before has nothing running any more."""
    below, top = bench.path("below"), bench.path("top")
    go = Path(bench.path("go"))
    mount = Mount(node=NODE, path=below, runs=bench.path("runs"), go=str(go), on_top=top)
    bench.procedure([mount], [Write(node=NODE, path=top)])
    Path(top).write_text("found so\n")  # so it is not taken back itself
    run = started(bench)
    with monkeypatch.context() as patch, bench.desk() as desk:
        patch.setattr(Links, "attach", die)
        with pytest.raises(Killed):
            rollback(desk, run)
    until(lambda: bench.lines("runs") == 1)
    real = Links.attach

    def attach(links: Links, *asked: Any) -> Job:
        go.touch()
        return real(links, *asked)

    monkeypatch.setattr(Links, "attach", attach)
    with bench.desk() as desk:
        assert resume(desk, run, forward=True) is RunState.DONE
    assert (bench.lines("below"), bench.lines("top")) == (1, 1)


def test_a_node_that_refuses_in_the_middle_of_a_run_leaves_it_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no Refused any more, which would say that nothing was touched."""
    bench.procedure([Write(node=NODE, path=bench.path("one"))], [Write(node=NODE, path=bench.path("two"))])
    real = Session.launch

    def launch(session: Session, key: Key, command: Command, **driver: Any) -> None:
        if command.argv[-1] == bench.path("two"):
            raise Refused("a could not start `tee`: No space left on device")
        real(session, key, command, **driver)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "launch", launch)
        run = started(bench, StepFailed)
    halt = bench.run(run).summary.halt
    assert halt is not None
    assert (bench.run(run).summary.state, halt.step, halt.reason) == (
        RunState.WAITING,
        "a.write.two",
        "a could not start `tee`: No space left on device",
    )
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert (bench.lines("one"), bench.lines("two")) == (1, 1)


def test_a_reboot_that_is_noticed_late_has_what_is_done_once_done_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the run is taken up, nobody answers; when it is looked at, the node is back, booted anew."""
    bench.procedure([Announce(node=NODE, path=bench.path("news"))], [IsThere(node=NODE, path=bench.path("awaited"))])
    run = started(bench, StepFailed)
    bench.boot_ids[NODE] = "another boot"
    monkeypatch.setattr(Links, "connect", lambda _links: None)
    Path(bench.path("awaited")).touch()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert (bench.lines("news"), bench.run(run).boot_ids[NODE]) == (2, "another boot")


def test_a_start_that_is_refused_closes_no_run_that_waits(bench: Bench) -> None:
    bench.procedure([IsThere(node=NODE, path=bench.path("awaited"))])
    run = started(bench, Refused)
    with bench.desk() as desk, pytest.raises(Refused, match="toy has no option colour"):
        start(desk, "toy", {"colour": "blue"})
    assert bench.run(run).summary.state is RunState.WAITING
    Path(bench.path("awaited")).touch()
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE


def test_a_step_in_doubt_cannot_be_skipped(bench: Bench) -> None:
    bench.procedure([Silent(node=NODE, path=bench.path("one"), veil=bench.path("veil"))])
    run = started(bench, Unreachable)
    with bench.desk() as desk, pytest.raises(Refused, match=r"the outcome of a\.write\.one is in doubt") as refused:
        skip(desk, run, "a.write.one", "never mind")
    assert "hamn-flow confirm" in refused.value.hint
    assert bench.states() == ["in_doubt"]
    with bench.desk() as desk:
        Path(bench.path("veil")).unlink()
        assert rollback(desk, run) is RunState.ROLLED_BACK
    assert bench.lines("one") == 0


def test_a_command_of_a_node_that_was_booted_since_is_not_called_never_launched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs of a node are forgotten by a boot, so that it knows nothing of a command that did run."""
    bench.procedure([Write(node=NODE, path=bench.path("one"))])
    with monkeypatch.context() as patch:
        patch.setattr(Links, "attach", die)
        run = killed(bench, begin)
    node = Path(bench.path("node-a"))
    until(lambda: any(node.glob("*/jobs/*/ended.*")))
    shutil.rmtree(node)
    bench.boot_ids[NODE] = "another boot"
    with bench.desk() as desk:
        assert resume(desk, run) is RunState.DONE
    assert bench.lines("one") == 1
    assert [command.last_lines for command in bench.run(run).commands] == ["(not known: the node was booted since)"]


@dataclass
class Cutting:
    """A real connection whose link is lost whenever a job is waited for."""

    real: Connection

    def wait(self, key: Key, seconds: float) -> Job:
        self.real.close()
        return self.real.wait(key, seconds)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


def cut_each_wait(real: Connection, _jobs: Path) -> Connection:
    return cast("Connection", Cutting(real))


def hide_the_job(real: Connection, jobs: Path) -> Connection:
    (jobs / "k").touch()  # where its folder should be
    return real


@pytest.mark.parametrize(
    ("trouble", "said", "keeps_its_link"),
    [(hide_the_job, r"a cannot say .*: Not a directory", True), (cut_each_wait, "the link to a was lost", False)],
)
def test_a_job_of_which_nothing_is_heard_is_unknown_in_the_end(
    tmp_path: Path, trouble: Callable[[Connection, Path], Connection], said: str, *, keeps_its_link: bool
) -> None:
    """It is asked for in growing pauses, past its deadline and the time for which a lost node is sought."""
    made: list[Connection] = []
    slept: list[float] = []

    def connect(spec: NodeSpec) -> Connection:
        assert len(made) < 30, "there is no end to it"
        real = connect_local(spec, base=str(tmp_path))
        (jobs,) = tmp_path.glob("*/jobs")
        made.append(trouble(real, jobs))
        return made[-1]

    links = Links(
        cluster=cluster(Policy(reconnect=20.0)),
        world=World(connect=connect, who="tester", driver="test", monotonic=lambda: sum(slept), sleep=slept.append),
        owner=Owner(run="run", driver="test"),
    )
    with pytest.raises(OutcomeUnknown, match=said):
        links.attach(NODE, Key("k"), 10.0, lambda _key, _signal: None)
    links.close()
    assert sum(slept) >= 30.0
    assert slept == sorted(slept)
    assert (len(made) == 1) is keeps_its_link


def test_a_node_that_cannot_be_claimed_is_let_go_of(tmp_path: Path) -> None:
    made: list[Connection] = []

    def connect(spec: NodeSpec) -> Connection:
        made.append(connect_local(spec, base=str(tmp_path)))
        for generations in tmp_path.glob("*/gen"):
            generations.rmdir()
        return made[-1]

    world = World(connect=connect, who="tester", driver="test")
    links = Links(cluster=cluster(Policy()), world=world, owner=Owner(run="run", driver="test"))
    with pytest.raises(Unreachable, match="No such file or directory"):
        links.reach(NODE)
    with pytest.raises(Unreachable, match="the connection to a was closed"):
        made[0].ask(Key("k"))
