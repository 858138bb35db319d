"""How a failover went on in time, as the journal has it: by that a later one is struck at moments like its own."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from hamn_flow.journal import Reader, read
from hamn_flow.model.events import CommandLaunched, RunBegun, StepSettled
from hamn_flow.model.run import RunState, StepState
from tests.lab.proofs.pair import STARTED, Pair

_SETTLED = frozenset({StepState.DONE, StepState.SKIPPED})
_PAUSE = 0.01  # seconds between two looks into the journal
_LONGEST = 110.0  # seconds that a driver may take to come to a moment


@dataclass(frozen=True, kw_only=True)
class Moment:
    """So many seconds after so many steps were settled; or when the next one is, if that comes first."""

    settled: int
    seconds: float

    def __str__(self) -> str:
        """As it is told of a test that failed."""
        return f"{self.seconds:.2f} s after {self.settled} steps"


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When each step was settled, and when the last command was launched: seconds from the run's beginning."""

    settled: tuple[float, ...]
    last_launch: float

    def moments(self, count: int, seed: str) -> list[Moment]:
        """So many of its moments up to the last launch, at random, in their order.

        They are told by what was done until then, so that a run that is slower or faster is struck at the same places.
        """
        chance = random.Random(seed)  # noqa: S311 - not for secrets
        times = sorted(chance.uniform(0.0, self.last_launch) for _ in range(count))
        done = [[0.0, *(settled for settled in self.settled if settled <= at)] for at in times]
        return [Moment(settled=len(one) - 1, seconds=at - one[-1]) for at, one in zip(times, done, strict=True)]


def undisturbed(pair: Pair) -> Timeline:
    """That of a failover which one driver carried from its beginning to its end: the middle one of those there were.

    A new one's if there was none.
    """
    with read(pair.lab.journal) as reader:
        known = list(_undisturbed(reader))
    if not known:
        pair.succeed("start", STARTED, "--yes")
        with read(pair.lab.journal) as reader:
            known = list(_undisturbed(reader))
    return sorted(known, key=lambda one: one.last_launch)[len(known) // 2]


def _undisturbed(reader: Reader) -> Iterator[Timeline]:
    for summary in reader.runs():
        story = reader.events(summary.id) if (summary.procedure, summary.state) == (STARTED, RunState.DONE) else ()
        begun = [at for _, at, event in story if isinstance(event, RunBegun)]
        if len(begun) == 1:
            settled = (at for _, at, event in story if isinstance(event, StepSettled) and event.state in _SETTLED)
            launched = [at for _, at, event in story if isinstance(event, CommandLaunched)]
            yield Timeline(
                settled=tuple((at - begun[0]).total_seconds() for at in settled),
                last_launch=(launched[-1] - begun[0]).total_seconds(),
            )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run came, by the journal's tables, while a driver writes them (state/README.md)."""

    journal: sqlite3.Connection

    @classmethod
    @contextmanager
    def of(cls, pair: Pair) -> Iterator[Progress]:
        """Of the runs of a pair."""
        with closing(sqlite3.connect(f"{pair.lab.journal.as_uri()}?mode=ro", uri=True, timeout=10)) as journal:
            yield cls(journal=journal)

    def newest(self) -> str:
        """The newest run; empty if there is none."""
        rows = self.journal.execute("SELECT id FROM runs ORDER BY number DESC LIMIT 1").fetchall()
        return str(rows[0][0]) if rows else ""

    def drivers(self, run: str) -> int:
        """How many drivers have taken it up until now."""
        counted = "SELECT count(*) FROM events WHERE run = ? AND kind = 'RunBegun'"
        return int(self.journal.execute(counted, [run]).fetchone()[0])

    def settled(self, run: str) -> int:
        """How many of its steps are settled."""
        counted = "SELECT count(*) FROM steps WHERE run = ? AND state IN ('done', 'skipped')"
        return int(self.journal.execute(counted, [run]).fetchone()[0])


def wait_for_moment(progress: Progress, driver: subprocess.Popen[str], run: str, number: int, moment: Moment) -> None:
    """Wait until the run's driver of that number, counted from 1, comes to a moment; it must not end before."""
    since = None
    end = time.monotonic() + _LONGEST
    while driver.poll() is None:
        now = time.monotonic()
        assert now < end, f"the run did not come to {moment}"
        if progress.drivers(run) == number:
            ahead = progress.settled(run) - moment.settled
            since = now if since is None and ahead == 0 else since
            if ahead > 0 or (since is not None and now - since >= moment.seconds):
                return
        time.sleep(_PAUSE)
    raise AssertionError(f"it ended before it came to {moment}: {driver.communicate()[0]}")


def wait_for_run(progress: Progress, driver: subprocess.Popen[str], before: str) -> str:
    """Wait until a driver has begun a run; which."""
    end = time.monotonic() + _LONGEST
    while (newest := progress.newest()) == before:
        assert driver.poll() is None, f"it ended without a run: {driver.communicate()[0]}"
        assert time.monotonic() < end, "no run was begun"
        time.sleep(_PAUSE)
    return newest
