"""The planned failover: what it does in which order, and that it can be stopped, resumed and taken back."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.model.pair import OnBusy
from hamn_flow.model.run import RunState, StepState
from hamn_flow.simulator.standard import DatabaseName
from tests.workflows.conftest import Site, new_site

EXPECTED = Path(__file__).parent / "expected"
DATABASES: tuple[DatabaseName, ...] = ("postgresql", "sqlite")


def spoken(site: Site) -> str:
    """The run as one reads it: each stage with those that it comes after, if not all, its steps, their commands."""
    run = site.run()
    lines: list[str] = []
    for (stage, after), steps in groupby(run.steps, key=lambda step: (step.planned.stage, step.planned.after)):
        behind = "" if after is None else f" after {', '.join(after)}"
        lines.append(f"{stage}{behind}:")
        for step in steps:
            state = "" if step.state is StepState.DONE else f" ({step.state.value})"
            lines.append(f"    {step.name}{state}")
            commands = (command for command in run.commands if command.step == step.name)
            lines += (f"        $ {one.text.replace(run.summary.id, 'RUN').splitlines()[0]}" for one in commands)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("database", DATABASES)
def test_every_step_and_command_in_order(database: DatabaseName, tmp_path: Path) -> None:
    site = new_site(tmp_path, database)
    site.start("planned-failover", dump="/var/backups")
    assert spoken(site) == (EXPECTED / f"planned-failover-{database}.txt").read_text()
    assert site.world.state.violations == []


@pytest.mark.parametrize("database", DATABASES)
def test_a_rollback_leads_back_to_the_very_world(database: DatabaseName, tmp_path: Path) -> None:
    site = new_site(tmp_path, database)
    site.cluster = replace(site.cluster, features=replace(site.cluster.features, set_host_name=True))
    site.world.run("mn1", "hostname", "mn")
    site.start("planned-failover")
    assert site.world.picture() != site.before
    assert site.rollback() is RunState.ROLLED_BACK
    assert site.world.picture() == site.before
    assert site.world.state.violations == []


def test_from_every_stage_there_is_a_way_back(tmp_path: Path) -> None:
    """Rolled back from each checkpoint in turn, the world is the one before."""
    site = new_site(tmp_path)
    site.start("planned-failover")
    arrived = site.run()
    stages = list(dict.fromkeys(step.planned.stage for step in arrived.steps))
    firsts = [next(step.name for step in arrived.steps if step.planned.stage == stage) for stage in stages]
    for name in reversed(firsts):
        site.rollback(to=name)
        assert site.world.state.violations == []
    assert site.rollback() is RunState.ROLLED_BACK
    assert site.world.picture() == site.before


def test_there_and_back_again(site: Site) -> None:
    """A second failover leads home; what the first one held is allowed again, and held where it left."""
    site.start("planned-failover")
    site.start("planned-failover", to="mn1")
    assert [step.state for step in site.run().steps if step.name.startswith("mn1.allow")] == [StepState.DONE] * 2
    assert site.run().summary.state is RunState.DONE
    node = site.world.node("mn1")
    assert not any(unit.masked for unit in node.units.values())
    assert site.world.state.violations == []


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_a_busy_file_system_halts_and_both_ways_lead_on(way: str, tmp_path: Path) -> None:
    site = new_site(tmp_path)
    site.start("planned-failover")
    arrived, beginning = site.world.picture(), site.before

    site = new_site(tmp_path / "busy")
    shell = site.world.hold("mn1", "/install")
    with pytest.raises(StepFailed, match=rf"/install is busy on mn1: pid {shell.pid} \(alice") as halted:
        site.start("planned-failover")
    assert "type hamn-flow resume" in halted.value.hint
    assert site.step("mn1.unmount./install").state is StepState.FAILED
    if way == "resume":
        site.world.let_go("mn1", shell)
        assert site.resume() is RunState.DONE
        assert site.world.picture() == arrived
    else:
        assert site.rollback() is RunState.ROLLED_BACK
        site.world.let_go("mn1", shell)
        assert site.world.picture() == beginning


def test_on_busy_may_be_mended_while_the_run_waits(site: Site) -> None:
    shell = site.world.hold("mn1", "/install")
    with pytest.raises(StepFailed, match="busy"):
        site.start("planned-failover")
    site.allow(on_busy=OnBusy.TERMINATE)
    assert site.resume() is RunState.DONE
    assert f"mn1: perl - TERM {shell.pid} {shell.started} < signal.pl" in site.done()


def test_a_disk_that_is_not_really_shared_is_refused(site: Site) -> None:
    """The same UUID on both nodes, but a copy: the marker that mn1 wrote is not there."""
    shell = site.world.hold("mn1", "/tftpboot")
    with pytest.raises(StepFailed, match="busy"):
        site.start("planned-failover")
    site.world.let_go("mn1", shell)
    del site.world.state.disks["install"].files["/.hamn-flow"]
    with pytest.raises(StepFailed, match="it bears no marker, though the other node's did"):
        site.resume()


def test_a_failover_to_the_active_node_is_refused(site: Site) -> None:
    with pytest.raises(Refused, match="mn1 is the active node already"):
        site.start("planned-failover", to="mn1")


def test_without_an_active_node_there_is_nothing_to_fail_over_from(site: Site) -> None:
    site.start("deactivate", node="mn1")
    with pytest.raises(Refused, match="neither mn1 nor mn2 has the virtual IP"):
        site.start("planned-failover")


@pytest.mark.parametrize("dump", ["/install/dumps", "/install", "backups", "/var/../install"])
def test_a_dump_onto_what_will_be_unmounted_is_refused(dump: str, site: Site) -> None:
    with pytest.raises(Refused, match="dump="):
        site.start("planned-failover", dump=dump)
    assert site.done() == []


def test_an_option_of_a_name_that_the_pair_does_not_have(site: Site) -> None:
    with pytest.raises(Refused, match="'mn3' is not a node of this pair"):
        site.start("activate", node="mn3")


def test_after_a_failover_the_acceptance_of_the_other_node_holds(site: Site) -> None:
    """Only one node answers for each part of the role, and what xCAT says is the same as before."""
    before = site.world.run("mn1", "tabdump", "nodelist").text
    site.start("planned-failover")
    assert site.world.run("mn2", "tabdump", "nodelist").text == before
    assert site.world.run("mn2", "dig", "+short", "+time=2", "+tries=1", "@10.97.0.100", "cn1.lab", "A").text.strip()
    assert site.world.run("mn1", "lsxcatd", "-a").status == 111
    assert site.world.run("mn1", "hostname").text == "mn1\n"
