"""xCAT: versions, its database, its daemon and its tables.

xCAT's commands exit 0 with `Error:` in their output; each parser here knows what its own command prints.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from hamn_flow.facts.platform import Platform
from hamn_flow.facts.unreadable import missing, succeeded, unreadable
from hamn_flow.model.command import Command, Result

_NO_DAEMON = 111  # ECONNREFUSED, from the client's die
_SECRET_TABLES = frozenset(
    {"passwd", "ipmi", "openbmc", "ppchcp", "ppcdirect", "mpa", "websrv", "pdu", "switches", "token"}
)


def numbers(version: str) -> tuple[int, ...]:
    """A version for comparing by component: 2.6.9 is older than 2.6.10 (trap T29)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _complains(result: Result) -> bool:
    return any(re.match(r"\s*(?:\S+: )?Error:", line) for line in (result.text + result.error_text).splitlines())


@dataclass(frozen=True)
class XcatVersion:
    """The version of the xCAT installed here; opens no database, which would create one."""

    def command(self, platform: Platform) -> Command:
        """Ask xCAT's own module."""
        return platform.run(
            "perl", "-I/opt/xcat/lib/perl", "-MxCAT::Version", "-e", "print xCAT::Version->Version('short')"
        )

    def parse(self, result: Result) -> str:
        """Components only: `2.19.0`."""
        found = re.search(r"\d+(?:\.\d+)+", succeeded("xCAT's version", result))
        if found is None:
            raise unreadable("xCAT's version", result, why="no number was printed")
        return found[0]


@dataclass(frozen=True, kw_only=True)
class Os:
    """An operating system: `debian` `12`."""

    id: str
    version: str


@dataclass(frozen=True)
class OsRelease:
    """The operating system (guide L9, trap T55)."""

    def command(self, platform: Platform) -> Command:
        """os-release(5)."""
        return platform.run("cat", "/etc/os-release")

    def parse(self, result: Result) -> Os:
        """Identity and version; a rolling release has none."""
        text = succeeded("the operating system", result)
        said = {
            key: value.strip().strip("\"'") for key, _, value in (line.partition("=") for line in text.splitlines())
        }
        if "ID" not in said:
            raise unreadable("the operating system", result, why="/etc/os-release has no ID=")
        return Os(id=said["ID"], version=said.get("VERSION_ID", ""))


@dataclass(frozen=True, kw_only=True)
class Cfgloc:
    """Where /etc/xcat/cfgloc says that the tables are, without the password."""

    engine: str  # "Pg", "mysql" or "DB2"
    name: str
    host: str
    user: str


@dataclass(frozen=True)
class DatabaseLocation:
    """xCAT's database according to /etc/xcat/cfgloc; the password is cut on the node, before it is read."""

    def command(self, platform: Platform) -> Command:
        """`-s`: a line without fields is not printed whole."""
        return platform.run("cut", "-s", "-d|", "-f1,2", "/etc/xcat/cfgloc")

    def parse(self, result: Result) -> Cfgloc | None:
        """None for SQLite: no file, or no line with fields."""
        if missing(result):
            return None
        lines = [line for line in succeeded("/etc/xcat/cfgloc", result).splitlines() if line.strip()]
        if not lines:
            return None
        location, _, user = lines[0].partition("|")
        engine, colon, rest = location.partition(":")
        if not colon or not engine:
            raise unreadable("/etc/xcat/cfgloc", result, why="its first field is not ENGINE:DATABASE")
        pairs = dict(part.partition("=")[::2] for part in rest.split(";"))
        name = pairs.get("dbname", "") if "=" in rest else rest
        return Cfgloc(engine=engine, name=name, host=pairs.get("host", ""), user=user.partition("|")[0])


@dataclass(frozen=True, kw_only=True)
class Xcatd:
    """The daemon, as it says of itself."""

    version: str
    engine: str  # "Pg", "mysql", "DB2" or "SQLite"
    host: str  # of the database; empty for SQLite


@dataclass(frozen=True)
class Daemon:
    """Whether xcatd answers. On a standby it may answer for its own local tables: look at the mounts too."""

    def command(self, platform: Platform) -> Command:
        """Ask over its socket; never by bypass, which needs no daemon and so says nothing about one."""
        return platform.xcat("lsxcatd", "-a")

    def parse(self, result: Result) -> Xcatd | None:
        """None if nothing listens on its port."""
        said = result.text + result.error_text
        if result.status == _NO_DAEMON or "Unable to open socket connection to xcatd" in said:
            return None
        pairs = dict(line.strip().partition("=")[::2] for line in succeeded("xcatd", result).splitlines())
        version = re.search(r"^Version (\S+)", result.text, re.MULTILINE)
        if version is None or not pairs.get("dbengine"):
            raise unreadable("xcatd", result, why="lsxcatd named no version or no database engine")
        return Xcatd(version=version[1], engine=pairs["dbengine"], host=pairs.get("dbhost", ""))


