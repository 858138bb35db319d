"""Where xCAT's tables are, and who can be reached to read them: cfgloc, SQLite's files, PostgreSQL over TCP."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hamn_flow.simulator.state import FileSystem, Node, PostgresInstall, Process, State, Tables

NO_HANDLE = "Could not connect to the database. Database handle not defined."


class NoDatabaseError(Exception):
    """The database cannot be reached; the sentence is what its client prints."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """What /etc/xcat says about the database on the file system that answered."""

    file_system: FileSystem
    directory: str
    engine: str  # "Pg" or "SQLite"
    database: str = ""
    host: str = ""
    user: str = ""


_CFGLOC = re.compile(r"(?P<engine>Pg):dbname=(?P<database>[^;|]+);host=(?P<host>[^|]+)\|(?P<user>[^|]+)\|")


def location(state: State, node: Node, file_system: FileSystem | None = None) -> Location:
    """What /etc/xcat/cfgloc says, on the file system there now or on a given one; without it SQLite is used."""
    directory = "/etc/xcat"
    if file_system is None:
        file_system, directory = state.locate(node, "/etc/xcat")
    elif file_system is not node.root:
        directory = "/"
    file = file_system.files.get(directory.rstrip("/") + "/cfgloc")
    found = _CFGLOC.match(file.content) if file else None
    if found is None:
        return Location(file_system=file_system, directory=directory, engine="SQLite")
    return Location(file_system=file_system, directory=directory, **found.groupdict())


def tables_of(state: State, node: Node, where: Location) -> Tables:
    """The tables, opened from a node; NoDatabaseError with the client's words.

    SQLite's are made where they are missing: opening creates the files (Table.pm).
    """
    if where.engine == "SQLite":
        return where.file_system.databases.setdefault(where.directory, {})
    target = f'connection to server at "{where.host}", port 5432 failed'
    there = state.at(where.host)
    if there is None:
        raise NoDatabaseError(f"{target}: No route to host")
    found = postmaster(there, where.host)
    if found is None or there.postgres is None:
        raise NoDatabaseError(f"{target}: Connection refused")
    source = where.host if there is node else node.addresses[0].address
    if not _allowed(there.postgres, source):
        raise NoDatabaseError(f'FATAL:  no pg_hba.conf entry for host "{source}", user "{where.user}"')
    hold = found.holds[0]
    tables = state.file_system(there, hold.file_system).databases.get(hold.detail)
    if tables is None:
        raise NoDatabaseError(f'{target}: FATAL:  database "{where.database}" does not exist')
    return tables


def is_table(file_system: FileSystem, path: str) -> bool:
    """Whether SQLite has a table in that file."""
    directory, _, name = path.rpartition("/")
    tables = file_system.databases.get(directory or "/", {})
    return name.endswith(".sqlite") and name.removesuffix(".sqlite") in tables


def postmaster(node: Node, address: str) -> Process | None:
    """The server's process that listens at an address of the node."""
    wanted = {("tcp", address), ("tcp", "0.0.0.0")}  # noqa: S104 - compared, not bound
    for process in node.processes.values():
        if process.command == "postgres" and any(port[:2] in wanted for port in process.ports):
            return process
    return None


def _allowed(install: PostgresInstall, source: str) -> bool:
    for text in install.access:
        match text.split():
            case ["host", _, _, address, method] if method != "reject":
                if address in {"all", "0.0.0.0/0", f"{source}/32"}:
                    return True
            case _:
                continue
    return False
