"""File systems that are full, and a database that does not start: the halt says why, in PostgreSQL's own words.

And postmaster.pid, which names a process: it is removed only where nothing lives that could be the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.proofs.halting import (
    Failover,
    Met,
    Planted,
    changed_unit,
    data_directory,
    locked_by,
    running,
    struck,
    write_lock_file,
)
from tests.lab.proofs.pair import Pair
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_UNIT = "postgresql@15-main"
_LOCK_FILE = "postmaster.pid"
_ELSEWHERE = "/var/tmp/elsewhere"  # noqa: S108 - of a host of the lab, where nobody else is

_NO_ROOM_FOR_THE_MARK = Met(
    faults=(Planted(side="here", kind="full", what=("/etc/xcat",)),),
    says=("/etc/xcat", "No space left on device"),
)


def refused(kind: str, *what: str, says: str) -> Met:
    """What PostgreSQL refuses to start with on the other host."""
    return Met(
        faults=(Planted(side="there", kind=kind, what=what),),
        says=("database: ", says, f"journalctl -u {_UNIT}", "on {there}"),
    )


_NOT_STARTED = (
    refused("database-port", says="Address already in use"),
    refused("full", "/var/lib/postgresql", says="No space left on device"),
    refused("database-owner", says="must not be owned by root"),
    refused("database-mode", says="has invalid permissions"),
)


def test_why_the_database_does_not_start_is_told_and_its_lock_file_is_kept_while_a_server_may_live(
    pair: Pair, tmp_path: Path
) -> None:
    failover = Failover.of(pair, tmp_path)
    here, there = failover.here, failover.there
    pair.inside(here, "rm", "--force", "/etc/xcat/.hamn-flow")
    with watched(pair.lab) as standing:
        failover.meets("start", _NO_ROOM_FOR_THE_MARK)
        assert pair.complete(here), "something was stopped before the marks were made"
        for met in _NOT_STARTED:
            failover.meets("resume", met)
            starts_anew(pair, there)

        with another_server(pair, here) as server:
            kept = (f"{_LOCK_FILE} is kept", f"lives on {{here}} (process {server})", f"rm {data_directory(pair)}")
            with struck(pair.lab, there, Planted(side="there", kind="database-pid")) as fault:
                failover.halts("resume", "Cluster is already running", *kept)
                assert locked_by(pair, there) == int(fault.known["pid"])
            starts_anew(pair, there)

        with as_elsewhere(pair, there), running(pair, there, "stranger", "sleep", "600", user="postgres") as stranger:
            write_lock_file(pair, there, stranger)
            with another_server(pair, here):
                failover.halts("resume", f'"{_LOCK_FILE}" already exists', f"{_LOCK_FILE} is kept")
                assert locked_by(pair, there) == stranger
            failover.ends("resume")
            assert locked_by(pair, there) != stranger
            assert pair.running(there, "stranger")
    pair.assert_active(there)
    standing.assert_moved(here, there)


def starts_anew(pair: Pair, node: str) -> None:
    """systemd lets a unit be started five times in ten seconds: who has mended it tells systemd so."""
    pair.tried(node, "systemctl", "reset-failed", _UNIT)


@contextmanager
def as_elsewhere(pair: Pair, node: str) -> Iterator[None]:
    """The unit runs the server itself, as on other distributions: no program of Debian's removes a lock file first."""
    version, name = Path(data_directory(pair)).parts[-2:]
    server = f"/usr/lib/postgresql/{version}/bin/postgres -D {data_directory(pair)}"
    configured = f"-c config_file=/etc/postgresql/{version}/{name}/postgresql.conf"
    lines = ("Type=notify", "User=postgres", "PIDFile=", "ExecStart=", f"ExecStart={server} {configured}")
    with changed_unit(pair, node, _UNIT, *lines):
        yield


@contextmanager
def another_server(pair: Pair, node: str) -> Iterator[int]:
    """A PostgreSQL server of a data directory of the host's own, meanwhile; its pid."""
    programs = f"/usr/lib/postgresql/{Path(data_directory(pair)).parts[-2]}/bin"
    made = (f"{programs}/initdb", "--no-sync", "--auth=trust", f"--pgdata={_ELSEWHERE}")
    pair.inside(node, "runuser", "--user=postgres", "--", *made)
    words = (f"{programs}/postgres", "-D", _ELSEWHERE, "-k", _ELSEWHERE, "-c", "listen_addresses=")
    try:
        with running(pair, node, "another-server", *words, user="postgres") as pid:
            yield pid
    finally:
        pair.inside(node, "rm", "--recursive", _ELSEWHERE)
