"""A run whose machine is gone is finished from another one; what holds a node is shown, and given up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hamn_flow.journal.chain import Commit, Copy, commit_text, next_sum
from hamn_flow.journal.codec import time_text
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import CopyMissed
from hamn_flow.simulator.embedded import EmbeddedPair
from tests.cli.desk import Desk, Said
from tests.cli.test_terminal import Terminal

FAILOVER = ("planned-failover",)
RECORDED = Path(__file__).parents[1] / "journal" / "recorded"


@pytest.fixture
def halted(desk: Desk, pair: EmbeddedPair) -> EmbeddedPair:
    """A failover that waited at a busy /install, which nobody holds any more."""
    shell = pair.world.hold("mn1", "/install")
    assert desk.type("start", *FAILOVER, "--yes").status == 3
    pair.world.let_go("mn1", shell)
    return pair


@pytest.fixture
def elsewhere(desk: Desk, tmp_path: Path) -> Callable[..., Said]:
    """The same commands on another machine: with a journal of its own."""
    return lambda *words: desk.type("--journal", str(tmp_path / "elsewhere.db"), *words)


def run_id(desk: Desk) -> str:
    found: str = json.loads(desk.type("runs", "--json").out)["runs"][0]["id"]
    return found


def gone(desk: Desk) -> None:
    """The machine that drove, with its journal."""
    for path in desk.journal.parent.glob("journal.db*"):
        path.unlink()


def owners(desk: Desk) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads(desk.type("owner", "--json").out)["nodes"]
    return nodes


def test_a_run_is_finished_from_another_machine_when_the_first_is_gone(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    run = run_id(desk)
    gone(desk)
    refused = elsewhere("start", *FAILOVER, "--yes")
    assert refused.status == 6
    assert f"is held by another driver: run {run}, driver " in " ".join(refused.errors.split())
    done = elsewhere("adopt", "mn2", "--yes")
    assert (done.status, done.errors) == (0, "")
    assert f"run {run} is done: " in done.out
    assert halted.world.node("mn2").units["xcatd.service"].active
    keys = [line.key for line in halted.world.state.log]
    assert len(keys) == len(set(keys))
    assert halted.world.state.violations == []
    assert [each["said"] for each in owners(desk)] == [f"run {run} has ended"] * 2


def test_it_can_be_taken_over_and_rolled_back(desk: Desk, pair: EmbeddedPair, elsewhere: Callable[..., Said]) -> None:
    before = pair.world.digest()
    shell = pair.world.hold("mn1", "/install")
    assert desk.type("start", *FAILOVER, "--yes").status == 3
    pair.world.let_go("mn1", shell)
    gone(desk)
    taken = elsewhere("adopt", "mn1", "--stay", "--yes")
    assert (taken.status, taken.errors) == (0, "")
    assert "planned-failover  waiting" in taken.out
    assert elsewhere("rollback", "--yes").status == 0
    assert pair.world.digest() == before


def test_the_first_machine_is_refused_when_it_wakes_up(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    run = run_id(desk)
    assert elsewhere("adopt", "mn1", "--stay", "--yes").status == 0
    late = desk.type("resume", "--yes")
    assert late.status == 6
    said = " ".join(late.errors.split())
    assert f"run {run} was taken over by another driver, which holds mn" in said or "has gone on with run" in said
    assert elsewhere("resume", "--yes").status == 0
    halted.world.node("mn1").launcher.owner = ""  # as after a boot of both: nobody holds them, but the copies tell
    halted.world.node("mn1").launcher.generation = 0
    again = desk.type("rollback", "--yes")
    assert again.status == 6
    assert f"another driver has gone on with run {run}" in " ".join(again.errors.split())
    assert "hamn-flow audit" in again.errors


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-7], "torn"),
        (lambda text: text[:200] + b"x" + text[201:], "damaged"),
        (lambda text: text.replace(b"\n", b"", 1), "damaged"),
        (lambda _text: b"", "missing"),
    ],
    ids=["torn", "a byte", "a line", "none"],
)
def test_a_copy_that_is_not_whole_is_told_apart_and_not_taken(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said], damage: Callable[[bytes], bytes], said: str
) -> None:
    run = run_id(desk)
    first, second = (halted.world.node(name).copies for name in ("mn1", "mn2"))
    whole = first[run]
    assert whole == second[run]
    second[run] = damage(whole)
    found = desk.type("audit")
    assert found.status == 10
    assert ("no copy" if said == "missing" else f"{said}, ") in found.out
    first[run] = second[run]
    refused = elsewhere("adopt", "mn2", run, "--yes")
    assert refused.status == 5
    assert f"there is no whole copy of run {run}: that on mn1 is {said}" in " ".join(refused.errors.split())
    first[run] = whole
    assert elsewhere("adopt", "mn2", run, "--yes").status == 0, "the other one is whole"
    assert (f"{run}.aside0" in second) is (said != "missing"), "nothing is lost"
    assert first[run] == second[run]


def test_a_run_is_adopted_by_the_beginning_of_its_id(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    run, kept = run_id(desk), halted.world.node("mn2").copies
    kept[f"{run}x"] = kept[run]
    unclear = elsewhere("adopt", "mn1", run[:3], "--yes")
    assert unclear.status == 5
    assert f"more than one run begins with `{run[:3]}`: {run}, {run}x" in " ".join(unclear.errors.split())
    for given in (run, run[:3]):
        assert elsewhere("adopt", "mn1", given, "--stay", "--yes").status == (0 if given == run else 5)
        kept.pop(f"{run}x", None)
    third = desk.type("--journal", str(desk.journal.with_name("third.db")), "adopt", "mn1", run[:3], "--yes")
    assert (third.status, third.errors) == (0, "")


def test_who_mistypes_a_run_is_told_which_there_are_and_not_to_give_the_nodes_up(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    run = run_id(desk)
    halted.world.node("mn2").copies.clear()
    halted.world.node("mn2").copies["other1.aside0"] = b"no run"
    for typed in ("nosuch", "other1", "k7/..x"):
        refused = elsewhere("adopt", "mn1", typed, "--yes")
        assert refused.status == 5
        said = " ".join(refused.errors.split())
        assert f"no node keeps a journal of a run `{typed}`: mn1 keeps {run}; mn2 keeps none" in said
        assert "release" not in said
    halted.world.power_off("mn2")
    away = " ".join(elsewhere("adopt", "mn1", "nosuch", "--yes").errors.split())
    assert f"mn1 keeps {run}; mn2" in away
    assert "mn2 keeps" not in away


def test_who_has_the_better_journal_is_sent_back_to_it_and_keeps_its_nodes(desk: Desk, halted: EmbeddedPair) -> None:
    """A decision is in the journal before it is in the copies. Who is refused holds no node afterwards."""
    assert halted.directory.is_dir()
    before = owners(desk)
    assert desk.type("confirm", "mn1.unmount./install", "--because", "I looked").status == 0
    refused = desk.type("adopt", "mn1", "--yes")
    assert refused.status == 5
    assert f"hamn-flow resume {run_id(desk)}" in refused.errors
    assert owners(desk) == before
    assert desk.type("resume", "--yes").status == 0


def test_the_nodes_are_not_taken_from_another_run_by_adopting_an_old_one(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    old = run_id(desk)
    assert elsewhere("release", "--because", "admin1 is broken", "--yes").status == 0
    shell = halted.world.hold("mn1", "/install")
    assert elsewhere("start", "deactivate", "node=mn1", "--yes").status == 3
    halted.world.let_go("mn1", shell)
    gone(desk)
    refused = desk.type("adopt", "mn1", old, "--yes")
    assert refused.status == 6
    assert "is held by another driver: run " in " ".join(refused.errors.split())
    assert {each["run"] for each in owners(desk)} & {old} == set()
    assert elsewhere("resume", "--yes").status == 0


def test_a_run_does_not_go_on_by_itself_where_others_had_its_nodes(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    """A laptop that wakes up must not move the role because it once was to."""
    run = run_id(desk)
    assert elsewhere("release", "--because", "stay on mn1", "--yes").status == 0
    assert elsewhere("start", "deactivate", "node=mn1", "--yes").status == 0
    assert elsewhere("start", "activate", "node=mn1", "--yes").status == 0
    late = desk.type("resume", "--yes")
    assert (late.status, desk.type("rollback", "--yes").status) == (5, 5)
    assert f"was in other hands since run {run} had it: run " in " ".join(late.errors.split())
    assert halted.world.node("mn1").units["xcatd.service"].active
    terminal = Terminal("resume")
    terminal.until("in other hands meanwhile: ")
    terminal.until("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert halted.world.node("mn2").units["xcatd.service"].active
    assert "in other hands meanwhile: run " in " ".join(desk.type("show").out.split())


def test_a_run_that_was_abandoned_is_so_on_every_machine(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    assert desk.type("abandon", "--because", "mended by hand", "--yes").status == 0
    gone(desk)
    refused = elsewhere("adopt", "mn2", "--yes")
    assert refused.status == 5
    assert "mn2 keeps no journal of a run that is open" in refused.errors
    assert [each["run"] for each in owners(desk)] == [None, None]
    assert halted.world.state.violations == []


def test_copies_that_part_are_for_a_person(desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]) -> None:
    run = run_id(desk)
    first = halted.world.node("mn1").copies
    before = first[run]
    assert elsewhere("adopt", "mn2", "--yes").status == 0
    first[run] = before
    closed = desk.type("abandon", "--because", "by hand", "--yes")
    assert closed.status == 0
    assert f"mn2 could not be told, and may still keep it as open or be held for it: see hamn-flow audit {run}" in (
        " ".join(closed.out.split())
    )
    found = desk.type("audit", run)
    assert found.status == 10
    assert "the copy on mn2 parts from the journal after commit" in " ".join(found.errors.split())
    assert "mn1      whole, 86 commits, the same as the journal" in found.out
    fork = Copy.read(run, before).commits[-1]
    text = commit_text(fork.version, time_text(fork.at), [("CheckpointReached", f'{{"run":"{run}","checkpoint":"x"}}')])
    first[run] = before + Commit(text=text, sum=next_sum(fork.sum, text)).line.encode()
    third = desk.type("--journal", str(desk.journal.with_name("third.db")), "adopt", "mn2", run, "--yes")
    assert third.status == 5
    assert f"the copies of run {run} on mn2 and mn1 part" in " ".join(third.errors.split())


@pytest.mark.parametrize("changed", ["replace(event, 'mn1', 'mn9')", "'what is no event at all'"])
def test_an_audit_tells_of_a_journal_that_was_changed(desk: Desk, halted: EmbeddedPair, changed: str) -> None:
    assert halted.directory.is_dir()
    assert desk.type("audit").status == 0
    with desk.drive() as journal:
        journal._database.execute("DROP TRIGGER events_no_update")
        which = "(SELECT max(number) FROM events WHERE event LIKE '%mn1%')"  # which these are, differs from run to run
        journal._database.execute(f"UPDATE events SET event = {changed} WHERE number = {which}")  # noqa: S608 -- a fixed text
    found = desk.type("audit")
    assert found.status == 10
    assert "damaged: commit " in found.out


def test_what_the_engine_goes_on_from_follows_from_the_events(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    """Of several runs in one journal, of one that was rolled back, and of one that another journal adopted."""
    assert desk.type("skip", "mn1.unmount./install", "--because", "for the test", "--yes").status == 0
    assert desk.type("rollback", "--yes").status == 0
    halted.world.hold("mn1", "/install")
    assert desk.type("start", *FAILOVER, "--yes").status == 3
    second, first = (each["id"] for each in json.loads(desk.type("runs", "--json").out)["runs"])
    assert elsewhere("adopt", "mn1", "--stay", "--yes").status == 0
    for audited in (desk.type("audit", first, "--json"), elsewhere("audit", second, "--json")):
        journal = json.loads(audited.out)["journal"]
        assert (journal["compared"], journal["events_beyond"], journal["parts"]) == (True, 0, [])
        assert audited.status == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "UPDATE steps SET state = 'done' WHERE state = 'failed'",
            "steps mn1.unmount./install: state is done, and failed follows",
        ),
        ("UPDATE runs SET checkpoint = 'start'", "runs RUN: checkpoint is start, and "),
        ("DELETE FROM attempts", "attempts 1 is missing"),
        (
            "INSERT INTO decisions (run, kind, step, who, why, at) SELECT id, 'skip', '', '', '', '' FROM runs",
            "decisions 1 follows from no event",
        ),
        ("UPDATE nodes SET boot_id = '' WHERE node = 'mn2'", "nodes mn2: boot_id is empty, and "),
        (
            "INSERT INTO events (run, at, kind, event) SELECT run, at, kind, event FROM events LIMIT 1",
            "1 of its events are in no commit",
        ),
    ],
    ids=lambda value: " ".join(value.split()[:3]),
)
def test_an_audit_tells_of_tables_that_were_changed(desk: Desk, halted: EmbeddedPair, change: str, said: str) -> None:
    assert halted.directory.is_dir()
    run = run_id(desk)
    with closing(sqlite3.connect(desk.journal)) as journal, journal:
        journal.execute(change)
    found = desk.type("audit")
    assert found.status == 10
    assert said.replace("RUN", run) in found.out
    assert f"of run {run}" in found.errors
    assert "hamn-flow show" in found.errors


def test_what_an_older_version_wrote_is_not_compared_with_its_events(desk: Desk, pair: EmbeddedPair) -> None:
    """Migrations have filled columns in for which there was no event."""
    assert pair.directory.is_dir()
    with closing(sqlite3.connect(desk.journal)) as journal:
        journal.executescript((RECORDED / "version_4.sql").read_text())
    with desk.drive():
        pass
    ended = desk.type("audit", "zebra2", "--json")
    unsaid: dict[str, Any] = {"damaged_at": None, "events_beyond": 0, "compared": False, "parts": []}
    assert (ended.status, json.loads(ended.out)["journal"]) == (0, {"commits": 4, **unsaid})
    waiting = desk.type("audit", "k7m2qx")
    assert "journal  whole, 9 commits" in waiting.out
    assert "; what an older version wrote of it is not compared with its events" in waiting.out
    assert " is not what follows" not in waiting.errors


def test_a_copy_that_is_missing_is_trouble_while_the_run_has_to_outlive_its_machine(
    desk: Desk, halted: EmbeddedPair
) -> None:
    run = run_id(desk)
    with desk.drive() as journal:
        journal.record(CopyMissed(run=run, node=NodeName("mn2"), reason="its disk is full"))
    for name in ("mn1", "mn2"):
        halted.world.node(name).copies.clear()
    found = desk.type("audit")
    assert found.status == 10
    said = " ".join(found.errors.split())
    assert f"mn1 keeps no copy of run {run}, which is open and has launched something; mn2 keeps no copy" in said
    assert "launched something (as was noted: its disk is full)" in said
    assert desk.type("abandon", "--because", "mended by hand", "--yes").status == 0
    halted.world.node("mn1").copies.clear()
    assert desk.type("audit").status == 0, "it has ended"


def test_a_copy_may_be_missing_of_a_run_that_has_launched_nothing(desk: Desk, pair: EmbeddedPair) -> None:
    pair.world.run("mn2", "systemctl", "start", "xcatd")
    assert desk.type("start", *FAILOVER, "--yes").status == 5
    assert json.loads(desk.type("status", "--json").out)["runs"][0]["state"] == "waiting"
    pair.world.node("mn2").copies.clear()
    found = desk.type("audit")
    assert (found.status, "no copy" in found.out) == (0, True)


def test_where_no_node_answers_nothing_was_compared_but_the_journal_itself(desk: Desk, halted: EmbeddedPair) -> None:
    halted.world.power_off("mn2")
    assert desk.type("audit").status == 0, "the other one is whole"
    halted.world.power_off("mn1")
    found = desk.type("audit")
    assert found.status == desk.type("owner").status == 7
    assert "journal  whole" in found.out
    assert "hamn-flow: mn1 " in found.errors
    with closing(sqlite3.connect(desk.journal)) as journal, journal:
        journal.execute("DELETE FROM attempts")
    assert desk.type("audit").status == 10, "that the journal was changed is graver"


def test_who_holds_the_nodes_is_shown_and_given_up(
    desk: Desk, halted: EmbeddedPair, elsewhere: Callable[..., Said]
) -> None:
    run = run_id(desk)
    assert [each["run"] for each in owners(desk)] == [run, run]
    assert elsewhere("release", "mn9", "--because", "x", "--yes").status == 5
    assert elsewhere("release", "mn1", "--because", " ", "--yes").status == 5
    freed = elsewhere("release", "mn1", "--because", "admin1 is broken", "--yes")
    assert (freed.status, freed.errors) == (0, "")
    one, two = owners(desk)
    assert one["run"] is None
    assert one["said"].endswith(": admin1 is broken")
    assert two["run"] == run
    halted.world.power_off("mn2")
    assert elsewhere("release", "--because", "both", "--yes").status == 7
    halted.world.boot("mn2")
    assert desk.type("resume", "--yes").status == 0
