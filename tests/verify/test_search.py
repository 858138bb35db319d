"""Every procedure searched with one fault: nothing is broken, and what waits for a person is what is pinned here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.searching import ROOT, verify

PINNED = Path(__file__).parent / "waiting_for_person"
PROCEDURES = sorted(path.stem.replace("_", "-") for path in (ROOT / "workflows").glob("[!_]*.py"))
SMALL = '''"""Stop xcatd on a node, for as long as somebody works on it."""

from hamn_flow.catalog import Workflow
from hamn_flow.steps.services import StopService, unit_of
from hamn_flow.steps.step import Stage


def stages(site):
    node = site.node_named("node")
    (service,) = [one for one in site.cluster.services if one.name == "xcatd"]
    step = StopService(node=node, service=service, unit=unit_of(site.nodes[node], service))
    return (Stage(name="stop", steps=(step,)),)


workflow = Workflow(stages=stages, options={"node": "the node to work on"})
'''
CARELESS = '''"""Mount a shared file system on a node, whoever else has it."""

from collections.abc import Iterator
from dataclasses import dataclass

from hamn_flow.catalog import Workflow
from hamn_flow.steps.file_systems import Mount
from hamn_flow.steps.step import Stage


@dataclass(frozen=True, kw_only=True)
class CarelessMount(Mount):
    """Mount it and ask nobody."""

    def objection(self, nodes) -> None:
        return None


def stages(site):
    mount = CarelessMount(node=site.node_named("node"), file_system=site.cluster.file_systems[0])
    return (Stage(name="mount", steps=(mount,)),)


workflow = Workflow(stages=stages, options={"node": "the node to mount it on"})
'''
BY_HAND = '''"""Let a person swap the cable of a node, then mount a shared file system there."""

from dataclasses import dataclass

from hamn_flow.catalog import Workflow
from hamn_flow.model.probe import todo, unknown
from hamn_flow.steps.file_systems import Mount
from hamn_flow.steps.step import PersonStep, Stage


@dataclass(frozen=True, kw_only=True)
class SwapCable(PersonStep):
    """Swap the cable."""

    seen: bool
    what = "swap-cable"
    instruction = "swap the cable"

    def probe(self, nodes):
        return todo("the old one is still there") if self.seen else unknown("no program sees a cable")


@dataclass(frozen=True, kw_only=True)
class CarelessMount(Mount):
    """Mount it and ask nobody."""

    def objection(self, nodes) -> None:
        return None


def stages(site):
    node = site.node_named("node")
    swap = SwapCable(node=node, seen="seen" in site.options)
    mount = CarelessMount(node=node, file_system=site.cluster.file_systems[0])
    return (Stage(name="swap", steps=(swap,)), Stage(name="mount", steps=(mount,)))


workflow = Workflow(stages=stages, options={"node": "the node to work on", "seen": "whether a program sees the cable"})
'''
NOT_HERE = '''"""What this site cannot do."""

from hamn_flow.catalog import Workflow
from hamn_flow.errors import Refused


def stages(site):
    raise Refused("this site has no such thing", hint="Buy one.")


workflow = Workflow(stages=stages)
'''


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_no_fault_leads_a_procedure_to_where_nothing_leads_on(procedure: str) -> None:
    found = verify(procedure, "--small", "--jobs", "1", seconds=1700)
    assert found.sentences == []
    assert found.status == 0
    pinned = (PINNED / f"{procedure}.txt").read_text().splitlines()
    assert found.said["procedures"][0]["waiting_for_person"] == pinned


@pytest.mark.timeout(600)
def test_a_sites_own_procedure_is_searched_and_the_same_is_found_by_one_process_as_by_two(tmp_path: Path) -> None:
    (tmp_path / "pause_xcatd.py").write_text(SMALL)
    one = verify("pause-xcatd", "--small", "--jobs", "1", workflows=tmp_path)
    two = verify("pause-xcatd", "node=mn1", "--small", "--jobs", "2", workflows=tmp_path)
    assert one.status == 0, one.sentences
    assert one.figures == two.figures
    assert {"procedure", "states", "edges", "violations", "waiting_for_person", "seconds"} <= one.said.keys()
    assert one.said["procedure"] == "pause-xcatd"
    assert one.said["states"] > 50


def test_what_a_site_forgot_is_found_and_told_by_what_was_typed_and_done(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(CARELESS)
    found = verify("careless", "node=mn2", "--first", workflows=tmp_path)
    assert found.status == 8
    (violation,) = [one for one in found.said["violations"] if "mounted for writing" in one["sentence"]]
    assert "is mounted for writing on mn1 and mn2" in violation["sentence"]
    assert violation["trace"][0].startswith("hamn-flow start careless node=mn2")
    assert "mn2: mount -t ext4" in violation["trace"][-1]


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (("activate", "foo=1"), "activate has no option foo", "The options of activate: node."),
        (("activate", "node=mn9"), "'mn9' is not a node of this pair", "Say node=mn1 or node=mn2."),
        (("not-here",), "this site has no such thing", "Buy one."),
    ],
    ids=["an option it does not have", "a node that is not there", "its own refusal"],
)
def test_what_cannot_be_started_is_refused_and_no_violation_is_claimed_to_be_absent(
    tmp_path: Path, words: tuple[str, ...], sentence: str, hint: str
) -> None:
    (tmp_path / "not_here.py").write_text(NOT_HERE)
    found = verify(*words, "--small", workflows=tmp_path)
    assert (found.status, found.said["error"], found.said["hint"]) == (5, sentence, hint)


def test_where_all_are_searched_what_is_not_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("workflow = 1 / 0\n")
    (tmp_path / "not_here.py").write_text(NOT_HERE)
    found = verify("--small", "--faults", "0", workflows=tmp_path)
    assert (found.status, found.sentences) == (8, [])
    assert [one["procedure"] for one in found.said["procedures"]] == PROCEDURES
    assert found.said["not_searched"] == [
        {"procedure": "broken", "problem": f"{tmp_path / 'broken.py'}:1: ZeroDivisionError: division by zero"},
        {"procedure": "not-here", "problem": "not-here is not searched: this site has no such thing"},
    ]


def test_a_person_does_what_a_run_asks_and_what_follows_is_searched(tmp_path: Path) -> None:
    """Where a look would have to see it done, which no simulated person does, that is what is waited for."""
    (tmp_path / "by_hand.py").write_text(BY_HAND)
    found = verify("by-hand", "node=mn2", "--small", workflows=tmp_path)
    assert found.status == 8
    assert all("mounted for writing on mn1 and mn2" in sentence for sentence in found.sentences), found.sentences
    never = verify("by-hand", "node=mn2", "seen=yes", "--small", workflows=tmp_path)
    assert (never.status, never.sentences) == (0, [])
    assert (
        "by-hand: mn2.swap-cable: a person has to do it before anything can follow" in never.said["waiting_for_person"]
    )
