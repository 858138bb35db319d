"""The lab's xcatd and tables: processes, ports, what it does when its database is not there, and its faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hamn_flow.steps.xcat import TITLES
from tests.lab.one_host import NAME, XCATD, OneHost, standing
from tests.waiting import until

pytestmark = pytest.mark.lab

DATABASE = ("service=xcat",)
NO_HANDLE = f"Error: [{NAME}]: Could not connect to the database. Database handle not defined.\n"
WAITING = "Can not open basic site table for configuration, waiting the database to be initialized.\n"
NO_PORT = "ERROR: Need xcatdport defined in site table, try chtab key=xcatdport site.value=3001\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    with standing(tmp_path_factory.mktemp("host")) as made:
        made.use_postgresql()
        made.start_postgresql()
        made.must("xcatconfig", "-d")
        yield made


@pytest.fixture
def host(made: OneHost) -> OneHost:
    """PostgreSQL runs, xcatd does not."""
    made.stop()
    assert not ours(made)
    return made


@pytest.fixture
def running(made: OneHost) -> OneHost:
    """Both run."""
    if made.run("lsxcatd", "-v").status:
        made.start()
    return made


def ours(host: OneHost) -> dict[int, str]:
    return {pid: title for pid, title in host.processes().items() if title.startswith(("xcatd:", "in.tftpd"))}


def listening(host: OneHost) -> set[str]:
    lines = host.must("ss", "--no-header", "-lntu").splitlines()
    return {f"{line.split()[0]} {line.split()[4]}" for line in lines}


OWN_PORTS = {"tcp 0.0.0.0:3001", "udp 0.0.0.0:3001", "tcp 0.0.0.0:3002", "tcp 127.0.0.1:3003", "udp 0.0.0.0:69"}


def test_it_runs_as_six_processes_and_in_tftpd_and_leaves_none(running: OneHost) -> None:
    found = ours(running)
    assert sorted(found.values()) == sorted([*TITLES, "in.tftpd"])
    assert found[running.main_pid()] == "xcatd: SSL listener"
    assert listening(running) >= OWN_PORTS
    [tftpd] = [pid for pid, title in found.items() if title == "in.tftpd"]
    assert running.must("readlink", f"/proc/{tftpd}/root", f"/proc/{tftpd}/cwd") == "/tftpboot\n/tftpboot\n"

    running.stop()

    assert not ours(running)
    assert not listening(running) & OWN_PORTS


def test_starting_writes_the_schema(host: OneHost) -> None:
    host.must("psql", *DATABASE, "-c", "DROP TABLE IF EXISTS zone, vm")
    host.must("psql", *DATABASE, "-c", "ALTER TABLE networks DROP COLUMN mtu")
    host.start()
    there = "SELECT count(*) FROM information_schema.columns WHERE table_name IN ('zone', 'vm') OR column_name = 'mtu'"
    assert host.must("psql", *DATABASE, "-At", "-c", there) == "7\n"


def test_what_is_killed_leaves_the_others_and_the_ports_to_them(running: OneHost) -> None:
    """xcat-core #2387, #2436: the rest live on, and nothing starts again before they are gone."""
    main = running.main_pid()
    running.must("kill", "-KILL", str(main))
    until(lambda: main not in running.processes())
    left = ours(running)
    assert sorted(left.values()) == sorted([*TITLES[1:], "in.tftpd"])

    again = running.run(*XCATD)

    assert (again.status, again.text) == (1, "Unable to perform socket takeover from existing xCAT instance\n")
    assert ours(running) == left
    running.must("kill", *(str(pid) for pid, title in left.items() if title != "in.tftpd"))
    until(lambda: set(ours(running).values()) == {"in.tftpd"})
    running.start()
    assert sorted(ours(running).values()) == sorted([*TITLES, "in.tftpd"])
    assert not left.keys() & ours(running).keys()


def test_it_waits_for_its_database(host: OneHost) -> None:
    host.stop_postgresql()
    with host.started(*XCATD) as xcatd:
        try:
            first = [xcatd.line() for _ in range(4)]
        finally:
            host.start_postgresql()
        rest, status = xcatd.end()
    assert first[-1] == WAITING
    assert "Connection refused" in "".join(first)
    assert set(rest.splitlines(keepends=True)) <= {WAITING}
    assert status == 0
    assert host.run("lsxcatd", "-v").status == 0


def test_it_lives_on_when_its_database_goes_and_comes_back(running: OneHost) -> None:
    before = ours(running)
    running.stop_postgresql()
    refused = running.run("tabdump", "site")
    running.start_postgresql()
    assert refused.status == 1
    assert refused.text.startswith(NO_HANDLE)
    assert refused.seconds > 1 + 2 + 4, "it did not try again"
    assert running.must("tabdump", "policy").startswith("#priority")
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'xcatadm' AND pid <> pg_backend_pid()"
    until(lambda: running.must("psql", *DATABASE, "-At", "-c", sessions) == "1\n")
    assert ours(running) == before


