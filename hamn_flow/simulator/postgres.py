"""PostgreSQL's server: what it needs to start, what it leaves behind, and postgresql.pl."""

from __future__ import annotations

import re

from hamn_flow.model.command import Result
from hamn_flow.simulator.host import Host, Program, hold_at, line, ok, spawn
from hamn_flow.simulator.state import File, FileSystem, Node, PostgresInstall, Process, State, Unit

ANY = "0.0.0.0"  # noqa: S104 - an address that is noted down; nothing is bound to it here


def start_postgresql(state: State, node: Node, unit: Unit) -> list[str]:
    """Start the server on its data directory, or say as it does why not."""
    install = node.postgres
    if install is None or install.unit != unit.id:
        return ["Error: no such cluster"]
    data = install.data_directory
    file_system, relative = state.locate(node, data)
    refusal = _refusal(node, install, file_system, relative)
    addresses, failures = _bind(node, install)
    if refusal or not addresses:
        return refusal or [*failures, "FATAL:  could not create any TCP/IP sockets"]
    main = spawn(
        node,
        f"/usr/lib/postgresql/{install.version}/bin/postgres -D {data}",
        user="postgres",
        unit=unit.id,
        holds=(hold_at(state, node, "cwd", data),),
        ports=tuple(("tcp", address, install.port) for address in addresses),
    )
    for title in ("checkpointer", "background writer", "walwriter", "autovacuum launcher"):
        hold = hold_at(state, node, "cwd", data)
        spawn(node, f"postgres: {install.version}/main: {title}", user="postgres", unit=unit.id, holds=(hold,))
    unit.main_pid, unit.started_on = main.pid, file_system.name
    file_system.files[f"{relative}/postmaster.pid"] = _lock_file(main, install)
    unit.journal += [*failures, "LOG:  database system is ready to accept connections"]
    return []


def _refusal(node: Node, install: PostgresInstall, file_system: FileSystem, relative: str) -> list[str]:
    """Why it does not start on the data directory that is there now; nothing if it does.

    A lock file counts only while a process of the same user has its pid (PostgreSQL, CreateLockFile), or one that
    says of itself that it is a server (Debian's pg_ctlcluster, which removes the file otherwise).
    """
    data = install.data_directory
    version = file_system.files.get(f"{relative}/PG_VERSION")
    if version is None:
        return [f"Error: {data} is not accessible or does not exist"]
    if file_system.directories.get(relative, "root") != "postgres":
        return [f'FATAL:  data directory "{data}" has wrong ownership']
    found = version.content.strip()
    if found != install.version:
        words = f"was initialized by PostgreSQL version {found}, which is not compatible with this version"
        return ["FATAL:  database files are incompatible with server", f"DETAIL:  The data directory {words}."]
    lock = file_system.files.get(f"{relative}/postmaster.pid")
    pid = int(lock.content.partition("\n")[0]) if lock else 0
    alive = node.processes.get(pid)
    if alive is not None and alive.user != "postgres" and re.search(r"\bpostgres\b", alive.title):
        return ["Cluster is already running."]
    if alive is not None and alive.user == "postgres":
        hint = f'HINT:  Is another postmaster (PID {pid}) running in data directory "{data}"?'
        return ['FATAL:  lock file "postmaster.pid" already exists', hint]
    return []


def _lock_file(main: Process, install: PostgresInstall) -> File:
    more = f"/var/run/postgresql\n{install.listen_addresses}\n  1234567         0\nready   \n"
    about = f"{main.pid}\n{install.data_directory}\n{main.started}\n{install.port}\n"
    return File(about + more, "0600", "postgres")


def _bind(node: Node, install: PostgresInstall) -> tuple[list[str], list[str]]:
    """The addresses that could be listened at, and what is logged about the others."""
    taken = {port for process in node.processes.values() for port in process.ports}
    held = {"127.0.0.1", *(address.address for address in node.addresses)}
    bound: list[str] = []
    failures: list[str] = []
    for word in install.listen_addresses.split(","):
        address = {"*": ANY, "localhost": "127.0.0.1"}.get(word.strip(), word.strip())
        reason = ""
        if address not in held and address != ANY:
            reason = "Cannot assign requested address"
        elif any(port == ("tcp", where, install.port) for port in taken for where in (address, ANY)):
            reason = "Address already in use"
        if reason:
            failures.append(f'LOG:  could not bind IPv4 address "{address}": {reason}')
        elif address:
            bound.append(address)
    return bound, failures


def stop_postgresql(state: State, node: Node, unit: Unit) -> None:
    """An orderly stop takes the lock file away."""
    del unit
    if node.postgres is not None:
        file_system, relative = state.locate(node, node.postgres.data_directory)
        file_system.files.pop(f"{relative}/postmaster.pid", None)


def postgresql_script(host: Host) -> Result:
    """postgresql.pl DATA_DIRECTORY: who serves it, and how that is configured on this node."""
    match host.words:
        case (data,):
            pass
        case _:
            raise host.unknown()
    install = host.node.postgres
    if install is None or install.data_directory != data:
        return ok()
    version, lock = host.read(f"{data}/PG_VERSION"), host.read(f"{data}/postmaster.pid")
    said = {
        "unit": install.unit,
        "version": install.version,
        "config": install.config_directory,
        "data_version": version.content.strip() if version else "",
        "pid": lock.content.partition("\n")[0] if lock else "",
        "listen": install.listen_addresses,
        "port": str(install.port),
    }
    return ok("".join(line(*pair) for pair in said.items()) + "".join(line("hba", text) for text in install.access))


PROGRAMS: dict[str, Program] = {"postgresql.pl": postgresql_script}