@dataclass(frozen=True)
class Table:
    """One of xCAT's tables. `bypass` asks the database itself, where xcatd is not running.

    Tables that hold passwords are refused with ValueError: nothing here needs them.
    """

    name: str
    bypass: bool = False

    def __post_init__(self) -> None:
        if self.name in _SECRET_TABLES:
            raise ValueError(f"the table {self.name} holds secrets")

    def command(self, platform: Platform) -> Command:
        """Dump it as CSV."""
        return platform.xcat("tabdump", self.name, bypass=self.bypass)

    def parse(self, result: Result) -> tuple[dict[str, str], ...] | None:
        """The rows that are not disabled; None when the table could not be read, whatever the exit status says."""
        if result.status != 0 or not result.text.startswith("#") or _complains(result):
            return None
        try:
            header, *rows = list(csv.reader(io.StringIO(result.text[1:]), strict=True))
        except csv.Error as error:
            raise unreadable(f"the table {self.name}", result, why="it is not CSV") from error
        if any(len(row) != len(header) for row in rows if row):
            raise unreadable(f"the table {self.name}", result, why="a row has not the header's length")
        named = (dict(zip(header, row, strict=True)) for row in rows if row)
        return tuple(row for row in named if row.get("disable", "").lower() in {"", "0", "no"})


@dataclass(frozen=True)
class TableNames:
    """The names of all tables."""

    def command(self, platform: Platform) -> Command:
        """`tabdump` without a name."""
        return platform.xcat("tabdump")

    def parse(self, result: Result) -> tuple[str, ...]:
        """In xCAT's order."""
        names = tuple(succeeded("the tables' names", result).split())
        if not names or _complains(result):
            raise unreadable("the tables' names", result, why="tabdump listed none")
        return names


@dataclass(frozen=True)
class LeasesOf:
    """What the DHCP server knows of a node (trap T26, xcat-core #5931)."""

    node: str

    def command(self, platform: Platform) -> Command:
        """Ask the running server."""
        return platform.xcat("makedhcp", "-q", self.node)

    def parse(self, result: Result) -> str:
        """The node's own line, `cn1: ip-address = ...`; empty if it knows none."""
        if result.status == 127:  # the shell's status for a program that is not there
            raise unreadable(f"the lease of {self.node}", result)
        own = [
            line for line in result.text.splitlines() if re.match(rf"{re.escape(self.node)}:.*hardware-address", line)
        ]
        return "\n".join(own)


@dataclass(frozen=True)
class Consoles:
    """The nodes whose consoles are served: by conserver's file, or by goconserver's own list."""

    console: str = "conserver"

    def command(self, platform: Platform) -> Command:
        """Read the file, or ask the server."""
        if self.console == "goconserver":
            return platform.xcat("congo", "list")
        names = r"s/^console[[:space:]]*\([^[:space:]{]*\).*/\1/p"
        return platform.run("sed", "-n", names, "/etc/conserver.cf")

    def parse(self, result: Result) -> tuple[str, ...]:
        """The nodes' names; none where there is no file."""
        if missing(result):
            return ()
        text = succeeded("the consoles", result)
        return tuple(line.split()[0] for line in text.splitlines() if line.strip())


@dataclass(frozen=True)
class DumpFiles:
    """The files of a dump with their sizes in bytes: its only proof, for the exit status is always 0."""

    directory: str

    def command(self, platform: Platform) -> Command:
        """List the CSV files."""
        return platform.run("find", self.directory, "-maxdepth", "1", "-name", "*.csv", "-printf", r"%f\t%s\n")

    def parse(self, result: Result) -> dict[str, int]:
        """None where the directory is not there."""
        what = f"the dump in {self.directory}"
        if missing(result):
            return {}
        try:
            pairs = [line.rsplit("\t", 1) for line in succeeded(what, result).splitlines()]
            return {name: int(size) for name, size in pairs}
        except ValueError as error:
            raise unreadable(what, result, why="a line has no size") from error
