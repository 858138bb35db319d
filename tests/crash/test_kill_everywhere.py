"""The driver is killed by SIGKILL at every commit, before, during and after every command, and over several at once.

The driver is a process of its own with the world in another. Resumed, the world equals that of an undisturbed run;
rolled back, the one before; a rollback killed and resumed likewise. In every case no invariant was ever broken and
no key ran twice.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal, Self

import pytest

from hamn_flow.journal import read
from hamn_flow.model.command import JobState
from hamn_flow.model.events import CommandLaunched
from hamn_flow.model.run import RunState
from hamn_flow.simulator.faults import DriverKilled, Lingers, Moment
from hamn_flow.simulator.world_process import WorldProcess
from tests.crash.zygote import Order

Database = Literal["postgresql", "sqlite"]
SHARDS = 8
MOMENTS = (Moment.BEFORE, Moment.DURING, Moment.AFTER)
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where the driver is killed: before its n-th commit, or around its n-th command; both from 1.

    The commands from `lingers` on, where there is one, still run when the next driver waits for them.
    """

    commit: int = 0
    command: int = 0
    moment: Moment = Moment.BEFORE
    lingers: int = 0

    def __str__(self) -> str:
        told = f"commit {self.commit}" if self.commit else f"{self.moment} command {self.command}"
        return f"{told} from {self.lingers} on" if self.lingers else told


@dataclass(frozen=True, kw_only=True)
class Drivers:
    """A world in a process of its own, and a maker of drivers."""

    world: WorldProcess
    zygote: subprocess.Popen[str]
    folder: Path
    database: Database

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    def drive(self, verb: str, point: Point | None = None) -> int:
        """A driver's exit status."""
        pid = self.prepare(verb, point)
        self.world.clear_faults()
        self.world.driver(pid)
        if point and point.command:
            self.world.fault(DriverKilled(passes=point.command - 1, moment=point.moment))
        if point and point.lingers:
            self.world.fault(Lingers(passes=point.lingers - 1, times=0, outlives=True))
        self.go()
        return self.ended()

    def prepare(self, verb: str, point: Point | None = None) -> int:
        """A driver that waits for the word; its pid."""
        order = Order(
            verb=verb,
            journal=str(self.journal),
            sockets=str(self.world.directory),
            database=self.database,
            killed_at_commit=point.commit if point else 0,
        )
        self._say(order.line)
        return self._heard()

    def go(self) -> None:
        """The word."""
        self._say("go")

    def ended(self) -> int:
        """The exit status of the driver that was told to go."""
        return self._heard()

    def killed(self, verb: str, point: Point) -> None:
        assert self.drive(verb, point) == -signal.SIGKILL, f"{verb} was not killed at {point}"

    def forget(self) -> None:
        """The standard pair, and no journal."""
        self.world.reset(self.database)
        for path in self.folder.glob("journal.db*"):
            path.unlink()

    def save(self, name: str) -> bytes:
        saved = self.folder / name
        shutil.rmtree(saved, ignore_errors=True)
        saved.mkdir()
        for path in self.folder.glob("journal.db*"):  # with its write-ahead log
            shutil.copy(path, saved)
        return self.world.snapshot()

    def load(self, name: str, snapshot: bytes) -> None:
        self.forget()
        for path in (self.folder / name).iterdir():
            shutil.copy(path, self.folder)
        self.world.restore(snapshot)

    def run_state(self) -> RunState | None:
        with read(self.journal) as reader:
            return next((summary.state for summary in reader.runs()), None)

    def commands(self) -> Counter[tuple[str, str]]:
        """How often each command ran on each node."""
        return Counter((str(line.node), line.text) for line in self.world.log())

    def running(self) -> int:
        """How many commands run on the nodes now."""
        jobs = (job for node in self.world.state().nodes.values() for job in node.launcher.jobs.values())
        return sum(job.state is JobState.RUNNING for job in jobs)

    def assert_nothing_ran_twice(self, point: Point) -> None:
        state = self.world.state()
        assert not state.violations, f"{point}: {state.violations}"
        assert not state.unknown, f"{point}: {state.unknown}"
        twice = [key for key, count in Counter(line.key for line in state.log).items() if count > 1]
        assert not twice, f"{point}: {twice}"

    def _say(self, line: str) -> None:
        assert self.zygote.stdin is not None
        self.zygote.stdin.write(line + "\n")
        self.zygote.stdin.flush()

    def _heard(self) -> int:
        assert self.zygote.stdout is not None
        return int(self.zygote.stdout.readline())

    @classmethod
    @contextmanager
    def at_work(cls, folder: Path, database: Database) -> Iterator[Self]:
        with WorldProcess(folder / "world", database=database) as world, zygote() as process:
            yield cls(world=world, zygote=process, folder=folder, database=database)


