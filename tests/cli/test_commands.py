"""Commands beside the failover itself: decisions, procedures, diagrams, host keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hamn_flow.simulator.embedded import EmbeddedPair
from hamn_flow.transport import here
from tests.cli.desk import Desk


@pytest.fixture
def halted(desk: Desk, pair: EmbeddedPair) -> EmbeddedPair:
    """A failover that waits at a busy /install."""
    pair.world.hold("mn1", "/install")
    assert desk.type("start", "planned-failover", "--yes").status == 3
    return pair


def test_a_rollback_may_keep_a_stage(desk: Desk, halted: EmbeddedPair) -> None:
    assert desk.type("rollback", "--to", "mn1.no-such-step", "--yes").status == 5
    said = desk.type("rollback", "--to", "mn1.stop.xcatd", "--yes")
    assert said.status == 0
    assert "resume" in said.out
    assert "--forward" in said.out
    units = halted.world.node("mn1").units
    assert not units["xcatd.service"].active
    assert units["postgresql@15-main.service"].active
    assert desk.type("rollback", "--yes").status == 0
    assert units["xcatd.service"].active


def test_decisions_are_recorded_with_who_and_why(
    desk: Desk, halted: EmbeddedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert halted.directory.is_dir()
    monkeypatch.setenv("SUDO_USER", "carol")
    assert desk.type("confirm", "mn1.unmount./install", "--because", " ").status == 5
    assert desk.type("confirm", "mn1.no-such-step", "--because", "x").status == 5
    assert desk.type("confirm", "mn1.unmount./install", "--because", "I looked").status == 0
    assert desk.type("skip", "mn1.unmount./install", "--because", "let it be", "--yes").status == 0
    assert desk.type("skip", "mn1.unmount./install", "--because", "again", "--yes").status == 5
    assert desk.type("abandon", "--because", "by hand", "--yes").status == 0
    story = desk.type("show").out
    for words in ("confirmed by carol@", ": I looked", "skipped by carol@", ": let it be", "abandoned by carol@"):
        assert words in story
    assert desk.type("resume", "--yes").status == 5


def test_a_skipped_step_does_not_go_round_an_objection(desk: Desk, halted: EmbeddedPair) -> None:
    assert desk.type("skip", "mn1.unmount./install", "--because", "hurry", "--yes").status == 0
    said = desk.type("resume", "--yes")
    assert said.status not in {0, 1}
    assert not any(mount.mount_point == "/install" for mount in halted.world.node("mn2").mounts)


def test_a_plan_does_not_ask_what_cannot_be_so_yet(desk: Desk, pair: EmbeddedPair) -> None:
    before = pair.world.digest()
    plan = json.loads(desk.type("plan", "planned-failover", "--json").out)
    steps = [step for stage in plan["stages"] for step in stage["steps"]]
    first_change = next(number for number, step in enumerate(steps) if step["commands"])
    for number, step in enumerate(steps):
        if step["kind"] == "check":
            assert step["finding"] == ("done" if number < first_change else "unknown"), step["name"]
    assert pair.world.digest() == before
    assert pair.world.state.log == []


def test_the_procedures_with_the_broken_ones(desk: Desk, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "mine.py").write_text('"""My own."""\n\n1 / 0\n')
    said = desk.type("--workflows", str(site), "workflows")
    assert said.status == 0
    assert "planned-failover" in said.out
    assert f"{site / 'mine.py'}:3: ZeroDivisionError" in said.out
    assert desk.type("--workflows", str(site), "workflows", "--check").status == 8
    assert desk.type("workflows", "--check").status == 0


def test_paths_are_printed_without_loading_anything(desk: Desk, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "bomb.py").write_text("raise SystemExit('loaded')\n")
    said = desk.type("--workflows", str(site), "workflows", "--paths")
    assert (said.status, said.out.splitlines()[0]) == (0, str(site))


def test_a_procedure_without_undo_or_title_is_named(desk: Desk, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "mine.py").write_text(
        '"""My own."""\n\nfrom dataclasses import dataclass\n\nfrom hamn_flow.catalog import Workflow\n'
        "from hamn_flow.steps.step import Step\n\n\n@dataclass(frozen=True, kw_only=True)\nclass Untitled(Step):\n"
        "    def apply(self, nodes):\n        yield from ()\n\n\nworkflow = Workflow(stages=lambda site: [])\n"
    )
    said = desk.type("--workflows", str(site), "workflows", "--check")
    assert said.status == 8
    assert "Untitled: it has no docstring" in said.errors
    assert "Untitled: it has no undo" in said.errors


def test_the_diagram_of_a_run_marks_where_it_stands(desk: Desk, halted: EmbeddedPair) -> None:
    run = next(iter(halted.world.node("mn1").launcher.owner.split()))
    drawn = desk.type("graph", run).out
    assert drawn.startswith("stateDiagram-v2\n")
    (mark,) = [line.split()[1] for line in drawn.splitlines() if line.strip().startswith("class s")]
    (state,) = [line for line in drawn.splitlines() if line.endswith(f'" as {mark}')]
    assert "<b>hold-last</b>" in state
    assert "mn1.unmount./install" in drawn
    planned = desk.type("graph", "planned-failover")
    assert planned.status == 0
    assert "present" not in planned.out, "only a run stands somewhere"


def test_host_keys_are_shown_and_recorded_only_on_yes(
    desk: Desk, pair: EmbeddedPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / "known_hosts"
    monkeypatch.setattr("hamn_flow.cli.trusting.own_known_hosts", lambda: own)
    monkeypatch.setattr(here, "own_known_hosts", lambda: own)
    (tmp_path / ".ssh" / "known_hosts").unlink()
    untrusted = desk.type("plan", "planned-failover")
    assert untrusted.status == 5
    assert "hamn-flow trust" in untrusted.errors
    assert desk.type("trust").status == 5, "nobody can be asked"
    assert not own.exists()
    said = desk.type("trust", "--yes")
    assert said.status == 0
    assert said.out.count("SHA256:") == 2
    assert own.read_text() == pair.known_hosts.read_text()
    assert desk.type("plan", "planned-failover").status == 0
    own.write_text(own.read_text().splitlines()[1] + "\n" + "[127.0.0.1]" + _other_key(pair))
    changed = desk.type("trust", "--yes")
    assert changed.status == 5
    assert "known by another host key" in changed.errors
    assert desk.type("trust", "--replace", "--yes").status == 0
    assert sorted(own.read_text().splitlines()) == sorted(pair.known_hosts.read_text().splitlines())


def _other_key(pair: EmbeddedPair) -> str:
    """The first node's line with the second one's key."""
    first, second = (line.split() for line in pair.known_hosts.read_text().splitlines())
    return f"{first[0].removeprefix('[127.0.0.1]')} {second[1]} {second[2]}\n"
