"""The way back: what a failover did is undone by every class of step that did something, and the pair is as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hamn_flow.catalog import thaw
from hamn_flow.errors import StepFailed
from hamn_flow.journal import read
from hamn_flow.lab import faults, host
from hamn_flow.lab.place import DOMAIN, FILE_SYSTEMS
from hamn_flow.model.run import Direction, Run, StepState
from hamn_flow.steps.databases import AwaitDatabase
from hamn_flow.steps.exports import ExportAgain
from hamn_flow.steps.step import Check, Step
from tests.lab.proofs import served
from tests.lab.proofs.driving import with_policy
from tests.lab.proofs.pair import STARTED, Pair
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_WAITS = int(StepFailed.exit_status)
_BY_HAND = "10.97.0.21:/install"  # an export that no file lists


@dataclass(frozen=True, kw_only=True)
class Before:
    """All that a rollback must bring back; what the standby's daemons read is not promised."""

    here: dict[str, str]
    there: dict[str, str]
    configuration: dict[str, str]
    tables: dict[str, str]

    @classmethod
    def of(cls, pair: Pair, here: str, there: str) -> Before:
        """As it is now."""
        return cls(
            here=served.standing_of(pair, here),
            there=served.standing_of(pair, there),
            configuration=served.configuration(pair, here),
            tables=served.dump(pair, here, "/var/backups/rollback"),
        )


def test_a_finished_failover_is_undone_by_every_class_of_step(pair: Pair, tmp_path: Path) -> None:
    here, there = pair.roles()
    named = with_host_name(pair, tmp_path)
    with work_for_each_class(pair, here, there):
        before = Before.of(pair, here, there)
        with watched(pair.lab) as standing:
            pair.succeed(*named, "start", STARTED, "dump=/var/backups", "--yes")
            pair.assert_active(there)
            forward = newest(pair)
            pair.succeed(*named, "rollback", forward.summary.id, "--yes")
        assert Before.of(pair, here, there) == before
    pair.assert_active(here)
    assert served.xcatds(pair) == [here]
    standing.assert_moved(here, there, here)
    standing.assert_taken_once(here, there, here)

    did = undone_since(forward, newest(pair))
    assert classes(did) == classes(changing(forward)), "some class had nothing to do"


def test_an_activation_while_nobody_has_the_role_is_undone(pair: Pair) -> None:
    """What to export, nobody can be asked: the host's own list says it, which here nobody but hamn-flow reads."""
    here, there = pair.roles()
    pair.succeed("start", "deactivate", f"node={here}", "--yes")
    with nothing_exported_at_start(pair, there):
        before = served.standing_of(pair, there)
        with watched(pair.lab) as standing:
            pair.succeed("start", "activate", f"node={there}", "--yes")
            pair.assert_active(there)
            forward = newest(pair)
            pair.succeed("rollback", forward.summary.id, "--yes")
        assert served.standing_of(pair, there) == before
    assert [node for node in (here, there) if not pair.empty(node)] == []
    standing.assert_never_two()
    assert standing.holders() == [(), (there,), ()]
    assert ExportAgain.__name__ in classes(undone_since(forward, newest(pair)))