def test_it_goes_by_the_name_that_the_host_had_when_it_started(running: OneHost) -> None:
    running.must("hostname", "renamed")
    try:
        assert f"[{NAME}]" in running.run("lsdef", "nobody").text
        assert "[renamed]" in running.run("lsdef", "nobody", bypass=True).text
    finally:
        running.must("hostname", NAME)


def test_where_nothing_is_mounted_it_makes_tables_of_its_own(host: OneHost) -> None:
    """A fault of the real one: looking makes the file, and a complete local installation starts on stale tables."""
    host.outside("mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(host.place / "root/etc/xcat"))
    try:
        assert host.run("tabdump", "routes", bypass=True).status == 0
        assert host.names("/etc/xcat", "*") == ["routes.sqlite"]
        refused = host.run(*XCATD)
        assert (refused.status, refused.text) == (1, NO_PORT)
        host.must("xcatconfig", "-d")
        host.start()
        tables = host.must("tabdump").split()
        assert host.names("/etc/xcat", "*.sqlite") == sorted(f"{name}.sqlite" for name in tables)
        busy = host.run("umount", "/etc/xcat")
        assert (busy.status, busy.text) == (32, "umount: /etc/xcat: target is busy.\n")
    finally:
        host.stop()
        host.must("umount", "/etc/xcat")


def test_a_dump_is_complete_whatever_could_not_be_written(running: OneHost) -> None:
    running.must("mkdir", "-p", "/var/backups/full/site.csv")
    result = running.run("dumpxCATdb", "-p", "/var/backups/full")
    why = "/var/backups/full/site.csv: Is a directory"
    assert (result.status, result.text) == (0, f"Error running tabdump site: {why}\nBackup Complete.\n")
    assert len(running.names("/var/backups/full", "*.csv")) == 71


def test_a_dump_is_complete_without_a_daemon(host: OneHost) -> None:
    result = host.run("dumpxCATdb", "-p", "/var/backups/none")
    assert result.status == 0
    assert result.text.endswith("Backup Complete.\n")
    assert result.text.count("Error running tabdump") == 71
    assert not host.names("/var/backups/none", "*")


def test_a_restore_is_complete_whatever_could_not_be_restored(running: OneHost) -> None:
    running.must("mkdir", "-p", "/var/backups/odd")
    running.write("/var/backups/odd/nosuch.csv", "#key\n")
    result = running.run("restorexCATdb", "-p", "/var/backups/odd")
    why = "Error running tabrestore nosuch: No such table: nosuch\n"
    assert (result.status, result.text) == (0, f"{why}Restore of Database Complete.\n")


def test_makehosts_names_who_can_be_resolved_and_ends_well(running: OneHost) -> None:
    running.must("chtab", "node=there", "hosts.ip=10.97.0.31")
    running.must("chtab", "node=ghost", "hosts.comments=no address")
    result = running.run("makehosts")
    said = f"Warning: [{NAME}]: Ignoring node 'ghost', it can not be resolved.\n"
    assert (result.status, result.text) == (0, said)
    assert "10.97.0.31 there there.lab \n" in running.must("cat", "/etc/hosts")


def test_what_was_dumped_is_restored(running: OneHost) -> None:
    odd = 'a "word", and\na second line'
    running.must("chtab", "key=odd", f"site.value={odd}")
    running.must("dumpxCATdb", "-p", "/var/backups/kept")
    before = running.must("tabdump", "site")
    running.must("chtab", "-d", "key=odd", "site")
    running.must("chdef", "-t", "site", "timezone=Asia/Tokyo")
    assert running.must("tabdump", "site") != before
    assert running.must("restorexCATdb", "-p", "/var/backups/kept") == "Restore of Database Complete.\n"
    assert running.must("tabdump", "site") == before


def test_definitions(running: OneHost) -> None:
    assert running.must("mkdef", "cn1", "groups=compute,all", "mac=aa:bb:cc:dd:ee:01", "arch=x86_64").startswith("1 ob")
    assert running.run("mkdef", "cn1", "arch=x86_64").status == 1
    running.must("mkdef", "-t", "node", "-o", "cn2", "groups=all")
    assert running.must("lsdef") == "cn1  (node)\ncn2  (node)\n"
    assert running.must("nodels", "compute") == "cn1\n"
    running.must("chdef", "all", "ip=10.97.0.21")
    assert running.must("nodels", "cn1,cn2", "hosts.ip") == "cn1: 10.97.0.21\ncn2: 10.97.0.21\n"
    running.must("chdef", "cn1", "ip=")
    assert running.must("lsdef", "cn1") == (
        "Object name: cn1\n    arch=x86_64\n    groups=compute,all\n    mac=aa:bb:cc:dd:ee:01\n"
    )
    wrong = running.run("chdef", "cn1", "arch=ppc64", "nosuch=1")
    assert wrong.status == 1
    assert "arch=x86_64" in running.must("lsdef", "cn1")
    assert running.run("nodels", "cn7").status == 1
    assert running.must("rmdef", "cn1,cn2") == "2 object definitions have been removed.\n"
    assert running.must("tabdump", "mac") == "#node,interface,mac,comments,disable\n"
