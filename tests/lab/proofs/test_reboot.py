"""A host that boots while nobody looks: a run that waited notices it, and a role that it lost is brought back to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamn_flow.errors import StepFailed
from hamn_flow.lab import faults
from tests.lab.proofs.driving import assert_once, commands, with_policy
from tests.lab.proofs.pair import STARTED, Pair
from tests.lab.proofs.standing import watched
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def reboot(pair: Pair, node: str) -> None:
    with faults.during(pair.lab, "power", node):
        assert node not in pair.powered()


def test_a_run_that_waits_notices_it_and_goes_on(pair: Pair, tmp_path: Path) -> None:
    """What a boot undoes, such as the masks of stopped daemons, is done again; what it did itself is not."""
    here, there = pair.roles()
    once = with_policy(pair, tmp_path, attempts=1)
    with watched(pair.lab) as standing:
        with faults.during(pair.lab, "hold", here, "/install", "cwd"):
            halted = pair.flow(*once, "start", STARTED, "--yes")
            assert halted.returncode == StepFailed.exit_status, halted.stdout + halted.stderr
            before = pair.last_run()
            reboot(pair, here)
        pair.succeed("resume", "--yes")
    after = pair.last_run()
    new = {each["text"] for each in commands(after) if each["node"] == here} - {
        each["text"] for each in commands(before)
    }
    assert new == set(), "the boot had unmounted /install and taken the virtual IP away"
    assert len(commands(after, f"{here}.hold")) == 2
    assert_once(pair, after)
    pair.assert_active(there)
    standing.assert_moved(here, there)


def test_the_role_of_a_host_that_was_booted_is_brought_back_there(pair: Pair) -> None:
    here, _ = pair.roles()
    with watched(pair.lab) as standing:
        until(lambda: bool(standing.looks))
        reboot(pair, here)
        assert pair.empty(here)
        pair.succeed("start", "activate", f"node={here}", "--yes")
    pair.assert_active(here)
    assert_once(pair, pair.last_run())
    standing.assert_moved(here, here)
