"""PostgreSQL as xCAT's database: the unit that really is the server, stopped and started. SQLite has no daemon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.postgresql import LockFile, PostgresServer
from hamn_flow.facts.services import LastLines, Process, Processes, Units, starts
from hamn_flow.facts.storage import Mounts, mount_at
from hamn_flow.facts.xcat import DatabaseLocation, Table
from hamn_flow.model.command import Command
from hamn_flow.model.pair import Database, Engine, Service
from hamn_flow.model.probe import Probe, done, partial, todo
from hamn_flow.steps.evidence import is_postgres, still_holds
from hamn_flow.steps.services import StartService, StopService, unit_on
from hamn_flow.steps.step import Check, Failure

XCAT_DIRECTORY = "/etc/xcat"
LOCK_FILE = "postmaster.pid"
ENGINES = {Engine.POSTGRESQL: "Pg", Engine.SQLITE: "SQLite"}  # as cfgloc and lsxcatd call them


def database_unit(node: Node, database: Database) -> str:
    """The unit that serves the data directory on a node; empty if it cannot be told.

    Debian's postgresql.service is an empty umbrella, so the node is asked, unless cluster.toml names the unit.
    """
    if database.unit:
        return database.unit
    server = node.get(PostgresServer(database.data_directory))
    return server.unit if server else ""


def database_service(unit: str) -> Service:
    """The database as a service: its unit is all that proves it, since other servers may share its titles."""
    return Service(name="database", units=(unit,))


@dataclass(frozen=True, kw_only=True)
class StopDatabase(StopService):
    """Stop the PostgreSQL server of the shared data directory.

    Guide L471-L477, for PostgreSQL.
    """


@dataclass(frozen=True, kw_only=True)
class StartDatabase(StartService):
    """Start the PostgreSQL server of the shared data directory.

    Guide L515-L518, for PostgreSQL. It serves as soon as it says so itself: Debian's pg_ctlcluster, and with it
    systemd, waits two seconds longer, to see that it stays.
    """

    data_directory: str

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the unit is active, or, while it is on its way, when its server is ready for connections."""
        node = nodes[self.node].at_once(Units((self.unit,)), LockFile(self.data_directory), Processes())
        found, unit = self._running(node), unit_on(node, self.unit)
        if unit.active or not (unit.due or unit.active_state == "activating"):
            return found
        lock = node.get(LockFile(self.data_directory))
        own = {one.pid for one in node.get(Processes()) if one.unit == unit.id and is_postgres(one)}
        if lock is not None and lock.ready and lock.pid in own:
            return done("ready for connections", seen=found.seen)
        return partial(found.reason, seen=found.seen, coming=True)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Have systemd start it."""
        yield nodes[self.node].platform.begin_unit(self.unit)

    def remedy(self, nodes: Nodes, failure: Failure) -> Iterator[Command]:
        """Wait for a server that recovers; or remove a stale lock file.

        That only if PostgreSQL itself names it, and no server lives on either node.
        A server that died with its host leaves its pid behind; another process may bear that number here (T34).
        PostgreSQL takes any process of its user for a server, Debian's pg_ctlcluster any with postgres in its words.
        """
        node, peer = nodes[self.node], nodes.peer_of(self.node)
        if failure.probe.coming and self.objection(nodes) is None:
            yield node.platform.start_unit(self.unit)
        if not any(map(_names_the_lock, _last_lines(node, self.unit))) or still_holds(nodes, peer.name) is not None:
            return
        server = node.get(PostgresServer(self.data_directory))
        if server is not None and server.pid is not None and not any(_living_servers(node, peer)):
            yield node.platform.remove_file(LockFile(self.data_directory).path)

    def explain(self, nodes: Nodes, failure: Failure) -> tuple[str, str]:
        """A lock file that is kept is told with the server that lives: only a person knows what that one serves."""
        reason, hint = super().explain(nodes, failure)
        node, peer = nodes[self.node], nodes.peer_of(self.node)
        living = next(_living_servers(node, peer), None)
        if living is None or not any(map(_names_the_lock, _last_lines(node, self.unit))):
            return reason, hint
        where, server = living
        path = LockFile(self.data_directory).path
        hint = (
            f"See by ps -fp {server.pid} on {where.name} which data directory it serves: end it if it is this one; "
            f"if not, type rm {path} on {self.node}; then type hamn-flow resume."
        )
        return f"{reason}; {path} is kept while a PostgreSQL server lives on {where.name} (process {server.pid})", hint


@dataclass(frozen=True, kw_only=True)
class AwaitDatabase(StartService):
    """Wait until systemd, too, counts the PostgreSQL server as started."""

    @property
    def what(self) -> str:
        """Identity."""
        return "await.database"


def _living_servers(*nodes: Node) -> Iterator[tuple[Node, Process]]:
    return ((node, process) for node in nodes for process in node.get(Processes()) if is_postgres(process))


def _names_the_lock(line: str) -> bool:
    return (LOCK_FILE in line and "already exists" in line) or "Cluster is already running" in line


def _last_lines(node: Node, unit: str) -> Iterable[str]:
    return chain.from_iterable(starts(node.get(LastLines(unit))))


@dataclass(frozen=True, kw_only=True)
class RecogniseDatabase(Check):
    """xCAT on this node is set to the pair's database: cfgloc names the engine and the virtual IP.

    Where /etc/xcat is not the shared one, a stale database of the node's own would be taken for it.
    """

    engine: Engine
    host: str  # the virtual IP
    host_name: str

    @property
    def what(self) -> str:
        """Identity."""
        return "recognise-database"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when engine and host are the pair's."""
        found = nodes[self.node].get(DatabaseLocation())
        wanted = ENGINES[self.engine]
        engine = found.engine if found else ENGINES[Engine.SQLITE]
        hint = "Compare /etc/xcat/cfgloc with cluster.toml, mend what is wrong, then type hamn-flow resume."
        if engine != wanted:
            return todo(f"/etc/xcat/cfgloc says {engine}, cluster.toml says {wanted}", hint=hint)
        if found and found.host not in {self.host, self.host_name}:
            return todo(f"/etc/xcat/cfgloc names the host {found.host}, not the virtual IP {self.host}", hint=hint)
        return done(f"xCAT uses {engine}" + (f" at {found.host}" if found else ""))


