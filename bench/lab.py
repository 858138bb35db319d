"""`make bench-lab`: a planned failover on two real hosts, by hamn-flow and by a plain shell script, in turn on one lab.

Needs what `hamn-flow lab up` needs. Both do the same work; the script (failover.sh) believes every command, looks at
nothing and cannot go back. A round is a failover by each of them, there and back, and they take turns in going first. A
floor is what the script took in the same round: a noisy machine slows both.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamn_flow.errors import HamnError
from hamn_flow.lab import control
from hamn_flow.lab.down import down
from hamn_flow.lab.place import NODES, Lab
from hamn_flow.lab.up import Options, up

ROUNDS = 6  # an even number: each goes as often there as back
NAME = "bench"
SCRIPT = Path(__file__).with_name("failover.sh")
OUTAGE = ("stop_xcatd", "stop_database", "duplicate_check", "mounts", "start_database", "start_xcatd")


@dataclass(frozen=True, kw_only=True)
class Round:
    """One failover by each, in seconds: whole processes, and the time without xcatd's port (ours), or its parts."""

    ours: float
    outage: float
    script: float
    parts: float


def main() -> int:
    """Set a lab up, measure, print a figure a line, and take the lab down."""
    lab = Lab(name=NAME)
    try:
        up(lab, Options(), _say)
        _ours(lab, NODES[1])  # the first ones write markers, and make all tables on the second host
        _ours(lab, NODES[0])
        rounds = [_round(lab, number) for number in range(ROUNDS)]
        for figure in figures(rounds):
            sys.stdout.write(json.dumps(figure) + "\n")
    except HamnError as error:
        sys.stderr.write(f"{error.sentence}\n" + (f"HINT: {error.hint}\n" if error.hint else ""))
        return error.exit_status
    finally:
        down(lab, _say)
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def figures(rounds: list[Round]) -> list[dict[str, Any]]:
    """The medians: `failover_wall_s`, whose ratio is to be 0.9 at most, and `failover_outage_s`, 1.1 at most.

    A ratio is the median of the rounds' own ratios.
    """
    return [
        _figure("failover_wall_s", [one.ours for one in rounds], [one.script for one in rounds]),
        _figure("failover_outage_s", [one.outage for one in rounds], [one.parts for one in rounds]),
    ]


def _figure(name: str, values: list[float], floors: list[float]) -> dict[str, Any]:
    value, floor = statistics.median(values), statistics.median(floors)
    return {
        "name": name,
        "value": round(value, 2),
        "unit": "s",
        "floor": round(floor, 2),
        "ratio": round(statistics.median(one / other for one, other in zip(values, floors, strict=True)), 3),
        "runs": len(values),
    }


def _round(lab: Lab, number: int) -> Round:
    """A failover by one to the second host, and by the other back to the first."""
    if number % 2:
        script, parts = _script(lab, NODES[0], NODES[1])
        ours, outage = _ours(lab, NODES[0])
    else:
        ours, outage = _ours(lab, NODES[1])
        script, parts = _script(lab, NODES[1], NODES[0])
    return Round(ours=ours, outage=outage, script=script, parts=parts)


def _ours(lab: Lab, target: str) -> tuple[float, float]:
    """A planned failover by hamn-flow to that host."""
    begun = time.perf_counter()
    _run(lab, "hamn-flow", "start", "planned-failover", f"to={target}", "--yes")
    seconds = time.perf_counter() - begun
    newest = json.loads(_run(lab, "hamn-flow", "runs", "--json"))["runs"][0]["id"]
    shown = json.loads(_run(lab, "hamn-flow", "show", newest, "--json"))
    return seconds, float(shown["outage"]["xcatd"]["seconds"])


def _script(lab: Lab, source: str, target: str) -> tuple[float, float]:
    begun = time.perf_counter()
    said = _run(lab, "bash", str(SCRIPT), source, target)
    seconds = time.perf_counter() - begun
    parts = [line.split() for line in said.splitlines()]
    return seconds, sum(float(each) for name, each in parts if name in OUTAGE)


def _run(lab: Lab, *argv: str) -> str:
    ended = control.run(lab, argv, timeout=300.0)
    if ended.returncode:
        raise SystemExit(f"{argv} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
