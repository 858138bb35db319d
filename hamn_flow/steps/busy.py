"""Who holds a file system that must be unmounted: how they are named, and which of them may be signalled."""

from __future__ import annotations

from collections.abc import Iterator

from hamn_flow.facts.node import Node
from hamn_flow.facts.platform import Signal
from hamn_flow.facts.storage import FsHolder, Holders
from hamn_flow.model.command import Command
from hamn_flow.model.pair import FileSystem, OnBusy

_KINDS = {
    "cwd": "works in",
    "root": "has its root in",
    "exe": "runs the program",
    "file": "has open",
    "map": "has mapped",
    "mount": "has mounted below it",
    "loop": "has a loop device on",
    "swap": "swaps on",
    "nfsd": "serves over NFS",
}
_ROUNDS: dict[OnBusy, tuple[Signal, ...]] = {
    OnBusy.WAIT: (),
    OnBusy.TERMINATE: ("TERM",),
    OnBusy.KILL: ("TERM", "KILL"),
}
_NAMED_AT_MOST = 8


def holders_of(node: Node, file_system: FileSystem, device_number: str) -> tuple[FsHolder, ...]:
    """All holders, read from /proc and mountinfo; never by fuser, which takes a path for its whole disk."""
    return node.get(Holders(file_system.mount_point, device_number))


def spared(holder: FsHolder) -> str:
    """Why a holder is never signalled; empty if it may be."""
    program = holder.command.split(maxsplit=1)[0].rstrip(":") if holder.command.strip() else ""
    program = program.rpartition("/")[2].lstrip("-")
    if holder.pid == 0:
        return "the kernel itself"
    if holder.pid == 1 or program in {"systemd", "init", "(sd-pam)"} or program.startswith("systemd-"):
        return "the service manager"
    if program.startswith("sshd"):
        return "sshd, by which people and hamn-flow come in"
    if holder.ours or "hamn-flow" in holder.command:
        return "hamn-flow itself, or the login it came by"
    return ""


def named(holders: tuple[FsHolder, ...]) -> str:
    """The holders as a person looks for them, one a process, the most telling sign of each."""
    first: dict[tuple[int, str], FsHolder] = {}
    for holder in holders:
        first.setdefault((holder.pid, holder.detail if holder.pid == 0 else ""), holder)
    texts = [_described(holder) for holder in first.values()]
    more = f"; and {len(texts) - _NAMED_AT_MOST} more" if len(texts) > _NAMED_AT_MOST else ""
    return "; ".join(texts[:_NAMED_AT_MOST]) + more


def signals(node: Node, file_system: FileSystem, device_number: str, on_busy: OnBusy) -> Iterator[Command]:
    """The signals that may be sent, one at a time: TERM to each holder, then, if told so, KILL to those left.

    Each is sent only to the very process that was seen, told by its start time.
    """
    rounds = _ROUNDS[on_busy]
    for signal in rounds:
        seen = holders_of(node, file_system, device_number)
        for pid, started in dict.fromkeys((one.pid, one.started) for one in seen if not spared(one)):
            yield node.platform.signal(pid, started, signal)


def explained(node: Node, holders: tuple[FsHolder, ...], file_system: FileSystem, on_busy: OnBusy) -> tuple[str, str]:
    """The sentence and the hint for a halt on a busy file system."""
    point = file_system.mount_point
    sentence = f"{point} is busy on {node.name}: {named(holders)}"
    kept = {spared(holder) for holder in holders if spared(holder)}
    if kept:
        sentence += f" (never signalled: {', '.join(sorted(kept))})"
    units = sorted({one.unit for one in holders if one.unit.endswith(".service") and not spared(one)})
    ways = [f"Leave {point} and end what holds it"]
    if units:
        ways.append(f"stop a unit with systemctl stop {units[0]}")
    if on_busy is not OnBusy.KILL and any(not spared(holder) for holder in holders):
        stronger = OnBusy.TERMINATE if on_busy is OnBusy.WAIT else OnBusy.KILL
        ways.append(f'or set on_busy = "{stronger}" in cluster.toml (what that ends does not come back by a rollback)')
    return sentence, f"{', '.join(ways)}; then type hamn-flow resume."


def _described(holder: FsHolder) -> str:
    doing = f"{_KINDS.get(holder.kind, holder.kind)} {holder.detail}".strip()
    if holder.pid == 0:
        return f"the kernel {doing}"
    unit = f", {holder.unit}" if holder.unit else ""
    return f"pid {holder.pid} ({holder.user}{unit}) `{holder.command}` {doing}"
