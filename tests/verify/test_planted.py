"""Mistakes planted in the real code, one by one: the search finds each, and says what is broken by it.

A planted mistake is a patch with one line above it that says what it is. A patch that no longer applies has to be
made anew.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.verify.searching import ROOT, verify

PLANTED = Path(__file__).parent / "planted"
WITHDRAW = '''"""Withdraw the NFS exports of the shared file systems on a node."""

from hamn_flow.catalog import Workflow
from hamn_flow.steps.exports import UnexportShared, mount_points_of
from hamn_flow.steps.step import Stage


def stages(site):
    points = mount_points_of(site.cluster.file_systems)
    return (Stage(name="unexport", steps=(UnexportShared(node=site.node_named("node"), mount_points=points),)),)


workflow = Workflow(stages=stages, options={"node": "the node to work on"})
'''
FOUND = {
    "lazy_unmount": ("deactivate", "was unmounted lazily on mn1 and is written to unseen"),
    "intent_not_written": ("deactivate", "is launched on mn1, and the journal does not know of it"),
    "seen_overwritten": ("withdraw", "a run is rolled back, and the pair is not as it was before it"),
    "probe_skipped": ("deactivate", "again, though its effect is there"),
    "objection_skipped_on_undo": ("deactivate", "is mounted for writing on mn1 and mn2"),
    "objection_asked_too_early": ("activate", "is mounted for writing on mn1 and mn2"),
    "generation_not_checked": ("deactivate", "a driver has launched a command after another one took the node over"),
    "claim_over_anyone": ("deactivate", "a driver has launched a command after another one took the node over"),
    "copy_sent_too_late": ("deactivate", "and no journal there knows of it"),
    "rollback_in_the_wrong_order": (
        "deactivate",
        "nothing is in the way, and hamn-flow rollback does not get to its end",
    ),
    "ping_as_the_only_address_check": ("activate", "the virtual IP 10.97.0.100 is up on mn2 and another host"),
    "failed_mount_ignored": (
        "activate",
        "hamn-flow resume does not get to its end: it waits at mn2.mark./var/lib/postgresql",
    ),
}


def test_each_patch_is_searched_for() -> None:
    assert {path.stem for path in PLANTED.glob("*.patch")} == FOUND.keys()
    for path in PLANTED.glob("*.patch"):
        assert path.read_text().splitlines()[1].startswith("--- a/"), (
            f"{path.name} has no one line that says what it is"
        )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("planted", FOUND)
def test_a_planted_mistake_is_found(planted: str, tmp_path: Path) -> None:
    procedure, sentence = FOUND[planted]
    for folder in ("hamn_flow", "workflows", "state"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(("git", "apply", str(PLANTED / f"{planted}.patch")), cwd=tmp_path, check=True, timeout=30)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "withdraw.py").write_text(WITHDRAW)
    small = () if procedure == "withdraw" else ("--small",)  # the small pair exports nothing
    found = verify(procedure, "--first", "--jobs", "1", *small, root=tmp_path, workflows=tmp_path / "own")
    assert found.status == 8
    assert any(sentence in each for each in found.sentences), found.sentences
