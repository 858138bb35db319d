"""The shared file systems: let go on one node, taken and recognised on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.services import Processes
from hamn_flow.facts.storage import BlockDevice, FsHolder, Marker, MarkerAt, Mounts, marker_path, mount_at
from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import FileSystem, OnBusy
from hamn_flow.model.probe import Finding, Probe, done, partial, todo
from hamn_flow.steps import busy
from hamn_flow.steps.evidence import database_running, file_system_held, still_holds, xcatd_running
from hamn_flow.steps.step import Check, Failure, Step, words_of


@dataclass(frozen=True, kw_only=True)
class _OnFileSystem(Step):
    """What the steps on one shared file system have in common: who holds it is found out the same way."""

    file_system: FileSystem

    @property
    def _point(self) -> str:
        return self.file_system.mount_point

    def _unmounting(self, failure: Failure) -> bool:
        """Whether it is an unmount that failed: nobody is signalled because of a mount."""
        return failure.command is not None and failure.command.argv[0] == "umount"

    def _mounted(self, nodes: Nodes) -> Probe:
        """Done if the right device is mounted at the mount point, in the namespace that commands run in."""
        node = nodes[self.node]
        mount = mount_at(node.get(Mounts()), self._point)
        if mount is None:
            return todo("not mounted")
        device = node.get(BlockDevice(self.file_system.device))
        if mount.device != device.number:
            wanted = device.number or "not there"
            return partial(
                f"{mount.source} ({mount.device}) is mounted there, but {self.file_system.device} is {wanted}",
                hint=f"Find out why {mount.source} is there, unmount {self._point}, then type hamn-flow resume.",
            )
        return done(f"mounted from {mount.source}")

    def _released(self, nodes: Nodes) -> Probe:
        """Done if the node's kernel holds nothing of it any more, in no namespace and lazily neither."""
        node = nodes[self.node].at_once(Mounts(), BlockDevice(self.file_system.device))
        held = file_system_held(node, self.file_system)
        if held is None:
            return done("not mounted, and the device is free")
        mount = mount_at(node.get(Mounts()), self._point)
        if mount is None:
            return partial(held)
        return todo(f"mounted from {mount.source}")

    def _holders(self, nodes: Nodes) -> tuple[FsHolder, ...]:
        node = nodes[self.node]
        return busy.holders_of(node, self.file_system, node.get(BlockDevice(self.file_system.device)).number)

    def remedy(self, nodes: Nodes, failure: Failure) -> Iterator[Command]:
        """Signal the holders of what could not be unmounted, as far as cluster.toml allows."""
        if self._unmounting(failure) and failure.probe.finding is not Finding.UNKNOWN:
            node = nodes[self.node]
            number = node.get(BlockDevice(self.file_system.device)).number
            yield from busy.signals(node, self.file_system, number, nodes.policy.on_busy)

    def explain(self, nodes: Nodes, failure: Failure) -> tuple[str, str]:
        """Name the holders of what could not be unmounted."""
        if not self._unmounting(failure) or failure.probe.finding is Finding.UNKNOWN:
            return super().explain(nodes, failure)
        holders = self._holders(nodes)
        if holders:
            return busy.explained(nodes[self.node], holders, self.file_system, nodes.policy.on_busy)
        held = file_system_held(nodes[self.node], self.file_system) or failure.probe.reason
        said = words_of(failure)
        return (
            f"{held}, and no process is seen that holds it{f' ({said})' if said else ''}",
            "Look for a lazy unmount, a container, NFSv4 state or device-mapper; then type hamn-flow resume.",
        )


@dataclass(frozen=True, kw_only=True)
class Unmount(_OnFileSystem):
    """Unmount a shared file system, so that the other node may mount it.

    Guide L478-L486. Only a plain unmount is ever tried: never lazy, never forced (T19).
    """

    @property
    def what(self) -> str:
        """Identity: one per mount point."""
        return f"unmount.{self._point}"

    def _unmounting(self, failure: Failure) -> bool:
        """Also where no command was left to try, because only the kernel still held it."""
        return failure.command is None or super()._unmounting(failure)

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the kernel has let go; what is seen are the processes that held it, where they may be ended."""
        found = self._released(nodes)
        may_end = nodes.policy.on_busy is not OnBusy.WAIT
        holders = self._holders(nodes) if may_end and found.finding is Finding.TODO else ()
        seen = [[one.pid, one.started, f"{one.user}: {one.command}"] for one in holders if one.pid]
        return Probe(finding=found.finding, reason=found.reason, seen=seen, hint=found.hint)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """A plain unmount for each time it is mounted there; nothing where only the kernel still holds it."""
        node = nodes[self.node]
        for mount in node.get(Mounts()):
            if mount.own and mount.mount_point == self._point:
                yield node.platform.unmount(self._point)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Mount it again where it was."""
        del seen
        yield nodes[self.node].platform.mount(self.file_system)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Mounted again; those who held it and are gone since are named, as nothing brings them back."""
        found = self._mounted(nodes)
        alive = {(one.pid, one.started) for one in nodes[self.node].get(Processes())} if seen else set()
        gone = dict.fromkeys(text for pid, started, text in seen or () if (pid, started) not in alive)
        if not gone or found.finding is not Finding.DONE:
            return found
        return done(
            f"{found.reason}; it had been held by processes that are gone and do not come back: {', '.join(gone)}"
        )

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """Mounting again needs the other node to have let go."""
        return _objection_to_mount(nodes, self.node, self.file_system)


@dataclass(frozen=True, kw_only=True)
class Mount(_OnFileSystem):
    """Mount a shared file system.

    Guide L504-L514; by a device name that does not move, never by /dev/sdX (T9).
    """

    @property
    def what(self) -> str:
        """Identity: one per mount point."""
        return f"mount.{self._point}"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the right device is mounted there."""
        return self._mounted(nodes)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """One mount, and none over another one."""
        node = nodes[self.node]
        if mount_at(node.get(Mounts()), self._point) is None:
            yield node.platform.mount(self.file_system)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Unmount it plainly."""
        del seen
        yield nodes[self.node].platform.unmount(self._point)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when the kernel has let go."""
        del seen
        return self._released(nodes)

    def objection(self, nodes: Nodes) -> str | None:
        """The other node must have let go, and xCAT's daemon must not run here on the node's own files (T14)."""
        return _objection_to_mount(nodes, self.node, self.file_system)


