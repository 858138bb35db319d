"""Others at work beside a run: a person who types on the hosts, a second operator, and a command that hangs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hamn_flow.errors import Busy, Refused, StepFailed
from hamn_flow.lab import faults
from hamn_flow.lab.place import PREFIX, VIRTUAL_IP, labelled
from tests.lab.proofs.driving import Begin, assert_once, commands, state, with_policy
from tests.lab.proofs.gate import DATABASE, gate
from tests.lab.proofs.pair import STARTED, Pair, mounted, runs, wait_for
from tests.lab.proofs.standing import watched
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def halted(pair: Pair, *words: str) -> str:
    """What hamn-flow says when a step of it failed, in one line."""
    ended = pair.flow(*words, "--yes")
    assert ended.returncode == StepFailed.exit_status, ended.stdout + ended.stderr
    return " ".join(ended.stderr.split())


def test_what_a_person_does_meanwhile_is_seen(pair: Pair, tmp_path: Path) -> None:
    """What was done of the run's work is not done again, what was undone of it is, and what is in the way is named."""
    here, there = pair.roles()
    once = with_policy(pair, tmp_path, attempts=1)
    with watched(pair.lab) as standing:
        with faults.during(pair.lab, "hold", here, "/install", "cwd"):
            halted(pair, *once, "start", STARTED)
        pair.inside(here, "umount", "/install")
        pair.inside(here, "ip", "addr", "del", f"{VIRTUAL_IP}/{PREFIX}", "dev", "eth0")
        pair.inside(here, "mount", f"/dev/disk/by-uuid/{labelled('xcat').uuid(pair.lab)}", "/etc/xcat")
        pair.inside(here, "systemctl", "unmask", "--runtime", "nfs-server")
        pair.inside(here, "systemctl", "start", "nfs-server")
        pair.inside(there, "systemctl", "unmask", "--runtime", DATABASE)
        pair.inside(there, "systemctl", "start", DATABASE)
        assert f"{there} runs the database: its unit {DATABASE}.service is active: it must be stopped" in halted(
            pair, "resume"
        )
        assert not mounted(pair.lab, here)
        pair.inside(there, "systemctl", "stop", DATABASE)
        pair.succeed("resume", "--yes")
    story = pair.last_run()
    assert len(commands(story, f"{here}.unmount./install")) == 1
    assert [state(story, f"{here}.{step}") for step in ("unmount./install", "release-virtual-ip")] == [
        "done",
        "skipped",
    ]
    for step in ("unmount./etc/xcat", "stop.nfs"):
        assert [each["status"] for each in commands(story, f"{here}.{step}")] == [0, 0]
    assert_once(pair, story)
    pair.assert_active(there)
    standing.assert_moved(here, there)


def test_a_second_operator(pair: Pair, begin: Begin, tmp_path: Path) -> None:
    """Nothing is begun beside a driver, by whatever journal; if its nodes are given up, they obey the newer one.

    They say so to the older, which halts.
    """
    here, there = pair.roles()
    other = ("--journal", str(tmp_path / "journal.db"))

    def others_commands() -> list[str]:
        shown = pair.flow(*other, "show", "--json")
        return [] if shown.returncode else [each["text"] for each in commands(json.loads(shown.stdout))]

    with gate(pair, here, "stop", "xcatd") as stop, watched(pair.lab) as standing:
        driver = begin("start", STARTED, "--yes")
        stop.until_reached(driver)
        for words in (("start", STARTED), ("resume",)):
            ended = pair.flow(*words, "--yes")
            assert ended.returncode == Busy.exit_status, ended.stdout + ended.stderr
            assert f"process {driver.pid} on " in ended.stderr
        ended = pair.flow(*other, "start", "deactivate", f"node={here}", "--yes")
        assert ended.returncode == Busy.exit_status, ended.stdout + ended.stderr
        assert f"is held by another driver: run {pair.last_run()['id']}" in " ".join(ended.stderr.split())
        pair.succeed(*other, "release", "--because", "the other operator is away", "--yes")
        second = begin(*other, "start", "deactivate", f"node={here}", "--yes")
        until(lambda: "still runs a command of an earlier driver" in pair.flow(*other, "show").stdout)
        assert others_commands() == []
        stop.open()
        status, said = wait_for(driver)
        assert status == Busy.exit_status, said
        newer = json.loads(pair.succeed(*other, "runs", "--json"))["runs"][0]["id"]
        assert re.search(rf"{here} was taken over: run {newer}, driver \S+, generation \d+", " ".join(said.split()))
        status, said = wait_for(second)
        assert status == 0, said
        assert pair.active() == []
        assert stop.times == 1
        ended = pair.flow("resume", "--yes")
        assert ended.returncode == Refused.exit_status, ended.stdout + ended.stderr
        assert f"was in other hands since run {pair.last_run()['id']} had it: run {newer} has ended" in " ".join(
            ended.stderr.split()
        )
        pair.succeed_at_a_terminal("resume", says="y")
    assert_once(pair, pair.last_run())
    pair.assert_active(there)
    standing.assert_moved(here, there)


@pytest.mark.parametrize(("command", "step"), [("umount", "unmount"), ("mount", "mount")])
def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    pair: Pair, tmp_path: Path, command: str, step: str
) -> None:
    """Then the run waits, and goes on when the cause is mended.

    It has halted at that command before, so that the short deadline is that of no other one.
    """
    here, there = pair.roles()
    node = here if command == "umount" else there
    with watched(pair.lab) as standing:
        with faults.during(pair.lab, "fails-command", node, command, "1"):
            halted(pair, *with_policy(pair, tmp_path, attempts=1), "start", STARTED)
        with faults.during(pair.lab, "hangs", node, command):
            halted(pair, *with_policy(pair, tmp_path, attempts=1, deadline_factor=0.1), "resume")
            assert not runs(pair, node, ("sleep",))
            story = pair.last_run()
            assert state(story, f"{node}.{step}./install") == "failed"
            assert [each["status"] for each in commands(story, f"{node}.{step}./install")] == [1, -15]
        pair.succeed("resume", "--yes")
    assert_once(pair, pair.last_run())
    pair.assert_active(there)
    standing.assert_moved(here, there)
