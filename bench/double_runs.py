"""How often a step's command ran twice: after a second process opened the same journal, and after a kill -9.

In both experiments the command is still running when the second process comes: it counts itself in a file, and ends
when it is told to. The first process lives on or is killed; the second one is to finish the run (`resume`, and what
DBOS calls recovery). Real processes, a real journal, and for hamn-flow a real launcher on this machine.
"""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from bench import driver, peers
from bench.awaited import Awaited
from hamn_flow.errors import Busy
from hamn_flow.journal import read
from hamn_flow.model.events import RunBegun
from hamn_flow.model.run import RunState
from tests.waiting import until

ROUNDS = 50  # of each experiment
ROUNDS_DBOS = 5
PATIENCE = 60.0  # seconds for a process to end
LOITER, LOITER_DBOS = 0.7, 5.0  # seconds in which the second process, once at work, may begin the command again

ROOT = Path(__file__).parents[1]
Round = Callable[[Path], int]
"""One go in a folder of its own: how often the command ran."""


def double_runs() -> dict[str, Any]:
    """In how many of 100 rounds a step's command ran more than once; it must be none."""
    return _figure("double_runs", (second_process, killed), ROUNDS)


def double_runs_dbos() -> dict[str, Any]:
    """The same of DBOS in its SQLite mode, in 10 rounds."""
    return _figure("double_runs_dbos", (second_process_dbos, killed_dbos), ROUNDS_DBOS)


def _figure(name: str, experiments: tuple[Round, ...], rounds: int) -> dict[str, Any]:
    twice = sum(count(experiment, rounds) for experiment in experiments)
    runs = rounds * len(experiments)
    return {"name": name, "value": twice, "unit": "rounds", "floor": 0, "ratio": round(twice / runs, 2), "runs": runs}


def count(experiment: Round, rounds: int) -> int:
    """In how many of so many rounds the command ran more than once."""
    twice = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            twice += experiment(Path(folder)) > 1
    return twice


def second_process(folder: Path) -> int:
    """A second driver resumes the run while the first one waits for the command; it is refused."""
    awaited = Awaited(folder=folder)
    with _driver("start", awaited) as first:
        until(lambda: awaited.times > 0)
        with _driver("resume", awaited) as second:
            _ended(second, Busy.exit_status)
        awaited.end()
        _ended(first, 0)
    return _counted(awaited)


def killed(folder: Path) -> int:
    """The driver is killed while the command runs, and another one resumes the run while it still does."""
    awaited = Awaited(folder=folder)
    with _driver("start", awaited) as first:
        until(lambda: awaited.times > 0)
        time.sleep(random.uniform(0.0, 0.2))  # noqa: S311 - to come at any time, not to be secret
        first.kill()
    with _driver("resume", awaited) as second:
        until(lambda: _sittings(folder) == 2)
        _loiter(awaited, LOITER)
        awaited.end()
        _ended(second, 0)
    return _counted(awaited)


def second_process_dbos(folder: Path) -> int:
    """A second process opens the same file while the first one waits for the command."""
    awaited = Awaited(folder=folder)
    with _dbos("start", awaited) as first:
        until(lambda: awaited.times > 0)
        with _dbos("recover", awaited) as second:
            _loiter(awaited, LOITER_DBOS)
            awaited.end()
            _demand(second.wait(PATIENCE) == first.wait(PATIENCE) == 0, "DBOS did not finish the workflow")
    return awaited.times


def killed_dbos(folder: Path) -> int:
    """The process is killed while the command runs, and another one recovers the workflow."""
    awaited = Awaited(folder=folder)
    with _dbos("start", awaited) as first:
        until(lambda: awaited.times > 0)
        first.kill()
        first.wait(PATIENCE)
        with _dbos("recover", awaited) as second:
            _loiter(awaited, LOITER_DBOS)
            awaited.end()
            _demand(second.wait(PATIENCE) == 0, "DBOS did not finish the workflow")
    return awaited.times


def _sittings(folder: Path) -> int:
    """How many drivers have taken the run up."""
    with read(driver.journal_of(folder)) as reader:
        return sum(isinstance(event, RunBegun) for _, _, event in reader.events(driver.RUN))


def _loiter(awaited: Awaited, seconds: float) -> None:
    """Time for the command to be begun again."""
    end = time.monotonic() + seconds
    while awaited.times < 2 and time.monotonic() < end:
        time.sleep(0.02)


@contextmanager
def _driver(verb: str, awaited: Awaited) -> Iterator[ForkServerProcess]:
    """A driver of ours, forked from a process that has imported everything; gone at the end of the block."""
    drivers = multiprocessing.get_context("forkserver")
    drivers.set_forkserver_preload([driver.__name__])
    started = drivers.Process(target=driver.live, args=(verb, awaited.folder))
    started.start()
    try:
        yield started
    except BaseException:
        awaited.end()
        started.kill()
        raise
    finally:
        started.join(PATIENCE)


@contextmanager
def _dbos(verb: str, awaited: Awaited) -> Iterator[subprocess.Popen[bytes]]:
    """A process of DBOS that has opened the file; gone at the end of the block."""
    argv = (peers.program("python"), "-m", "bench.dbos_flow", verb, str(awaited.folder))
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as started:  # noqa: S603 - our own program
        if started.stdout is None:
            raise AssertionError
        try:
            started.stdout.readline()
            yield started
        except BaseException:
            awaited.end()
            started.kill()
            raise


def _ended(started: ForkServerProcess, status: int) -> None:
    started.join(PATIENCE)
    _demand(started.exitcode == status, f"a driver ended with {started.exitcode}, not with {status}")


def _counted(awaited: Awaited) -> int:
    """How often the command ran, of a run that came to its end."""
    with read(driver.journal_of(awaited.folder)) as reader:
        _demand(reader.run(driver.RUN).summary.state is RunState.DONE, "the run did not come to its end")
    return awaited.times


def _demand(holds: bool, sentence: str) -> None:  # noqa: FBT001 - what is demanded
    if not holds:
        raise SystemExit(sentence)
