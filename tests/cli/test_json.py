"""With --json, standard output is one document with keys that scripts may rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hamn_flow.simulator.embedded import EmbeddedPair
from tests.cli.desk import Desk

RUN = {
    *("id", "procedure", "options", "cluster", "cluster_path", "state", "direction", "checkpoint", "back_to"),
    *("created_at", "ended_at", "halt"),
}
STANDING = RUN | {"in_doubt", "stages", "steps", "outage", "next"}
PLAN = {"procedure", "title", "stages", "in_the_way", "point_of_no_return"}


def document(desk: Desk, *words: str, status: int = 0) -> dict[str, Any]:
    said = desk.type(*words, "--json")
    assert said.status == status, said.errors
    data: dict[str, Any] = json.loads(said.out)
    return data


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("plan", "planned-failover"), PLAN),
        (("check",), PLAN),
        (("status",), {"journal", "driver", "runs"}),
        (("runs",), {"journal", "runs"}),
        (("workflows",), {"procedures", "broken", "folders"}),
        (("workflows", "--check"), {"procedures", "broken", "folders", "kinds_of_steps"}),
        (("workflows", "--paths"), {"folders"}),
        (("graph", "planned-failover"), {"mermaid"}),
        (("trust",), {"known_hosts", "keys"}),
        (("version",), {"hamn_flow", "python", "sqlite"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_only_looks(desk: Desk, pair: EmbeddedPair, words: tuple[str, ...], keys: set[str]) -> None:
    assert set(document(desk, *words)) == keys
    assert pair.world.state.unknown == []


def test_a_run_from_its_halt_to_its_end(desk: Desk, pair: EmbeddedPair) -> None:
    shell = pair.world.hold("mn1", "/install")
    failed = document(desk, "start", "planned-failover", "--yes", status=3)
    assert set(failed) == {"error", "hint", "exit_status", "run"}
    assert (failed["exit_status"], "/install is busy" in failed["error"]) == (3, True)
    (waiting,) = document(desk, "status")["runs"]
    assert set(waiting) == STANDING
    assert waiting["halt"]["step"] == "mn1.unmount./install"
    (listed,) = document(desk, "runs")["runs"]
    assert set(listed) == RUN
    skipped = document(desk, "skip", "mn1.unmount./install", "--because", "for the test", "--yes", status=0)
    assert set(skipped["run"]) == STANDING
    shown = document(desk, "show")
    assert set(shown) == STANDING | {"who", "decisions", "halts"}
    assert [each["kind"] for each in shown["decisions"]] == ["skip"]
    assert set(shown["outage"]) == set(waiting["outage"]) | {"between_steps", "while_waiting", "not_measured"}
    assert "loopback" in shown["outage"]["not_measured"][0]
    assert {str(step["outage"]) for step in shown["steps"]} == {"{'virtual_ip': None, 'xcatd': None}"}
    pair.world.let_go("mn1", shell)
    back = document(desk, "rollback", "--yes")
    assert back["run"]["state"] == "rolled_back"


def test_a_result_and_the_error_that_it_shows_are_one_document(desk: Desk, pair: EmbeddedPair) -> None:
    error = {"error", "hint", "exit_status", "run"}
    pair.world.hold("mn1", "/install")
    desk.type("start", "planned-failover", "--yes")
    (waiting,) = document(desk, "status")["runs"]
    pair.world.run("mn2", "systemctl", "start", "xcatd")
    assert set(document(desk, "check", status=5)) == PLAN | error
    pair.world.power_off("mn2")
    released = document(desk, "release", "--because", "for the test", "--yes", status=7)
    assert set(released) == {"released", "nodes"} | error
    assert released["released"] == ["mn1"]
    pair.world.power_off("mn1")
    assert set(document(desk, "owner", status=7)) == {"nodes"} | error
    audited = document(desk, "audit", status=7)
    assert set(audited) == {"journal", "copies", "trouble"} | error
    assert audited["run"] == waiting["id"], "the run that was compared, though none waits for this reason"


def test_progress_goes_to_standard_error(desk: Desk, pair: EmbeddedPair) -> None:
    said = desk.type("start", "planned-failover", "--yes", "--json")
    assert pair.world.state.unknown == []
    assert json.loads(said.out)["run"]["state"] == "done"
    assert "mn1.unmount./install" in said.errors
