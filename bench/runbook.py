"""A runbook of 20 commands that do nothing, over SSH, start included: hamn-flow beside ansible, pyinfra and a script.

All log in to the same two hosts and run `true` there, on either in turn, one after the other: ten times on each. Each
is its whole process, with connections of its own. hamn-flow's is a run as any other: an intent is on the disk before
each command, a look follows it, and then the outcome. The shell script is the floor: it believes every status.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.hosts import Hosts, two_hosts
from bench.ways import TURNS, Way, ansible, hamn_flow, journal_of, pyinfra, script
from hamn_flow.journal import read
from hamn_flow.model.run import RunState

ROUNDS = 5
WAYS = (script, hamn_flow, ansible, pyinfra)


def runbook() -> list[dict[str, Any]]:
    """`runbook_20_s`, whose bar is 1.5, and how many times as long `runbook_20_vs_ansible` and `_vs_pyinfra` take."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, two_hosts(Path(folder)) as hosts:
        ways = {make.__name__: make(hosts) for make in WAYS}
        for way in ways.values():
            _seconds(way, hosts)  # what is compiled once, is compiled now
        rounds = [{name: _seconds(way, hosts) for name, way in ways.items()} for _ in range(ROUNDS)]
        _demand_all_done(journal_of(hosts))
    took = {name: statistics.median(each[name] for each in rounds) for name in ways}
    ours = took["hamn_flow"]
    return [
        _figure("runbook_20_s", ours, "s", took["script"], ours / took["script"]),
        *(
            _figure(f"runbook_20_vs_{peer}", took[peer] / ours, "times", ours, took[peer] / ours)
            for peer in ("ansible", "pyinfra")
        ),
    ]


def _figure(name: str, value: float, unit: str, floor: float, ratio: float) -> dict[str, Any]:
    rounded = {"value": round(value, 2), "unit": unit, "floor": round(floor, 2), "ratio": round(ratio, 2)}
    return {"name": name, **rounded, "runs": ROUNDS}


def _seconds(way: Way, hosts: Hosts) -> float:
    """The time of the whole command; it must end well."""
    begun = time.perf_counter()
    ended = subprocess.run(  # noqa: S603 - programs and words of our own
        way.argv,
        cwd=hosts.folder,
        env=way.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    seconds = time.perf_counter() - begun
    way.afterwards()
    if ended.returncode:
        raise SystemExit(f"{way.argv} ended with {ended.returncode}:\n{ended.stdout.decode()}")
    return seconds


def _demand_all_done(journal: Path) -> None:
    """Every run of ours was carried out to its end, each step by one command that ended well."""
    with read(journal) as reader:
        runs = [reader.run(summary.id) for summary in reader.runs(limit=ROUNDS + 1)]
    for run in runs:
        if run.summary.state is not RunState.DONE or [row.status for row in run.commands] != [0] * len(TURNS):
            raise SystemExit(f"run {run.summary.id} is not what was to be measured")
