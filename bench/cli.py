"""What the quick commands cost, as whole processes: --help, and status with 10,000 runs in the journal."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hamn_flow.journal import Journal, drive
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import RunBegun, RunEnded, RunHalted, RunPlanned, StepSettled
from hamn_flow.model.run import Direction, Holder, PlannedStep, RunState, StepState

PROCESSES = 21
RUNS = 10_000
STEPS = 80  # of the run that is open, as many as a planned failover has
ROOT = Path(__file__).parents[1]

_FLOOR = ("-c", "pass")
_PROGRAM = ("-c", "import sys; from hamn_flow.cli.main import main; sys.exit(main())")  # as the installed script does


def cli_help_s() -> dict[str, Any]:
    """The median time of `hamn-flow --help` in seconds; the bar is 0.15, the floor a Python that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        return _figure("cli_help_s", Path(folder) / "journal.db", "--help")


def cli_status_10k_s() -> dict[str, Any]:
    """The median time of `hamn-flow status` with 10,000 runs in the journal, in seconds; the bar is 0.25."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.db"
        _fill(journal)
        return _figure("cli_status_10k_s", journal, "status")


def _figure(name: str, journal: Path, *words: str) -> dict[str, Any]:
    """The medians of our process and of the floor, measured turn by turn."""
    environment = {**os.environ, "HAMN_FLOW_JOURNAL": str(journal), "HOME": str(journal.parent)}
    for argv in (_FLOOR, (*_PROGRAM, *words)):
        _seconds(argv, environment)  # what is compiled once, is compiled now
    ours, floors = [], []
    for _ in range(PROCESSES):
        floors.append(_seconds(_FLOOR, environment))
        ours.append(_seconds((*_PROGRAM, *words), environment))
    value, floor = statistics.median(ours), statistics.median(floors)
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "s",
        "floor": round(floor, 3),
        "ratio": round(value / floor, 1),
        "runs": PROCESSES,
    }


def _seconds(words: Sequence[str], environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own program with words of our own
        (sys.executable, *words), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60
    )
    return time.perf_counter() - begun


def _fill(path: Path) -> None:
    """A journal of 10,000 runs, the newest of which waits with all its steps."""
    holder = Holder(pid=os.getpid(), host="bench", user="root", since=_now(), what="bench")
    with drive(path, holder=holder, clock=_now) as journal:
        for first in range(0, RUNS - 1, 500):
            numbers = range(first, min(first + 500, RUNS - 1))
            journal.record(*(event for number in numbers for event in _run(f"r{number:05}", 2)))
        _open_run(journal)


def _run(run: str, steps: int) -> tuple[RunPlanned | RunBegun | RunEnded, ...]:
    planned = RunPlanned(
        run=run,
        procedure="planned-failover",
        cluster="bench",
        cluster_path="/etc/hamn-flow/cluster.toml",
        options={},
        steps=tuple(_step(number) for number in range(steps)),
    )
    begun = RunBegun(run=run, direction=Direction.FORWARD, who="root@bench", anew=True)
    return planned, begun, RunEnded(run=run, state=RunState.DONE)


def _open_run(journal: Journal) -> None:
    planned, begun, _ = _run("zzzzzz", STEPS)
    done = [
        StepSettled(run="zzzzzz", step=f"mn1.step./{number}", state=StepState.DONE, reason="done", changed=True)
        for number in range(STEPS // 2)
    ]
    halted = RunHalted(run="zzzzzz", step=f"mn1.step./{STEPS // 2}", reason="/install is busy", hint="End pid 42.")
    journal.record(planned, begun, *done, halted)


def _step(number: int) -> PlannedStep:
    return PlannedStep(
        name=f"mn1.step./{number}",
        stage=f"stage-{number // 4}",
        node=NodeName("mn1"),
        title="Unmount a shared file system, so that the other node may mount it.",
        kind="hamn_flow.steps.file_systems:Unmount",
        version=1,
        fields={"node": "mn1", "file_system": {"mount_point": f"/{number}", "source": "UUID=x", "type": "ext4"}},
    )


def _now() -> datetime:
    return datetime.now(UTC)
