"""Device busy: who holds a file system is named, and signalled only as far as the operator allows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hamn_flow.facts.storage import FsHolder
from hamn_flow.model.command import Command
from hamn_flow.model.pair import OnBusy
from hamn_flow.model.probe import Finding
from hamn_flow.simulator.state import Hold, Mount
from hamn_flow.steps.busy import named, spared
from hamn_flow.steps.file_systems import Unmount
from hamn_flow.steps.step import Failure, Step
from tests.steps.conftest import MN1, Pair, new_pair


def ready(on_busy: OnBusy = OnBusy.WAIT) -> tuple[Pair, Unmount]:
    """Everything before the unmount of /install is done."""
    pair = new_pair().with_policy(on_busy=on_busy)
    step = pair.step("planned-failover", "mn1.unmount./install")
    assert isinstance(step, Unmount)
    pair.go_through("planned-failover", until=step.name)
    return pair, step


def attempt(pair: Pair, step: Step) -> Failure | None:
    command: Command | None = None
    for command in step.apply(pair.nodes):
        pair.carry_out([command])
    found = step.probe(pair.nodes)
    return None if found.finding is Finding.DONE else Failure(command=command, result=None, probe=found)


def signalled(pair: Pair, step: Step) -> list[str]:
    """One attempt and, while it is busy, one more after each remedy, as the engine does; the remedies."""
    failure = attempt(pair, step)
    texts: list[str] = []
    if failure is None:
        return texts
    remedies: Iterator[Command] = step.remedy(pair.nodes, failure)
    for command in remedies:
        texts += pair.carry_out([command])
        if attempt(pair, step) is None:
            break
    return texts


LADDER: dict[OnBusy, tuple[list[str], bool]] = {
    OnBusy.WAIT: ([], False),
    OnBusy.TERMINATE: (["TERM mild", "TERM stubborn"], False),
    OnBusy.KILL: (["TERM mild", "TERM stubborn", "KILL stubborn"], True),
}


@pytest.mark.parametrize("on_busy", LADDER)
def test_holders_are_signalled_as_far_as_allowed(on_busy: OnBusy) -> None:
    pair, step = ready(on_busy)
    mild = pair.world.hold("mn1", "/install", command="mild")
    stubborn = pair.world.hold("mn1", "/install/postscripts", command="stubborn", ignores=("TERM",))
    expected, freed = LADDER[on_busy]
    texts = [
        f"mn1: perl - {signal} {process.pid} {process.started} < signal.pl"
        for signal, name in (words.split() for words in expected)
        for process in ([mild] if name == "mild" else [stubborn])
    ]
    assert signalled(pair, step) == texts
    assert (step.probe(pair.nodes).finding is Finding.DONE) == freed


def test_no_further_signal_is_sent_once_it_is_free() -> None:
    pair, step = ready(OnBusy.KILL)
    pair.world.hold("mn1", "/install", command="mild")
    assert len(signalled(pair, step)) == 1
    assert step.probe(pair.nodes).finding is Finding.DONE


def test_the_halt_names_the_holders_and_says_what_to_type() -> None:
    pair, step = ready()
    shell = pair.world.hold("mn1", "/install", user="alice")
    editor = pair.world.hold("mn1", "/install/postscripts", kind="file", user="root", command="vim")
    failure = attempt(pair, step)
    assert failure is not None
    sentence, hint = step.explain(pair.nodes, failure)
    assert sentence == (
        f"/install is busy on mn1: pid {shell.pid} (alice, session-1.scope) `bash` works in /install; "
        f"pid {editor.pid} (root, session-1.scope) `vim` has open /install/postscripts"
    )
    assert hint == (
        'Leave /install and end what holds it, or set on_busy = "terminate" in cluster.toml '
        "(what that ends does not come back by a rollback); then type hamn-flow resume."
    )


def test_a_unit_that_holds_is_to_be_stopped_as_a_unit() -> None:
    pair, step = ready()
    holder = pair.world.hold("mn1", "/install", command="rsync")
    holder.unit = "backup.service"
    failure = attempt(pair, step)
    assert failure is not None
    assert "systemctl stop backup.service" in step.explain(pair.nodes, failure)[1]


KERNEL: dict[str, tuple[str, str]] = {
    "loop": ("/dev/loop0", "the kernel has a loop device on /dev/loop0"),
    "swap": ("/install/swap", "the kernel swaps on /install/swap"),
}


@pytest.mark.parametrize("kind", KERNEL)
def test_what_the_kernel_holds_is_named_and_never_signalled(kind: str) -> None:
    pair, step = ready(OnBusy.KILL)
    detail, words = KERNEL[kind]
    pair.world.node("mn1").loops.append(Hold(kind=kind, file_system="install", detail=detail))
    assert signalled(pair, step) == []
    failure = attempt(pair, step)
    assert failure is not None
    sentence, hint = step.explain(pair.nodes, failure)
    assert words in sentence
    assert "never signalled: the kernel itself" in sentence
    assert "on_busy" not in hint


def test_a_submount_is_named(pair: Pair) -> None:
    step = pair.step("planned-failover", "mn1.unmount./install")
    pair.go_through("planned-failover", until=step.name)
    mounts = pair.world.node("mn1").mounts
    mounts.append(Mount("root-mn1", "/dev/sda1", "/install/iso", "ext4", "ro"))
    failure = attempt(pair, step)
    assert failure is not None
    assert "has mounted below it /install/iso" in step.explain(pair.nodes, failure)[0]


def holder(**fields: object) -> FsHolder:
    usual = {
        "kind": "cwd",
        "pid": 4711,
        "started": 1,
        "user": "root",
        "unit": "",
        "command": "bash",
        "detail": "/install",
    }
    return FsHolder(**{**usual, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"pid": 0}, "the kernel itself"),
        ({"pid": 1, "command": "init"}, "the service manager"),
        ({"command": "systemd"}, "the service manager"),
        ({"command": "(sd-pam)"}, "the service manager"),
        ({"command": "sshd: alice [priv]"}, "sshd, by which people and hamn-flow come in"),
        ({"command": "/usr/sbin/sshd"}, "sshd, by which people and hamn-flow come in"),
        ({"command": "hamn-flow launcher"}, "hamn-flow itself, or the login it came by"),
        ({"command": "hamn-flow job r1-3-1-0"}, "hamn-flow itself, or the login it came by"),
        ({"command": "-bash", "ours": True}, "hamn-flow itself, or the login it came by"),
        ({"command": "-bash"}, ""),
        ({"command": "rsync"}, ""),
        ({"command": ""}, ""),
    ],
)
def test_some_are_never_signalled(fields: dict[str, object], why: str) -> None:
    assert spared(holder(**fields)) == why


def test_a_process_is_named_once_and_a_crowd_is_counted() -> None:
    twice = (holder(), holder(kind="file", detail="/install/x"))
    assert named(twice).count("4711") == 1
    crowd = tuple(holder(pid=pid) for pid in range(100, 120))
    assert named(crowd).endswith("and 12 more")


def test_t19_a_lazy_unmount_is_never_success() -> None:
    """The mount is gone, and the kernel still holds the disk: late writes would land beside the other node's."""
    pair, step = ready(OnBusy.KILL)
    node = pair.world.node("mn1")
    node.mounts[:] = [mount for mount in node.mounts if mount.mount_point != "/install"]
    node.lingering.add("install")
    found = step.probe(pair.nodes)
    assert found.finding is Finding.PARTIAL
    assert list(step.apply(pair.nodes)) == []
    sentence, _hint = step.explain(pair.nodes, Failure(command=None, result=None, probe=found))
    assert "its kernel still holds it" in sentence


