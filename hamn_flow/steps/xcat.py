"""xCAT itself: its daemon, what its commands make, a dump of its tables, and the acceptance at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, ClassVar

from hamn_flow.facts.network import ListeningPorts
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.services import Processes
from hamn_flow.facts.xcat import Consoles, Daemon, DumpFiles, LeasesOf, Table, TableNames
from hamn_flow.model.command import Command
from hamn_flow.model.probe import Finding, Probe, done, partial, todo
from hamn_flow.steps.databases import judged_master
from hamn_flow.steps.evidence import not_standing, still_holds
from hamn_flow.steps.names import SAMPLES, node_names
from hamn_flow.steps.services import StartService, unit_on
from hamn_flow.steps.step import Check, Step

# As a running xcatd shows itself; further titles come and go with its work.
TITLES = (
    "xcatd: SSL listener",
    "xcatd: DB Access",
    "xcatd: UDP listener",
    "xcatd: Discovery worker",
    "xcatd: install monitor",
    "xcatd: Command log writer",
)
# What dumpxCATdb leaves out by itself (its source); site.skiptables adds to it.
NOT_DUMPED = ("eventlog", "auditlog", "x_teal*", "isnm_perf*")


@dataclass(frozen=True, kw_only=True)
class StartXcatd(StartService):
    """Start xCAT's daemon, and have it answer.

    Guide L530. Proven by its ports, its six processes and lsxcatd; it writes the schema of all tables when it starts.
    """

    def probe(self, nodes: Nodes) -> Probe:
        """Done when all of it is there and it answers."""
        found = self._running(nodes[self.node])
        if found.finding is not Finding.DONE:
            return found
        node = nodes[self.node]
        listening, titles = node.get(ListeningPorts()), [process.title for process in node.get(Processes())]
        missing = [f"nobody listens on {port}" for port in self.service.ports if port not in listening]
        missing += [f"no process is `{one}`" for one in TITLES if not any(title.startswith(one) for title in titles)]
        if not missing and node.get(Daemon()) is None:
            missing = ["it does not answer lsxcatd -a"]
        if missing:  # its children take their titles and ports after systemd has its word
            return partial(f"started, but {', '.join(missing)}", seen=found.seen, coming=True)
        return done("running", seen=found.seen)


@dataclass(frozen=True, kw_only=True)
class MakeDhcp(StartService):
    """Write the DHCP server's configuration anew from xCAT's tables, before it serves anybody.

    Guide L549, and its L529 put right: a server started before this would hand out the standby's old leases (T26).
    """

    once: ClassVar[bool] = True

    also: tuple[str, ...] = ()  # units that it starts besides: Kea has several daemons

    @property
    def what(self) -> str:
        """Identity."""
        return "makedhcp"

    def _running_units(self, node: Node) -> list[str]:
        return [unit for unit in (self.unit, *self.also) if not unit_on(node, unit).stopped]

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the server runs: makedhcp starts it, and that is what there is to undo.

        Its exit status proves nothing, and what it did not write would be served by whoever starts the server next.
        """
        running = self._running_units(nodes[self.node])
        if self.unit not in running:
            return todo(f"{self.unit} does not run, and makedhcp -n starts it", seen=running)
        return done(f"running: {', '.join(running)}", seen=running)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """The configuration only."""
        yield nodes[self.node].platform.xcat("makedhcp", "-n", deadline=600.0)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Stop what it started; the old configuration lies beside the new one as .xcatbak."""
        node = nodes[self.node]
        for unit in self._running_units(node):
            if unit not in seen:
                yield node.platform.stop_unit(unit)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when no more runs than before."""
        more = [unit for unit in self._running_units(nodes[self.node]) if unit not in seen]
        return todo(f"running: {', '.join(more)}") if more else done("no DHCP server runs that did not before")


@dataclass(frozen=True, kw_only=True)
class MakeLeases(Step):
    """Give the DHCP server the nodes of xCAT's tables.

    Guide L549. Proven by makedhcp -q: leases are sometimes lost while the server starts (xcat-core #5931).
    """

    once: ClassVar[bool] = True
    nothing_to_undo: ClassVar[str] = "leases are written anew by whoever takes the role"

    samples: tuple[str, ...] = ()  # nodes that had a lease when the run was planned

    @property
    def what(self) -> str:
        """Identity."""
        return "makedhcp-nodes"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the server knows each sample node."""
        node = nodes[self.node]
        missing = [name for name in self.samples if not node.get(LeasesOf(name))]
        if missing:
            return todo(
                f"the DHCP server does not know {', '.join(missing)}",
                hint=f"Type makedhcp -q {missing[0]} on {self.node}, mend what it says, then type hamn-flow resume.",
            )
        return done(
            f"the DHCP server knows {', '.join(self.samples)}" if self.samples else "no node had a lease before"
        )

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """All nodes."""
        yield nodes[self.node].platform.xcat("makedhcp", "-a", deadline=600.0)

    def objection(self, nodes: Nodes) -> str | None:
        """Leases of the cluster come from one node."""
        return still_holds(nodes, nodes.peer_of(self.node).name) or not_standing(nodes, self.node)


@dataclass(frozen=True, kw_only=True)
class MakeConsoles(Step):
    """Give the console server the nodes of xCAT's tables.

    Guide L550: makeconservercf, or makegocons for goconserver.
    """

    once: ClassVar[bool] = True
    nothing_to_undo: ClassVar[str] = "the list of consoles is written anew by whoever takes the role"

    console: str  # "conserver" or "goconserver"
    expected: tuple[str, ...] = ()  # the consoles that were served when the run was planned

    @property
    def what(self) -> str:
        """Identity."""
        return "consoles"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when every console that was served is in the list."""
        there = set(nodes[self.node].get(Consoles(self.console)))
        missing = [name for name in self.expected if name not in there]
        if missing:
            more = " and others" if len(missing) > SAMPLES else ""
            return todo(f"no console for {', '.join(missing[:SAMPLES])}{more}")
        return done(f"{len(there)} consoles are listed")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """All nodes."""
        program = "makegocons" if self.console == "goconserver" else "makeconservercf"
        yield nodes[self.node].platform.xcat(program, deadline=600.0)

    def objection(self, nodes: Nodes) -> str | None:
        """The list must be that of the pair's own tables, which the other node has let go of."""
        return still_holds(nodes, nodes.peer_of(self.node).name) or not_standing(nodes, self.node)