@pytest.mark.parametrize(
    ("fault", "side", "answering"),
    [(("hold", "/install", "file"), "here", "here"), (("fails", "xcatd"), "there", "here there here")],
    ids=["in the first half", "in the second half"],
)
def test_a_failover_that_halts_half_way_goes_back_from_there(
    pair: Pair, tmp_path: Path, fault: tuple[str, ...], side: str, answering: str
) -> None:
    here, there = pair.roles()
    kind, *what = fault
    hosts = {"here": here, "there": there}
    pair.inside(there, "systemctl", "unmask", "--runtime", *served.UNITS)  # or a unit could be given no fault
    before = Before.of(pair, here, there)
    with watched(pair.lab) as standing, faults.during(pair.lab, kind, hosts[side], *what):
        ended = pair.flow(*with_policy(pair, tmp_path, attempts=1), "start", STARTED, "--yes")
        assert ended.returncode == _WAITS, ended.stdout + ended.stderr
        halted = newest(pair)
        assert halted.summary.halt is not None
        assert what[0] in halted.summary.halt.step
        assert any(record.state is StepState.PENDING for record in halted.steps)
        pair.succeed("rollback", halted.summary.id, "--yes")
        back = newest(pair)
    assert Before.of(pair, here, there) == before
    pair.assert_active(here)
    assert served.xcatds(pair) == [here]
    standing.assert_never_two()
    assert standing.answerers() == [hosts[word] for word in answering.split()]
    assert standing.holders()[-1] == (here,)
    assert {record.name for record in halted.steps if record.acted and back.step(record.name).ours} == set()


def undone_since(forward: Run, back: Run) -> dict[str, Step]:
    """What a run had done, all of which was undone, each by commands of its own where there was something to undo."""
    did = {record.name: thaw(record.planned) for record in forward.steps if record.acted}
    assert {name for name in did if back.step(name).state is not StepState.UNDONE} == set()
    undone = {row.step for row in back.commands if row.direction is Direction.BACK and row.status == 0}
    left = {name for name, step in did.items() if step.nothing_to_undo or isinstance(step, AwaitDatabase)}
    assert did.keys() - left - undone == set(), "what was awaited is stopped by the undo of its start"
    return did


def newest(pair: Pair) -> Run:
    """The newest run, as the journal has it now."""
    with read(pair.lab.journal) as reader:
        return reader.run(reader.runs(limit=1)[0].id)


def changing(run: Run) -> dict[str, Step]:
    """The steps of a run that are there to change something."""
    steps = {record.name: thaw(record.planned) for record in run.steps}
    return {name: step for name, step in steps.items() if not isinstance(step, Check)}


def classes(steps: dict[str, Step]) -> set[str]:
    """By name."""
    return {type(step).__name__ for step in steps.values()}


def with_host_name(pair: Pair, folder: Path) -> tuple[str, str]:
    """The options by which hamn-flow finds the lab's pair, but as one whose active node bears the virtual IP's name."""
    path = folder / "cluster.toml"
    path.write_text(pair.lab.cluster_file.read_text().replace("features = {", "features = { set_host_name = true,"))
    return "--cluster", str(path)


@contextmanager
def work_for_each_class(pair: Pair, here: str, there: str) -> Iterator[None]:
    """What else would be found done already is not done: marks, holds, the resolver, an export, the host names."""
    pair.inside(here, "rm", "--force", *(f"{each.mount_point}/.hamn-flow" for each in FILE_SYSTEMS))
    pair.inside(there, "systemctl", "unmask", "--runtime", *served.UNITS)
    pair.inside(there, "systemctl", "mask", "--runtime", "conserver")
    host.write(pair.lab, there, "/etc/resolv.conf", f"search {DOMAIN}\n")
    pair.inside(here, "exportfs", "-o", "ro,no_subtree_check", _BY_HAND)
    pair.inside(here, "hostname", "mn")
    try:
        yield
    finally:
        for node in (here, there):
            pair.inside(node, "hostname", node)
            pair.tried(node, "exportfs", "-u", _BY_HAND)


@contextmanager
def nothing_exported_at_start(pair: Pair, node: str) -> Iterator[None]:
    """A host's NFS server does not export what the host lists when it starts, so that it is left for a step to do."""
    drop_in = "/run/systemd/system/nfs-server.service.d/proof.conf"
    pair.inside(node, "mkdir", "--parents", str(Path(drop_in).parent))
    host.write(pair.lab, node, drop_in, "[Service]\nExecStartPre=\n")
    pair.inside(node, "systemctl", "daemon-reload")
    try:
        yield
    finally:
        pair.inside(node, "rm", "--force", drop_in)
        pair.inside(node, "systemctl", "daemon-reload")