def _objection_to_mount(nodes: Nodes, name: NodeName, file_system: FileSystem) -> str | None:
    objection = still_holds(nodes, nodes.peer_of(name).name)
    if objection is None:
        here, database = nodes[name], nodes.cluster.database
        running = xcatd_running(here)
        if running is None and lies_in(database.data_directory, file_system.mount_point):
            running = database_running(here, database)
        objection = f"{running}: it must be stopped before anything is mounted below it" if running else None
    return objection


def lies_in(path: str, directory: str) -> bool:
    """Whether a path is a directory or lies below it; an empty path does not."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


@dataclass(frozen=True, kw_only=True)
class WriteMarker(_OnFileSystem):
    """Mark a shared file system as this pair's, so that it is recognised on the other node."""

    lasting: ClassVar[bool] = False  # it can be read only while the file system is mounted here

    cluster: str

    @property
    def what(self) -> str:
        """Identity: one per mount point."""
        return f"mark.{self._point}"

    def _marker(self) -> Marker:
        return Marker(cluster=self.cluster, mount_point=self._point, source=self.file_system.source)

    def probe(self, nodes: Nodes) -> Probe:
        """Done when any marker is there: whether it is the right one is another step's question."""
        if nodes[self.node].get(MarkerAt(self._point)) is not None:
            return done("it bears a marker")
        return todo("no marker on it yet")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Write the marker into the file system's own root."""
        yield nodes[self.node].platform.write_file(marker_path(self._point), self._marker().text)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """There was none before, so it is removed."""
        del seen
        yield nodes[self.node].platform.remove_file(marker_path(self._point))

    def objection(self, nodes: Nodes) -> str | None:
        """A marker written while it is not mounted would lie on the node's own disk."""
        found = self._mounted(nodes)
        return None if found.finding is Finding.DONE else f"{self._point} on {self.node}: {found.reason}"

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """The same for its removal."""
        return self.objection(nodes)


@dataclass(frozen=True, kw_only=True)
class CheckIdentity(_OnFileSystem, Check):
    """What is mounted is the very file system that the pair shares: device, and marker.

    `marked` says that a marker must be there (the node that let go has written or seen it): without it a copy of
    the disk, or a disk that is not really shared, would pass by its UUID.
    """

    cluster: str
    marked: bool = True

    @property
    def what(self) -> str:
        """Identity: one per mount point."""
        return f"recognise.{self._point}"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when device and marker are the pair's."""
        found = self._mounted(nodes)
        if found.finding is not Finding.DONE:
            return found
        marker = nodes[self.node].get(MarkerAt(self._point))
        wrong = _mistaken(marker, self.cluster, self.file_system, marked=self.marked)
        if wrong:
            return todo(
                f"{self._point} is not the pair's file system: {wrong}",
                hint=f"Compare `blkid {self.file_system.device}` on both nodes; type hamn-flow rollback to go back.",
            )
        return done(f"{found.reason}, {'with the marker of this pair' if marker else 'without a marker yet'}")


@dataclass(frozen=True, kw_only=True)
class MarkersOurs(Check):
    """What is mounted bears no other pair's marker."""

    lasting: ClassVar[bool] = False  # it can be read only while the file systems are mounted here

    file_systems: tuple[FileSystem, ...]
    cluster: str

    @property
    def what(self) -> str:
        """Identity."""
        return "markers"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when each marker that is there is this pair's."""
        node = nodes[self.node]
        for one in self.file_systems:
            wrong = _mistaken(node.get(MarkerAt(one.mount_point)), self.cluster, one, marked=False)
            if wrong:
                return todo(
                    f"{one.mount_point} on {self.node} is not this pair's: {wrong}",
                    hint=f"Mend the name in cluster.toml, or remove {marker_path(one.mount_point)} if it is wrong.",
                )
        return done("no other pair's marker")


def _mistaken(marker: Marker | None, cluster: str, file_system: FileSystem, *, marked: bool) -> str:
    """What is wrong with a marker; empty if nothing is."""
    if marker is None:
        return "it bears no marker, though the other node's did" if marked else ""
    if marker.cluster != cluster:
        return f"its marker names the pair {marker.cluster}, not {cluster}"
    if marker.mount_point != file_system.mount_point:
        return f"its marker says that it belongs to {marker.mount_point}"
    return ""


def layers(file_systems: tuple[FileSystem, ...]) -> tuple[tuple[FileSystem, ...], ...]:
    """The file systems in groups that do not depend on each other, outer before inner."""
    depth: dict[str, int] = {}
    for one in sorted(file_systems, key=lambda file_system: len(file_system.mount_point)):
        outer = [depth[point] for point in depth if lies_in(one.mount_point, point)]
        depth[one.mount_point] = max(outer, default=-1) + 1
    deepest = max(depth.values(), default=-1)
    return tuple(tuple(one for one in file_systems if depth[one.mount_point] == level) for level in range(deepest + 1))


def marked(node: Node, file_system: FileSystem) -> bool:
    """Whether a file system that is mounted on a node bears a marker."""
    return node.get(MarkerAt(file_system.mount_point)) is not None