@contextmanager
def zygote() -> Iterator[subprocess.Popen[str]]:
    """A maker of drivers."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def points(commits: int, commands: int) -> list[Point]:
    """All of them."""
    at_commits = [Point(commit=number) for number in range(1, commits + 1)]
    around_commands = [Point(command=number, moment=moment) for number in range(1, commands + 1) for moment in MOMENTS]
    return at_commits + around_commands


def mine(all_points: Sequence[Point], shard: int) -> Sequence[Point]:
    return all_points[shard::SHARDS]


def side_by_side(journal: Path) -> list[Point]:
    """For each stage that launches several commands at once, the k-th of them, from the second on; so many run then."""
    with read(journal) as reader:
        run = reader.run("crashy")
        launched = [event.step for _, _, event in reader.events("crashy") if isinstance(event, CommandLaunched)]
    found: list[Point] = []
    first = 1
    for _, group in groupby(launched, key=lambda step: run.step(step).planned.stage):
        steps = list(group)
        last = first + len(set(steps))  # a step launches its second command when its first has ended
        found += [Point(command=k, moment=Moment.AFTER, lingers=first) for k in range(first + 1, last)]
        first += len(steps)
    return found


def commits_in(journal: Path) -> int:
    """How often a driver committed: events of one commit bear the same time, to the microsecond."""
    with read(journal) as reader:
        return len({at for _, at, _ in reader.events("crashy")})


@pytest.fixture
def drivers(tmp_path: Path, database: Database) -> Iterator[Drivers]:
    with Drivers.at_work(tmp_path, database) as at_work:
        yield at_work


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("database", ["postgresql"])
def test_killed_anywhere_on_its_way_a_run_is_resumed_or_rolled_back(
    drivers: Drivers, shard: int, record_property: Callable[[str, object], None]
) -> None:
    before = drivers.world.digest()
    assert drivers.drive("start") == 0
    undisturbed = drivers.world.digest()
    commits, commands = commits_in(drivers.journal), len(drivers.world.log())
    cases = 0
    for point in mine(points(commits, commands), shard):
        drivers.forget()
        drivers.killed("start", point)
        state = drivers.run_state()
        if state is None:  # killed before the run was there: nothing was touched
            assert drivers.world.digest() == before
            assert drivers.drive("start") == 0
        snapshot = drivers.save("killed")
        if state is RunState.DONE:
            assert drivers.world.digest() == undisturbed, point
        elif state is not None:
            assert drivers.drive("resume") == 0, point
        assert drivers.world.digest() == undisturbed, point
        drivers.assert_nothing_ran_twice(point)
        drivers.load("killed", snapshot)
        assert drivers.drive("rollback") == 0, point
        assert drivers.world.digest() == before, point
        drivers.assert_nothing_ran_twice(point)
        cases += 2
    record_property("cases", cases)
    record_property("of", f"the driver of a planned failover killed, then resumed and rolled back ({drivers.database})")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("half", range(2))
@pytest.mark.parametrize("database", ["postgresql"])
def test_killed_while_commands_of_a_stage_run_side_by_side_a_run_is_resumed_or_rolled_back(
    drivers: Drivers, half: int, record_property: Callable[[str, object], None]
) -> None:
    before = drivers.world.digest()
    assert drivers.drive("start") == 0
    undisturbed, commands = drivers.world.digest(), drivers.commands()
    points = side_by_side(drivers.journal)[half::2]
    for point in points:
        drivers.forget()
        drivers.killed("start", point)
        assert drivers.running() > point.command - point.lingers, point
        snapshot = drivers.save("killed")
        assert drivers.drive("resume") == 0, point
        assert drivers.world.digest() == undisturbed, point
        assert drivers.commands() == commands, point
        drivers.assert_nothing_ran_twice(point)
        drivers.load("killed", snapshot)
        assert drivers.drive("rollback") == 0, point
        assert drivers.world.digest() == before, point
        assert drivers.running() == 0, point
        drivers.assert_nothing_ran_twice(point)
    record_property("cases", 2 * len(points))
    record_property("of", f"the driver killed while several commands ran, resumed and rolled back ({drivers.database})")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("database", ["postgresql"])
def test_killed_anywhere_on_its_way_back_a_rollback_is_resumed(
    drivers: Drivers, shard: int, record_property: Callable[[str, object], None]
) -> None:
    before = drivers.world.digest()
    assert drivers.drive("start") == 0
    done = drivers.save("done")
    forward_commits, forward_commands = commits_in(drivers.journal), len(drivers.world.log())
    assert drivers.drive("rollback") == 0
    commits = commits_in(drivers.journal) - forward_commits
    commands = len(drivers.world.log()) - forward_commands
    cases = 0
    for point in mine(points(commits, commands), shard):
        drivers.load("done", done)
        drivers.killed("rollback", point)
        state = drivers.run_state()
        if state is not RunState.ROLLED_BACK:
            assert drivers.drive("rollback" if state is RunState.DONE else "resume") == 0, point
        assert drivers.world.digest() == before, point
        drivers.assert_nothing_ran_twice(point)
        cases += 1
    record_property("cases", cases)
    record_property("of", f"the driver of a rollback killed, then resumed ({drivers.database})")


@pytest.mark.parametrize("database", ["postgresql"])
def test_two_resumes_at_once_never_run_a_step_twice(drivers: Drivers) -> None:
    """One gets the journal's lock; the other is refused while it lives, or finds the run done."""
    assert drivers.drive("start") == 0
    undisturbed = drivers.world.digest()
    with zygote() as second:
        other = replace(drivers, zygote=second)
        for command in range(5, 45, 8):
            point = Point(command=command)
            drivers.forget()
            drivers.killed("start", point)
            drivers.world.clear_faults()
            for one in (drivers, other):
                one.prepare("resume")
            for one in (drivers, other):
                one.go()
            ends = sorted(one.ended() for one in (drivers, other))
            assert ends in ([0, 5], [0, 6]), point
            assert drivers.world.digest() == undisturbed, point
            drivers.assert_nothing_ran_twice(point)
