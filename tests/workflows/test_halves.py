"""Activate and deactivate: each half alone, again where it is done already, and after a reboot."""

from __future__ import annotations

import pytest

from hamn_flow.errors import HamnError, Refused
from hamn_flow.model.run import RunState, StepState
from tests.workflows.conftest import Site


@pytest.mark.parametrize(("procedure", "node"), [("activate", "mn1"), ("deactivate", "mn2")])
def test_where_it_is_so_already_nothing_is_changed(procedure: str, node: str, site: Site) -> None:
    site.start(procedure, node=node)
    assert site.done() == []
    run = site.run()
    assert run.summary.state is RunState.DONE
    checks = {one.name for one in run.steps if one.state is StepState.DONE}
    assert {one.name for one in run.steps} - checks == {one.name for one in run.steps if one.state is StepState.SKIPPED}
    assert site.world.picture() == site.before


@pytest.mark.parametrize("procedure", ["deactivate", "activate"])
def test_a_second_time_finds_everything_done(procedure: str, site: Site) -> None:
    site.start("deactivate", node="mn1")
    if procedure == "activate":
        site.start("activate", node="mn1")
    done = len(site.done())
    site.start(procedure, node="mn1")
    assert site.done()[done:] == []


def test_activate_undoes_deactivate(site: Site) -> None:
    site.start("deactivate", node="mn1")
    before = site.before
    site.start("activate", node="mn1")
    for file_system in site.world.state.disks.values():
        del file_system.files["/.hamn-flow"]  # what the first run leaves on a pair that had none
    assert site.world.picture() == before


def test_a_node_takes_the_role_again_after_its_own_reboot(site: Site) -> None:
    for _again in range(2):
        site.world.boot("mn1")
        site.start("activate", node="mn1")
        assert site.run().summary.state is RunState.DONE
        assert site.world.state.violations == []
    assert site.world.run("mn1", "lsxcatd", "-a").status == 0


def test_a_half_active_node_is_completed(site: Site) -> None:
    site.world.run("mn1", "systemctl", "stop", "xcatd")
    site.start("activate", node="mn1")
    assert "mn1: systemctl start xcatd" in site.done()
    assert not any(" mount " in text or "ip addr" in text for text in site.done())


def test_nothing_is_taken_from_an_active_node(site: Site) -> None:
    with pytest.raises(Refused, match="mn1 is not a clean standby: mn1 has the virtual IP"):
        site.start("activate", node="mn2")
    assert site.done() == []


def test_nothing_is_taken_from_a_silent_node(site: Site) -> None:
    site.world.power_off("mn1")
    with pytest.raises(HamnError, match="mn1 does not answer"):
        site.start("activate", node="mn2")
    assert site.done() == []


def test_deactivate_can_be_taken_back(site: Site) -> None:
    site.start("deactivate", node="mn1")
    assert site.rollback() is RunState.ROLLED_BACK
    assert site.world.picture() == site.before
