"""The planned failover from end to end on the simulated pair."""

from __future__ import annotations

import pytest

from hamn_flow.engine.begin import confirm, resume, rollback, skip, start
from hamn_flow.engine.plan import preview
from hamn_flow.errors import HamnError, Refused, StepFailed, Unreachable
from hamn_flow.facts.storage import Marker
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.pair import OnBusy
from hamn_flow.model.run import RunState, StepState
from hamn_flow.simulator.faults import Hangs, PowerLost
from hamn_flow.simulator.state import Process
from tests.runs.conftest import Pair

PROCEDURE = "planned-failover"


def commands(pair: Pair) -> list[str]:
    return [command.text for command in pair.last_run().commands]


def test_it_moves_the_role_and_rolls_back_to_where_it_began(pair: Pair) -> None:
    before = pair.world.picture()
    with pair.desk() as desk:
        run = start(desk, PROCEDURE, {})
        assert desk.journal.run(run).summary.state is RunState.DONE
    assert "10.97.0.100" in pair.world.run("mn2", "ip", "-o", "-4", "addr", "show").text
    assert "10.97.0.100" not in pair.world.run("mn1", "ip", "-o", "-4", "addr", "show").text
    with pair.desk() as desk:
        assert rollback(desk, run) is RunState.ROLLED_BACK
    assert pair.world.picture() == before
    pair.assert_safe()


def test_a_plan_changes_nothing(pair: Pair) -> None:
    """Neither there, nor back to a node without an installation of its own, where xCAT makes tables it misses."""
    with pair.desk() as desk:
        for _way in ("there", "back"):
            before, done = pair.world.picture(), len(pair.world.state.log)
            assert not preview(desk.world, desk.cluster, desk.catalog, PROCEDURE, {}).problems
            assert pair.world.picture() == before
            assert len(pair.world.state.log) == done
            pair.assert_safe()
            start(desk, PROCEDURE, {})


def test_it_goes_there_and_back_again_and_a_run_that_was_overtaken_is_not_rolled_back(pair: Pair) -> None:
    with pair.desk() as desk:
        first = start(desk, PROCEDURE, {"to": "mn2"})
        second = start(desk, PROCEDURE, {})
        assert "10.97.0.100" in pair.world.run("mn1", "ip", "-o", "-4", "addr", "show").text
        with pytest.raises(Refused, match=f"run {second} .* has changed this pair since"):
            rollback(desk, first)
    pair.assert_safe()


def test_on_a_pair_that_is_as_it_should_be_nothing_is_done(pair: Pair) -> None:
    with pair.desk() as desk:
        runs = [start(desk, "activate", {"node": "mn1"}), start(desk, "deactivate", {"node": "mn2"})]
        assert [desk.journal.run(run).commands for run in runs] == [(), ()]
    pair.assert_safe()


def test_deactivate_and_activate_are_the_two_halves(pair: Pair) -> None:
    with pair.desk() as desk:
        start(desk, "deactivate", {"node": "mn1"})
        start(desk, "activate", {"node": "mn2"})
        start(desk, "deactivate", {"node": "mn2"})
        start(desk, "activate", {"node": "mn1"})
    assert "10.97.0.100" in pair.world.run("mn1", "ip", "-o", "-4", "addr", "show").text
    pair.assert_safe()


def test_a_daemon_that_listens_a_moment_after_its_start_costs_no_attempt_on_either_way(pair: Pair) -> None:
    """Its unit is active before it listens, also where an undo has started it; a database's start waits for it."""
    withheld: list[tuple[Process, list[tuple[str, str, int]]]] = []

    def withhold(name: NodeName, key: Key | None, command: Command) -> None:
        if not key or command.argv[:2] != ("systemctl", "start") or "postgresql" in command.text:
            return
        for process in pair.world.node(name).processes.values():
            if process.unit.startswith(command.argv[2]):
                withheld.append((process, process.ports))
                process.ports = []

    def listen() -> None:
        for process, ports in withheld:
            process.ports = ports
            delayed.add(process.unit)
        withheld.clear()

    delayed: set[str] = set()
    pair.world.after, pair.on_sleep = withhold, listen
    for went in (RunState.DONE, RunState.ROLLED_BACK):
        with pair.desk() as desk:
            if went is RunState.DONE:
                start(desk, PROCEDURE, {})
            else:
                rollback(desk, desk.journal.runs()[0].id)
        run = pair.last_run()
        assert (run.summary.state, run.attempts) == (went, ())
        assert {"xcatd.service", "conserver.service"} <= delayed, went
        delayed.clear()
    pair.assert_safe()


def test_a_busy_file_system_halts_it_names_who_holds_it_and_it_goes_on_when_freed(pair: Pair) -> None:
    held = pair.world.hold("mn1", "/install/custom", user="alice", command="bash")
    with pair.desk() as desk, pytest.raises(StepFailed) as halted:
        start(desk, PROCEDURE, {})
    assert "/install is busy on mn1" in halted.value.sentence
    assert "alice" in halted.value.sentence
    assert "/install/custom" in halted.value.sentence
    assert "hamn-flow resume" in halted.value.hint
    run = pair.last_run()
    assert run.step("mn1.unmount./install").state is StepState.FAILED
    assert not [command for command in commands(pair) if "signal" in command]
    pair.world.let_go("mn1", held)
    with pair.desk() as desk:
        assert resume(desk, run.summary.id) is RunState.DONE
    pair.assert_safe()