@dataclass(frozen=True, kw_only=True)
class DatabaseAnswers(Check):
    """xCAT's database answers without xCAT's daemon, and is the pair's own: site.master is the virtual IP."""

    master: str
    host_name: str

    @property
    def what(self) -> str:
        """Identity."""
        return "database-answers"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the site table can be read and names the virtual IP.

        Asked only where /etc/xcat is mounted: xCAT makes tables that it does not find, on the node's own disk too.
        """
        if mount_at(nodes[self.node].get(Mounts()), XCAT_DIRECTORY) is None:
            return todo(f"{XCAT_DIRECTORY} is not mounted on {self.node}")
        rows = nodes[self.node].get(Table("site", bypass=True))
        if rows is None:
            return todo(
                "XCATBYPASS=1 tabdump site reads nothing: the database does not answer",
                hint=f"Type XCATBYPASS=1 tabdump site on {self.node} to see why, then type hamn-flow resume.",
            )
        return judged_master(rows, self.master, self.host_name)


def judged_master(rows: tuple[dict[str, str], ...], master: str, host_name: str) -> Probe:
    """Done if site.master is the virtual IP, by number or name: nodes are told to ask that address (T28)."""
    found = {row["key"]: row["value"] for row in rows}.get("master", "")
    if found in {master, host_name}:
        return done(f"site.master is {found}")
    return todo(
        f"site.master is {found or 'not set'}, not the virtual IP {master}",
        hint=f"If this is the pair's database, type chdef -t site master={master}, then type hamn-flow resume.",
    )
