"""PostgreSQL: who serves a data directory, how it starts and stops, and where xCAT is told that it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hamn_flow.facts.postgresql import LockFile, PostgresServer, Server
from hamn_flow.facts.services import Units
from hamn_flow.facts.xcat import Cfgloc, DatabaseLocation
from tests.conformance.row import MN2, Given, Row, Scene, There, asks, does
from tests.conformance.vocabulary import (
    begin,
    forgetting_failure,
    held,
    hold,
    holders,
    listens,
    mounted,
    prepared,
    release,
    runs,
    soon,
    start,
    stop,
    the_unit,
    with_addresses,
    with_file,
)

POINT, DATA, UNIT = "/var/lib/postgresql", "/var/lib/postgresql/15/main", "postgresql@15-main"
LOCK = f"{DATA}/postmaster.pid"
VIP = "10.97.0.100"
FREE: dict[str, Any] = {"scene": Scene.RELEASED, "node": MN2}
READY = (mounted(POINT), with_addresses())
SERVED = ("postgresql@15-main.service", "15", "/etc/postgresql/15/main", "5432")


def plainly(server: Server | None) -> object:
    return server and (server.unit, server.version, server.config_directory, server.port)


def lock_of_holder(kind: str) -> Given:
    """A lock file that names a process which lives, and is no server."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        with held(kind, POINT)(there):
            (found,) = there.get(holders(there, POINT))
            with with_file(LOCK, f"{found.pid}\n{DATA}\n")(there):
                yield

    return given


def is_its_own(there: There) -> object:
    """Whether the lock file names the unit's main process; None where there is no lock file."""
    server = there.get(PostgresServer(DATA))
    assert server is not None
    return server.pid and server.pid == there.get(Units((UNIT,)))[UNIT].main_pid


def says_that_it_is_ready(there: There) -> object:
    """Long before pg_ctlcluster believes it."""
    lock = there.get(LockFile(DATA))
    return lock is not None and lock.ready


NO_LOCK: dict[str, Any] = {
    "status": 1,
    "output": "",
    "errors": f"cat: {DATA}/postmaster.pid: No such file or directory\n",
}
UP = (
    (the_unit(UNIT), ("loaded", "active")),
    (listens("tcp/5432"), True),
    (runs("postgres: 15/main: checkpointer"), True),
    (is_its_own, True),
)
DOWN = (listens("tcp/5432"), False), (runs("postgres: 15/main"), False)

SERVERS = (
    asks("the server that runs", PostgresServer(DATA), read=plainly, means=SERVED, sees=((is_its_own, True),)),
    asks(
        "how the server that runs is configured",
        PostgresServer(DATA),
        read=lambda server: (
            server
            and (
                server.data_version,
                server.listen_addresses == "*" or VIP in server.listen_addresses,
                any(line.startswith("host ") for line in server.access),
            )
        ),
        means=("15", True, True),
        output="unit\tpostgresql@15-main.service\nversion\t15\nconfig\t/etc/postgresql/15/main\ndata_version\t15\n"
        "pid\t…\nlisten\t…\nport\t5432\n…hba\thost …",
    ),
    asks("the server of the standby", PostgresServer(DATA), read=plainly, means=SERVED, node=MN2),
    asks(
        "the server that is stopped",
        PostgresServer(DATA),
        read=lambda server: server and (server.unit, server.data_version, server.pid),
        means=("postgresql@15-main.service", "15", None),
        **FREE,
        given=(mounted(POINT),),
        output="…\npid\t\n…",
    ),
    asks(
        "the server that left its lock file behind",
        PostgresServer(DATA),
        read=lambda server: server and (server.unit, server.pid),
        means=("postgresql@15-main.service", 999999),
        **FREE,
        given=(mounted(POINT), with_file(LOCK, "999999\n")),
        output="…\npid\t999999\n…",
    ),
    asks("what the server that runs says of itself", LockFile(DATA), read=lambda lock: lock and lock.ready, means=True),
    asks(
        "the lock file of a server that is stopped",
        LockFile(DATA),
        means=None,
        **FREE,
        given=(mounted(POINT),),
        **NO_LOCK,
    ),
    asks("a directory that nobody serves", PostgresServer("/var/lib/other"), read=plainly, means=None, output=""),
)

STARTED = (
    does(
        "the server is to be started, and nobody waits for it",
        begin(UNIT),
        **FREE,
        given=READY,
        sees=(soon(says_that_it_is_ready, expected=True),),
        undo=(stop(UNIT),),
    ),
    does(
        "a server that is on its way is started",
        start(UNIT),
        **FREE,
        given=(*READY, prepared(begin(UNIT), stop(UNIT))),
        sees=UP,
    ),
    does(
        "a server that cannot run is to be started, and nobody is told",
        begin(UNIT),
        **FREE,
        given=(*READY, lock_of_holder("postgres"), forgetting_failure(UNIT)),
        sees=(soon(the_unit(UNIT), expected=("loaded", "failed")), *DOWN),
    ),
    does(
        "a server that is held is to be started",
        begin(UNIT),
        **FREE,
        given=(*READY, prepared(hold(UNIT), release(UNIT))),
        status=1,
        errors=f"Failed to start {UNIT}.service: Unit {UNIT}.service is masked.\n",
        sees=DOWN,
    ),
    does("the server is started", start(UNIT), **FREE, given=READY, sees=UP, undo=(stop(UNIT),)),
    does(
        "the server is started, and a dead one's lock file is there",
        start(UNIT),
        **FREE,
        given=(*READY, with_file(LOCK, f"999999\n{DATA}\n")),
        sees=UP,
        undo=(stop(UNIT),),
    ),
    does(
        "the server is started, and the lock file names somebody else's process",
        start(UNIT),
        **FREE,
        given=(*READY, lock_of_holder("cwd")),
        sees=UP,
        undo=(stop(UNIT),),
    ),
    does(
        "the server is started, and the lock file names a process that may be a server",
        start(UNIT),
        **FREE,
        given=(*READY, lock_of_holder("postgres"), forgetting_failure(UNIT)),
        status=1,
        errors=f"Job for {UNIT}.service failed because the service did not take the steps "
        "required by its unit configuration.\n"
        f'See "systemctl status {UNIT}.service" and "journalctl -xeu {UNIT}.service" for details.\n',
        sees=((the_unit(UNIT), ("loaded", "failed")), *DOWN),
    ),
    does(
        "the server is stopped",
        stop(UNIT),
        **FREE,
        given=(*READY, prepared(start(UNIT), stop(UNIT))),
        sees=((the_unit(UNIT), ("loaded", "inactive")), *DOWN, (is_its_own, None)),
    ),
)

LOCATIONS = (
    asks(
        "where the database is, without its password",
        DatabaseLocation(),
        means=Cfgloc(engine="Pg", name="xcatdb", host=VIP, user="xcatadm"),
        output=f"Pg:dbname=xcatdb;host={VIP}|xcatadm\n",
    ),
    asks(
        "where the database is: in files, where nothing is mounted",
        DatabaseLocation(),
        means=None,
        node=MN2,
        status=1,
        output="",
        errors="cut: /etc/xcat/cfgloc: No such file or directory\n",
    ),
)

ROWS: tuple[Row, ...] = (*SERVERS, *STARTED, *LOCATIONS)
