"""A file system in use: whatever holds it is named as a person would look for it, and the run goes on when it is freed.

A shell that stands there, an open file, a program that runs from there, a disk image mounted from there, a folder of it
mounted elsewhere, and an in.tftpd that xcatd's unit does not know, all at once, on four of the file systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hamn_flow.errors import StepFailed
from hamn_flow.lab import faults
from tests.lab.proofs.driving import with_policy
from tests.lab.proofs.pair import STARTED, Pair
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_WAITS = int(StepFailed.exit_status)
_SHELL = "left-behind"  # the unit of a shell whose user went home
_PID = re.compile(r"\b(?:pid|process) (\d+)")
_PLACE = re.compile(r"/(?:run|dev)/[\w-]+")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Something that holds a file system: what the halt must say of it, and how it is made to let go."""

    file_system: str
    said: str  # a regular expression
    mark: str  # its pid or, where the kernel holds it, a path that no other has
    let_go: Callable[[], object]


def test_each_holder_is_named_and_the_run_goes_on_when_it_is_freed(pair: Pair, tmp_path: Path) -> None:
    here, there = pair.roles()
    policy = with_policy(pair, tmp_path, attempts=2, first_wait=0.3)
    with watched(pair.lab) as standing, holding(pair, here) as holders:
        tftpd = holders.pop("tftpd")
        ended = pair.flow(*policy, "start", STARTED, "--yes")
        assert ended.returncode == _WAITS, ended.stdout + ended.stderr
        halt = pair.last_run()["halt"]
        assert re.search(tftpd.said, halt["reason"]), halt
        assert marks(halt["reason"]) == {tftpd.mark}

        freed = tftpd
        while holders:
            freed.let_go()
            ended = pair.flow(*policy, "resume", "--yes")
            assert ended.returncode == _WAITS, ended.stdout + ended.stderr
            assert_named(pair, here, holders)
            _, freed = holders.popitem()
        freed.let_go()
        pair.succeed(*policy, "resume", "--yes")
    assert pair.last_run()["state"] == "done"
    pair.assert_active(there)
    standing.assert_moved(here, there)
    standing.assert_taken_once(here, there)


def assert_named(pair: Pair, node: str, holders: Mapping[str, Holder]) -> None:
    """Each file system that is held is still mounted, and says who holds it, and nobody else; all others are free."""
    run = pair.last_run()
    failed = {step["name"]: step["reason"] for step in run["steps"] if step["state"] == "failed"}
    held = {holder.file_system for holder in holders.values()}
    assert set(failed) == {f"{node}.unmount.{point}" for point in held}
    for point in held:
        reason = failed[f"{node}.unmount.{point}"]
        here = [holder for holder in holders.values() if holder.file_system == point]
        assert reason.startswith(f"{point} is busy on {node}: ")
        assert [holder.said for holder in here if not re.search(holder.said, reason)] == [], reason
        assert marks(reason) == {holder.mark for holder in here}
        assert reason in run["halt"]["reason"]


def marks(reason: str) -> set[str]:
    """Whom a halt names: pids, and what is mounted or set up elsewhere."""
    return {*_PID.findall(reason), *_PLACE.findall(reason)}


@contextmanager
def holding(pair: Pair, node: str) -> Iterator[dict[str, Holder]]:
    """All of them, by a word each; at the end none is left."""
    try:
        yield {
            "file": held(pair, node, "/etc/xcat", "file", r"pid {pid} \(root.*\) `sleep` has open {path}"),
            "binary": held(pair, node, "/root/.xcat", "binary", r"pid {pid} \(root.*\) `\S+` runs the program {path}"),
            "loop": held(pair, node, "/install", "loop", r"the kernel .*{device} of {path}"),
            "bind": held(pair, node, "/install", "bind", r"the kernel .*{place}"),
            "shell": shell(pair, node, "/install"),
            "tftpd": held(pair, node, "/tftpboot", "tftp", r"process {pid} .*`in\.tftpd`"),
        }
    finally:
        pair.tried(node, "systemctl", "stop", _SHELL)
        faults.lift_all(pair.lab)


def held(pair: Pair, node: str, file_system: str, how: str, said: str) -> Holder:
    """A holder that the lab sets."""
    fault = faults.set_fault(pair.lab, "hold", node, file_system, how)
    known = {key: re.escape(str(value)) for key, value in fault.known.items()}
    mark = next(str(fault.known[key]) for key in ("pid", "device", "place") if key in fault.known)
    return Holder(
        file_system=file_system,
        said=said.format(**known),
        mark=mark,
        let_go=lambda: faults.lift(pair.lab, fault.id),
    )


def shell(pair: Pair, node: str, directory: str) -> Holder:
    """A shell of another user than root, with its own unit, that stands somewhere and has stopped itself."""
    where = (f"--unit={_SHELL}", "--uid=games", f"--working-directory={directory}")
    pair.inside(node, "systemd-run", *where, "bash", "--norc", "-c", "kill -STOP $BASHPID")
    pid = pair.inside(node, "systemctl", "show", "--property=MainPID", "--value", _SHELL).strip()
    return Holder(
        file_system=directory,
        said=rf"pid {pid} \(games, {_SHELL}\.service\) `bash` works in {directory}\b",
        mark=pid,
        let_go=lambda: pair.inside(node, "systemctl", "stop", _SHELL),
    )
