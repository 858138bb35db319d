"""PostgreSQL: the unit that really is the server of a data directory, and how it is configured on this node."""

from __future__ import annotations

from dataclasses import dataclass

from hamn_flow.facts.platform import Platform
from hamn_flow.facts.scripts import rows
from hamn_flow.facts.unreadable import missing, succeeded, unreadable
from hamn_flow.model.command import Command, Result


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server as configured on one node.

    On Debian the configuration lies in /etc/postgresql and differs by node; on EL it lies in the data directory and
    is readable only where that is mounted: then `listen_addresses` and `access` are empty.
    """

    unit: str
    version: str  # major version of the programs that the unit runs; empty if they are not installed
    config_directory: str
    data_version: str  # PG_VERSION; empty if not readable
    pid: int | None  # first line of postmaster.pid, which may be that of a dead process or of another host
    listen_addresses: str
    port: str
    access: tuple[str, ...]  # pg_hba.conf: type, database, user, address, method; options are cut on the node


@dataclass(frozen=True)
class PostgresServer:
    """Who serves this data directory here (trap T17, xcat-core #4067 and #7390).

    Debian's postgresql.service is an empty umbrella: the server is postgresql@15-main. EL has postgresql.service or
    postgresql-15.service.
    """

    data_directory: str

    def command(self, platform: Platform) -> Command:
        """Read the configuration, includes and postgresql.auto.conf as the server would: the last one wins."""
        return platform.script("postgresql.pl", self.data_directory)

    def parse(self, result: Result) -> Server | None:
        """None if no unit of this node serves that directory."""
        what = f"the PostgreSQL server of {self.data_directory}"
        pairs = [(key, value) for key, value, *_ in ([*row, ""] for row in rows(succeeded(what, result)))]
        if not pairs:
            return None
        said = dict(pairs)
        pid = said.get("pid", "")
        if not said.get("unit") or (pid and not pid.isdecimal()):
            raise unreadable(what, result, why="the answer is incomplete")
        return Server(
            unit=said["unit"],
            version=said.get("version", ""),
            config_directory=said.get("config", ""),
            data_version=said.get("data_version", ""),
            pid=int(pid) if pid else None,
            listen_addresses=said.get("listen", ""),
            port=said.get("port", ""),
            access=tuple(value for key, value in pairs if key == "hba"),
        )


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who says that it serves a data directory, and how far it is; it may be dead, or of another host."""

    pid: int
    ready: bool  # for connections; a server older than PostgreSQL 10 does not say


@dataclass(frozen=True)
class LockFile:
    """The server's lock file, postmaster.pid, by whose last line pg_ctl itself knows that the server is ready."""

    data_directory: str

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"{self.data_directory}/postmaster.pid"

    def command(self, platform: Platform) -> Command:
        """Print it; it holds no secret."""
        return platform.run("cat", self.path)

    def parse(self, result: Result) -> Lock | None:
        """None where there is none, or where it is just being written."""
        if missing(result):
            return None
        lines = [line.strip() for line in succeeded(f"the lock file {self.path}", result).splitlines()]
        pid = lines[0].removeprefix("-") if lines else ""
        return Lock(pid=int(pid), ready=lines[7:8] == ["ready"]) if pid.isdecimal() else None
