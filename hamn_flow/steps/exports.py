"""NFS: the shared paths withdrawn on one node, exported again on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hamn_flow.facts.exports import Export, Exports, Shown
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.model.command import Command
from hamn_flow.model.pair import FileSystem
from hamn_flow.model.probe import Probe, done, partial, todo
from hamn_flow.steps.evidence import not_mounted, not_standing, still_holds
from hamn_flow.steps.step import Step


def shared_exports(node: Node, mount_points: tuple[str, ...]) -> tuple[Export, ...]:
    """What a node exports on or below the shared mount points; what else it exports is none of ours (T20)."""
    return tuple(export for export in node.get(Exports()) if _shared(export, mount_points))


def mount_points_of(file_systems: tuple[FileSystem, ...]) -> tuple[str, ...]:
    """Where the shared file systems are mounted."""
    return tuple(file_system.mount_point for file_system in file_systems)


def _shared(export: Export, mount_points: tuple[str, ...]) -> bool:
    return any(export.path == point or export.path.startswith(point.rstrip("/") + "/") for point in mount_points)


def _targets(exports: tuple[Export, ...]) -> str:
    return ", ".join(export.target for export in exports)


@dataclass(frozen=True, kw_only=True)
class UnexportShared(Step):
    """Withdraw the NFS exports of the shared file systems, and no others.

    Guide L468-L470; its `exportfs -ua` would withdraw all (T20). All exports are remembered for going back, since
    stopping the NFS server forgets those that nobody wrote into /etc/exports.
    """

    mount_points: tuple[str, ...]

    @property
    def what(self) -> str:
        """Identity."""
        return "unexport"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when nothing on or below the shared mount points is exported."""
        exports = nodes[self.node].get(Exports())
        ours = tuple(export for export in exports if _shared(export, self.mount_points))
        seen = [[export.client, export.path, export.options] for export in exports]
        return todo(f"exported: {_targets(ours)}", seen=seen) if ours else done("no shared path is exported", seen=seen)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """One by one."""
        node = nodes[self.node]
        for export in shared_exports(node, self.mount_points):
            yield node.platform.unexport(export)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Export again what was, with the same options."""
        node = nodes[self.node]
        for export in _lacking(node, seen):
            yield node.platform.export(export)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when everything that was exported is again."""
        lacking = _lacking(nodes[self.node], seen)
        return todo(f"not exported: {_targets(lacking)}") if lacking else done("exported as before")

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """Clients would write through this node to what the other one has mounted, or to its own disk."""
        return still_holds(nodes, nodes.peer_of(self.node).name) or not_mounted(nodes, self.node)


def _lacking(node: Node, seen: Any) -> tuple[Export, ...]:
    there = {(export.client, export.path) for export in node.get(Exports())}
    was = (Export(client=client, path=path, options=options) for client, path, options in seen)
    return tuple(export for export in was if (export.client, export.path) not in there)


@dataclass(frozen=True, kw_only=True)
class _Exporting(Step):
    """What both ways of exporting have in common: an undo withdraws what was not exported before, and no more."""

    def _concerned(self, node: Node) -> tuple[Export, ...]:
        """What is exported now of that which the step is about."""
        raise NotImplementedError

    def _added(self, node: Node, seen: Any) -> tuple[Export, ...]:
        before = {(client, path) for client, path in seen}
        return tuple(export for export in self._concerned(node) if (export.client, export.path) not in before)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Withdraw those that were not exported before."""
        node = nodes[self.node]
        for export in self._added(node, seen):
            yield node.platform.unexport(export)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when none is exported that was not before."""
        added = self._added(nodes[self.node], seen)
        return todo(f"exported: {_targets(added)}") if added else done("exported as before")

    def objection(self, nodes: Nodes) -> str | None:
        """Only from what is mounted here, and only if the other node has let go."""
        return still_holds(nodes, nodes.peer_of(self.node).name) or not_standing(nodes, self.node)


@dataclass(frozen=True, kw_only=True)
class ExportShared(_Exporting):
    """Export the shared file systems over NFS as the other node did.

    Guide L556-L567.
    """

    exports: tuple[Export, ...]  # as they were when the run was planned
    server: str  # the virtual IP, as clients ask it

    @property
    def what(self) -> str:
        """Identity."""
        return "export"

    def _missing(self, node: Node) -> tuple[Export, ...]:
        there = {(export.client, export.path) for export in node.get(Exports())}
        return tuple(export for export in self.exports if (export.client, export.path) not in there)

    def _concerned(self, node: Node) -> tuple[Export, ...]:
        missing = self._missing(node)
        return tuple(export for export in self.exports if export not in missing)

    def probe(self, nodes: Nodes) -> Probe:
        """Done when each is exported; said as well if clients are not shown them."""
        node = nodes[self.node]
        missing = self._missing(node)
        kept = [[export.client, export.path] for export in self.exports if export not in missing]
        if missing:
            say = partial if kept else todo
            return say(f"not exported: {_targets(missing)}", seen=kept)
        hidden = sorted({export.path for export in self.exports} - set(node.get(Shown(self.server))))
        warning = f"showmount does not list {', '.join(hidden)} (a server of NFS 4 alone never does)" if hidden else ""
        return done(f"exported: {_targets(self.exports)}", seen=kept, warning=warning)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Those that are not exported, one by one."""
        node = nodes[self.node]
        for export in self._missing(node):
            yield node.platform.export(export)


@dataclass(frozen=True, kw_only=True)
class ExportAgain(_Exporting):
    """Export over NFS what this node's own /etc/exports lists.

    Guide L567. For a node that takes the role while the other one cannot say what it exported.
    """

    once: ClassVar[bool] = True

    mount_points: tuple[str, ...]

    @property
    def what(self) -> str:
        """Identity."""
        return "export-again"

    def _concerned(self, node: Node) -> tuple[Export, ...]:
        return shared_exports(node, self.mount_points)

    def probe(self, nodes: Nodes) -> Probe:
        """What /etc/exports asks for is exportfs' own judgement; what came of it is said."""
        ours = self._concerned(nodes[self.node])
        seen = [[export.client, export.path] for export in ours]
        return done(f"exported: {_targets(ours)}" if ours else "no shared path is exported", seen=seen)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """All of the file."""
        yield nodes[self.node].platform.export_all()