def test_t19_only_a_plain_unmount_is_ever_tried() -> None:
    pair, step = ready(OnBusy.KILL)
    pair.world.hold("mn1", "/install", ignores=("TERM", "KILL"))
    commands = [*step.apply(pair.nodes), *step.apply(pair.nodes)]
    assert {command.argv for command in commands} == {("umount", "/install")}


def test_nobody_is_signalled_because_of_a_mount_that_fails() -> None:
    """The undo of an unmount is a mount: who holds the disk by another mount point is a person's business."""
    pair, step = ready(OnBusy.KILL)
    pair.reach(step)
    pair.world.node("mn1").mounts.append(Mount("install", "/dev/sdb2", "/mnt", "ext4", "rw"))
    pair.world.hold("mn1", "/mnt")
    mount = next(iter(step.revert(pair.nodes, [])))
    failure = Failure(command=mount, result=None, probe=step.reverted(pair.nodes, []))
    assert failure.probe.finding is Finding.TODO
    assert list(step.remedy(pair.nodes, failure)) == []


def test_the_undo_of_a_mount_meets_the_same_ladder() -> None:
    pair = new_pair().with_policy(on_busy=OnBusy.TERMINATE)
    step = pair.step("planned-failover", "mn2.mount./install")
    pair.go_through("planned-failover", until="mn2.recognise./install")
    shell = pair.world.hold("mn2", "/install")
    (command,) = step.revert(pair.nodes, None)
    pair.carry_out([command])
    failure = Failure(command=command, result=None, probe=step.reverted(pair.nodes, None))
    assert failure.probe.finding is Finding.TODO
    assert f"pid {shell.pid}" in step.explain(pair.nodes, failure)[0]
    assert [text.split()[3] for text in pair.carry_out(step.remedy(pair.nodes, failure))] == ["TERM"]


def test_what_was_ended_and_does_not_come_back_is_said_when_going_back() -> None:
    pair, step = ready(OnBusy.TERMINATE)
    pair.world.hold("mn1", "/install", user="alice", command="tail")
    seen = step.probe(pair.nodes).seen
    assert signalled(pair, step)
    pair.carry_out(step.revert(pair.nodes, seen))
    reason = step.reverted(pair.nodes, seen).reason
    assert reason.endswith("it had been held by processes that are gone and do not come back: alice: tail")
    assert step.node == MN1
