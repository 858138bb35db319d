"""The driver is killed by SIGKILL at random moments of a failover, five times, and resumed each time.

Nothing is done twice and never two are active, whatever was under way. A test that fails prints its HAMN_FLOW_SEED,
which strikes the same places again.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections import Counter

import pytest

from hamn_flow.journal import read
from hamn_flow.lab.place import NODES
from hamn_flow.model.run import Run
from tests.lab.proofs import hostlog, served, timeline, traces
from tests.lab.proofs.pair import STARTED, Pair
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SEED = os.environ.get("HAMN_FLOW_SEED") or secrets.token_hex(4)
KILLS = 5
FAILOVERS = 10
_RESTARTED = "named"  # by makedns, once


@pytest.mark.parametrize("number", range(FAILOVERS))
def test_a_failover_whose_driver_is_killed_again_and_again(pair: Pair, number: int) -> None:
    known = timeline.undisturbed(pair)
    here, there = pair.roles()
    moments = known.moments(KILLS, f"{SEED}/{number}")
    print(f"HAMN_FLOW_SEED={SEED}: killed {', '.join(map(str, moments))}")
    marks = traces.Marks.of(pair)
    with watched(pair.lab) as standing:
        run = killed(pair, moments)
        pair.succeed("resume", run, "--yes")
    pair.assert_active(there)
    assert served.xcatds(pair) == [there]
    standing.assert_moved(here, there)
    standing.assert_taken_once(here, there)
    with read(pair.lab.journal) as reader:
        assert_nothing_ran_twice(pair, reader.run(run))
    once = Counter(f"{unit}.service" for unit in served.UNITS)
    again = Counter([f"{_RESTARTED}.service"])
    assert units(marks, pair, here) == {"started": Counter(), "stopped": once}
    assert units(marks, pair, there) == {"started": once + again, "stopped": again}


def killed(pair: Pair, moments: list[timeline.Moment]) -> str:
    """A failover whose driver is killed at each of these moments; its id."""
    with timeline.Progress.of(pair) as progress:
        run, before = "", progress.newest()
        for number, moment in enumerate(moments, 1):
            driver = pair.begin(*(("resume", run) if run else ("start", STARTED)), "--yes")
            run = run or timeline.wait_for_run(progress, driver, before)
            timeline.wait_for_moment(progress, driver, run, number, moment)
            driver.kill()
            said, _ = driver.communicate(timeout=30)
            assert driver.returncode == -signal.SIGKILL, said
    return run


def assert_nothing_ran_twice(pair: Pair, run: Run) -> None:
    """Every job on a host is a command of the journal, came to its end, and did what no other one had done.

    Or it was refused, where its driver was killed just before the node looked at the generation; then nothing ran.
    """
    hostlog.assert_launched_once(pair.lab, run.summary.id, {str(row.key) for row in run.commands})
    texts = {str(row.key): (str(row.node), row.text) for row in run.commands}
    unknown = {str(row.key) for row in run.commands if row.status is None}
    did: Counter[tuple[str, str]] = Counter()
    for node in NODES:
        for key, ended in traces.jobs(pair, node, run.summary.id).items():
            assert texts[key][0] == node
            assert ended.startswith("ended.") or (ended == "refused" and key in unknown), f"{key} on {node} is {ended}"
            did.update([texts[key]] if ended.startswith("ended.0.") else [])
    assert did, "no job is left on the hosts"
    assert {what: times for what, times in did.items() if times > 1} == {}
    assert {row.key for row in run.commands if row.status == 0} <= {
        row.key for row in run.commands if did[texts[row.key]]
    }


def units(marks: traces.Marks, pair: Pair, node: str) -> dict[str, Counter[str]]:
    """How often the units of the role were started and stopped, by systemd's own account."""
    counted = {"started": Counter[str](), "stopped": Counter[str]()}
    for (did, unit), times in marks.since(pair, node).items():
        if unit.removesuffix(".service") in served.UNITS:
            counted[did][unit] += times
    return counted