@pytest.mark.parametrize(
    ("on_busy", "ignores", "ends"),
    [
        (OnBusy.TERMINATE, (), True),
        (OnBusy.TERMINATE, ("TERM",), False),
        (OnBusy.KILL, ("TERM",), True),
    ],
)
def test_those_who_hold_it_are_ended_as_far_as_the_site_allows(
    pair: Pair, on_busy: OnBusy, ignores: tuple[str, ...], ends: bool
) -> None:
    pair.world.hold("mn1", "/install", user="alice", command="bash", ignores=ignores)
    pair.on_busy = on_busy
    with pair.desk() as desk:
        if ends:
            start(desk, PROCEDURE, {})
        else:
            with pytest.raises(StepFailed, match="alice"):
                start(desk, PROCEDURE, {})
    signals = [command.split()[2] for command in commands(pair) if "signal.pl" in command]
    assert signals[0] == "TERM"
    assert ("KILL" in signals) == (on_busy is OnBusy.KILL)
    pair.assert_safe()


def test_no_unmount_that_failed_may_be_skipped_into_a_second_active_node(pair: Pair) -> None:
    """What is skipped on one node objects on the other."""
    pair.world.hold("mn1", "/install", user="alice", command="bash")
    with pair.desk() as desk:
        with pytest.raises(StepFailed):
            start(desk, PROCEDURE, {})
        run = pair_run = desk.journal.runs()[0].id
        skip(desk, run, "mn1.unmount./install", "it is only a shell")
        with pytest.raises(StepFailed, match="mn1 has /install mounted"):
            resume(desk, pair_run)
    assert not any("mn2" in line.node and line.argv[0] == "mount" for line in pair.world.state.log)
    pair.assert_safe()


def test_a_silent_peer_is_no_proof(pair: Pair) -> None:
    with pair.desk() as desk:
        start(desk, "deactivate", {"node": "mn1"})
    pair.world.power_off("mn1")
    with pair.desk() as desk, pytest.raises(HamnError, match="mn1"):
        start(desk, "activate", {"node": "mn2"})
    assert not any(line.node == "mn2" for line in pair.world.state.log)


def test_a_node_that_was_rebooted_under_the_run_is_noticed(pair: Pair) -> None:
    """The standby is rebooted when all is mounted there: its mounts, address and daemons are gone and come back."""
    pair.world.fault(PowerLost(node="mn2", words=("makedns",)))
    with pair.desk() as desk, pytest.raises(Unreachable):
        start(desk, PROCEDURE, {})
    assert pair.last_run().step("mn2.makedns").state is StepState.IN_DOUBT
    with pair.desk() as desk, pytest.raises(Unreachable):
        resume(desk, desk.journal.runs()[0].id)
    pair.world.boot("mn2")
    with pair.desk() as desk:
        assert resume(desk, desk.journal.runs()[0].id) is RunState.DONE
    assert sum("announce" in command.step for command in pair.last_run().commands) == 2
    pair.assert_safe()


def test_a_command_that_hangs_is_ended_with_its_group_and_tried_again(pair: Pair) -> None:
    pair.world.fault(Hangs(node="mn2", words=("makedns",)))
    with pair.desk() as desk:
        run = start(desk, PROCEDURE, {})
        assert [row.status for row in desk.journal.run(run).commands if row.step == "mn2.makedns"] == [-15, 0]
    pair.assert_safe()


def test_a_dump_is_made_and_verified_where_it_is_asked_for(pair: Pair) -> None:
    pair.world.run("mn1", "mkdir", "-p", "/var/backups")
    with pair.desk() as desk:
        start(desk, PROCEDURE, {"dump": "/var/backups"})
    assert any(command.startswith("dumpxCATdb -p /var/backups/") for command in commands(pair))


def test_an_option_it_does_not_have_is_refused_with_those_it_has(pair: Pair) -> None:
    with pair.desk() as desk, pytest.raises(Refused, match="planned-failover has no option dumpp") as refused:
        start(desk, PROCEDURE, {"dumpp": "/var/backups"})
    assert "dump" in refused.value.hint


def test_another_pairs_marker_is_noticed_before_anything_is_touched(pair: Pair) -> None:
    theirs = Marker(cluster="theirs", mount_point="/install", source="UUID=1").text
    pair.world.run("mn1", "write_file.pl", "/install/.hamn-flow", theirs, "0644")
    with pair.desk() as desk, pytest.raises(Refused, match="its marker names the pair theirs"):
        start(desk, PROCEDURE, {})
    assert not pair.world.state.log


def test_what_is_settled_cannot_be_confirmed(pair: Pair) -> None:
    pair.world.hold("mn1", "/install", user="alice", command="bash")
    with pair.desk() as desk:
        with pytest.raises(StepFailed):
            start(desk, PROCEDURE, {})
        with pytest.raises(Refused, match="is done already, so there is nothing to confirm"):
            confirm(desk, desk.journal.runs()[0].id, "mn1.stop.xcatd", "I looked")