@dataclass(frozen=True, kw_only=True)
class DumpTables(Step):
    """Dump xCAT's tables to files, and prove that all are there.

    Guide L255. dumpxCATdb says "Backup Complete." and exits 0 also where single tables failed, so the files count.
    """

    once: ClassVar[bool] = True  # a dump of an earlier way through this run is out of date
    lasting: ClassVar[bool] = False  # which tables there are is known only while xcatd answers here
    nothing_to_undo: ClassVar[str] = "the dump is kept"

    directory: str  # of this run alone

    @property
    def what(self) -> str:
        """Identity."""
        return "dump"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when there is a file for each table, and that of site is not empty."""
        node = nodes[self.node]
        files = node.get(DumpFiles(self.directory))
        if not files:
            return todo(f"nothing in {self.directory}")
        site = {row["key"]: row["value"] for row in node.get(Table("site")) or ()}
        left_out = (*NOT_DUMPED, *(word.strip() for word in site.get("skiptables", "").split(",") if word.strip()))
        wanted = [name for name in node.get(TableNames()) if not any(fnmatch(name, one) for one in left_out)]
        missing = [name for name in wanted if f"{name}.csv" not in files]
        if missing:
            return partial(f"{len(missing)} of {len(wanted)} tables are missing in {self.directory}: {missing[0]} ...")
        if not files.get("site.csv"):
            return partial(f"{self.directory}/site.csv is empty")
        return done(f"{len(files)} tables in {self.directory}")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """All tables."""
        yield nodes[self.node].platform.dump_tables(self.directory)


@dataclass(frozen=True, kw_only=True)
class XcatAnswers(Check):
    """xCAT answers for the pair's own database through its daemon, and site.master is the virtual IP."""

    engine: str  # as lsxcatd calls it
    master: str
    host_name: str

    @property
    def what(self) -> str:
        """Identity."""
        return "xcat-answers"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when lsxcatd names the engine, and site.master is the virtual IP."""
        node = nodes[self.node].at_once(Daemon(), Table("site"))
        daemon = node.get(Daemon())
        if daemon is None:
            return todo("lsxcatd -a gets no answer from xCAT's daemon")
        if daemon.engine != self.engine:
            return todo(f"xCAT's daemon uses {daemon.engine}, cluster.toml says {self.engine}")
        rows = node.get(Table("site"))
        return todo("tabdump site reads nothing") if rows is None else judged_master(rows, self.master, self.host_name)


@dataclass(frozen=True, kw_only=True)
class TablesReadable(Check):
    """Every table that matters can be read, and as many nodes are defined as before."""

    tables: ClassVar[tuple[str, ...]] = ("site", "networks", "nodelist", "policy", "nodetype", "noderes", "osimage")

    count: int | None = None  # nodes when the run was planned; None: not known

    @property
    def what(self) -> str:
        """Identity."""
        return "tables-readable"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when they can be read and the count agrees."""
        node = nodes[self.node]
        read = {name: node.get(Table(name)) for name in self.tables}
        unread = [name for name, rows in read.items() if rows is None]
        if unread:
            return todo(f"tabdump reads nothing of {', '.join(unread)}")
        found = len(read["nodelist"] or ())
        if self.count is not None and found != self.count:
            return _other_nodes(self, found, self.count)
        return done(f"the tables can be read, {found} nodes are defined")


@dataclass(frozen=True, kw_only=True)
class NodesDefined(Check):
    """As many nodes are defined as before, so that nothing is made of another pair's tables, or of empty ones.

    A first failover after a setup has shown empty tables (trinity #431).
    """

    count: int  # when the run was planned

    @property
    def what(self) -> str:
        """Identity."""
        return "nodes-defined"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the count agrees."""
        rows = nodes[self.node].get(Table("nodelist"))
        if rows is None:
            return todo("tabdump reads nothing of nodelist")
        if len(rows) != self.count:
            return _other_nodes(self, len(rows), self.count)
        return done(f"{self.count} nodes are defined, as before")


def _other_nodes(step: Step, found: int, before: int) -> Probe:
    return todo(
        f"{found} nodes are defined, {before} were before",
        hint="Type hamn-flow rollback if these are not the pair's tables; if nodes were added or removed "
        f"meanwhile, type hamn-flow skip {step.name} --because '...', then hamn-flow resume.",
    )


def leased(node: Node) -> tuple[str, ...]:
    """A few of the defined nodes that the DHCP server of this node knows, for asking after them elsewhere."""
    found: list[str] = []
    for name in node_names(node)[: 4 * SAMPLES]:
        if len(found) < SAMPLES and node.get(LeasesOf(name)):
            found.append(name)
    return tuple(found)
