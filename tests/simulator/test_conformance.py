"""The simulator answers as a real xCAT 2.19.0 on Debian 12 did: status and words, and the refusals of the system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.facts.xcat import Table
from hamn_flow.model.command import Command, NodeName
from hamn_flow.simulator import World, standard_pair
from hamn_flow.simulator.host import ChangedByLookError, UnknownCommandError
from hamn_flow.simulator.state import NfsClient

Doing = Callable[[World], object]
ACTIVE, STANDBY = "mn1", "mn2"
VIP = "10.97.0.100"
UUID = "/dev/disk/by-uuid/5e1f0c6a-0000-4000-8000-00000000000"


def typed(node: str, *lines: str) -> Doing:
    """Commands that a person types on a node beforehand; each must work."""

    def do(world: World) -> None:
        for line in lines:
            result = world.run(node, *line.split())
            assert result.status == 0, (line, result)

    return do


def holding(node: str, path: str, kind: str = "cwd") -> Doing:
    return lambda world: world.hold(node, path, kind=kind)


def moved_address(world: World) -> None:
    typed(ACTIVE, f"ip addr del {VIP}/24 dev eth0")(world)
    typed(STANDBY, f"ip addr add {VIP}/24 brd + dev eth0 label eth0:0")(world)


def stopped_role(world: World) -> None:
    """mn1 after a release, but for the virtual IP."""
    units = "conserver isc-dhcp-server apache2 xcatd named nfs-server postgresql@15-main"
    typed(ACTIVE, *(f"systemctl stop {unit}" for unit in units.split()))(world)
    typed(ACTIVE, *(f"umount {mount_point}" for mount_point in world.state.shared))(world)


@dataclass(frozen=True)
class Case:
    """A command, and what a real node said: `output` and `errors` are found within what is printed."""

    node: str
    line: str
    status: int = 0
    output: str = ""
    errors: str = ""
    before: Sequence[Doing] = ()
    exact: bool = False  # `output` is all
    bypass: bool = False

    def check(self, world: World) -> None:
        for do in self.before:
            do(world)
        environment = [("XCATBYPASS", "1")] if self.bypass else []
        result = world.run(self.node, *self.line.split(" "), environment=environment)
        assert (result.status, self.output in result.text, self.errors in result.error_text) == (
            self.status,
            True,
            True,
        ), result
        if self.exact:
            assert result.text == self.output


NO_DAEMON = (
    "Unable to open socket connection to xcatd daemon on localhost:3001.\n"
    "Verify that the xcatd daemon is running and that your SSL setup is correct.\n"
)
MAKEDNS = """Handling cn1 in /etc/hosts.
Handling cn2 in /etc/hosts.
Handling cn3 in /etc/hosts.
Getting reverse zones, this may take several minutes for a large cluster.
Completed getting reverse zones.
Updating zones.
Completed updating zones.
Restarting bind9
Restarting named complete
Updating DNS records, this may take several minutes for a large cluster.
Completed updating DNS records.
DNS setup is completed
"""

OBSERVED = {
    "lsxcatd -a": Case(
        ACTIVE,
        "lsxcatd -a",
        output=f"This is a Management Node\ncfgloc=Pg:dbname=xcatdb;host={VIP}|xcatadm\n"
        f"dbengine=Pg\ndbname=xcatdb\ndbhost={VIP}\ndbadmin=xcatadm\n",
    ),
    "tabdump site": Case(ACTIVE, "tabdump site", output='#key,value,comments,disable\n"blademaxp","64",,\n'),
    "tabdump policy": Case(ACTIVE, "tabdump policy", output='"1.2","mn",,,,,,"trusted",,\n'),
    "makedns": Case(ACTIVE, "makedns -n", output=MAKEDNS, exact=True),
    "makedhcp -n": Case(
        ACTIVE,
        "makedhcp -n",
        errors="Warning: [mn1]: No dynamic range specified for 10.97.0.0. If hardware discovery is being used, a "
        "dynamic range is required.\n",
        output="Renamed existing dhcp configuration file to  /etc/dhcp/dhcpd.conf.xcatbak\n",
        exact=True,
    ),
    "makedhcp -a": Case(ACTIVE, "makedhcp -a", exact=True),
    "makedhcp -q": Case(
        ACTIVE, "makedhcp -q cn1", output="cn1: ip-address = 10.97.0.21, hardware-address = aa:bb:cc:dd:ee:01\n"
    ),
    "makeconservercf": Case(ACTIVE, "makeconservercf", exact=True),
    "dumpxCATdb": Case(
        ACTIVE,
        "dumpxCATdb -p /var/backups/new",
        output=" Creating /var/backups/new for database dump\nBackup Complete.\n",
        exact=True,
    ),
    "no daemon": Case(STANDBY, "lsxcatd -a", status=111, errors=NO_DAEMON),
    "no daemon for tabdump": Case(STANDBY, "tabdump site", status=111, errors="Connection refused"),
    "bypass needs no daemon": Case(STANDBY, "lsxcatd -d", output="dbengine=SQLite\n", exact=True, bypass=True),
    "umount, not mounted": Case(STANDBY, "umount /etc/xcat", status=32, errors="umount: /etc/xcat: not mounted.\n"),
    "umount, held": Case(
        ACTIVE,
        "umount /install",
        status=32,
        errors="umount: /install: target is busy.\n",
        before=[typed(ACTIVE, "systemctl stop nfs-server"), holding(ACTIVE, "/install")],
    ),
    "address absent": Case(
        STANDBY, f"ip addr del {VIP}/24 dev eth0", status=2, errors="Error: ipv4: Address not found.\n"
    ),
    "stop of no unit": Case(
        ACTIVE,
        "systemctl stop NOSUCH",
        status=5,
        errors="Failed to stop NOSUCH.service: Unit NOSUCH.service not loaded.\n",
    ),
    "is-active": Case(STANDBY, "systemctl is-active xcatd", status=3, output="inactive\n", exact=True),
}

REFUSED = {
    "no such device": Case(
        STANDBY, f"mount -t ext4 -o rw {UUID}9 /install", status=32, errors="special device /dev/disk/by-uuid/"
    ),
    "no mount point": Case(
        STANDBY, f"mount -t ext4 -o rw {UUID}2 /srv", status=32, errors="mount: /srv: mount point does not exist."
    ),
    "mounted already": Case(
        ACTIVE, f"mount -t ext4 -o rw {UUID}2 /install", status=32, errors="/dev/sdb2 already mounted on /install."
    ),
    "wrong type": Case(STANDBY, f"mount -t xfs -o rw {UUID}2 /install", status=32, errors="wrong fs type"),
    "unmount of no directory": Case(STANDBY, "umount /srv", status=32, errors="no mount point specified"),
    "unmount below a submount": Case(
        STANDBY,
        "umount /install",
        status=32,
        errors="target is busy",
        before=[
            typed(STANDBY, f"mount -t ext4 -o rw {UUID}2 /install", f"mount -t ext4 -o ro {UUID}5 /install/postscripts")
        ],
    ),
    "unmount of what NFS exports": Case(ACTIVE, "umount /install", status=32, errors="target is busy"),
    "address taken": Case(
        ACTIVE,
        f"ip addr add {VIP}/24 brd + dev eth0 label eth0:0",
        status=2,
        errors="Error: ipv4: Address already assigned.",
    ),
    "no interface": Case(
        ACTIVE, "ip addr add 10.97.0.9/24 brd + dev eth7 label eth7:0", status=1, errors='Cannot find device "eth7"'
    ),
    "start of no unit": Case(ACTIVE, "systemctl start NOSUCH", status=5, errors="Unit NOSUCH.service not found."),
    "start of a masked unit": Case(
        STANDBY,
        "systemctl start conserver",
        status=1,
        errors="Unit conserver.service is masked.",
        before=[typed(STANDBY, "systemctl mask --runtime conserver")],
    ),
    "postgres, wrong owner": Case(
        STANDBY,
        "systemctl start postgresql@15-main",
        status=1,
        errors="Job for postgresql@15-main.service failed",
        before=[lambda world: world.node(STANDBY).root.directories.update({"/var/lib/postgresql/15/main": "root"})],
    ),
    "postgres, port taken": Case(
        ACTIVE,
        "systemctl start postgresql@15-main",
        status=1,
        before=[
            typed(ACTIVE, "systemctl stop xcatd", "systemctl stop postgresql@15-main"),
            lambda world: world.hold(ACTIVE, "/").ports.append(("tcp", "0.0.0.0", 5432)),  # noqa: S104 - simulated
        ],
    ),
    "postgres, no address left": Case(
        STANDBY,
        "systemctl start postgresql@15-main",
        status=1,
        before=[lambda world: setattr(world.node(STANDBY).postgres, "listen_addresses", VIP)],
    ),
    "postgres, other version": Case(
        STANDBY,
        "systemctl start postgresql@15-main",
        status=1,
        before=[lambda world: setattr(world.node(STANDBY).postgres, "version", "14")],
    ),
    "xcatd without its database": Case(
        ACTIVE,
        "systemctl start xcatd",
        status=1,
        errors="Job for xcatd.service failed because the control process exited with error code.",
        before=[typed(ACTIVE, "systemctl stop xcatd", "systemctl stop postgresql@15-main")],
    ),
    "xcatd without the virtual IP": Case(
        ACTIVE,
        "systemctl start xcatd",
        status=1,
        before=[typed(ACTIVE, "systemctl stop xcatd", f"ip addr del {VIP}/24 dev eth0")],
    ),
    "xcatd not admitted": Case(
        ACTIVE,
        "systemctl start xcatd",
        status=1,
        before=[
            typed(ACTIVE, "systemctl stop xcatd"),
            lambda world: setattr(world.node(ACTIVE).postgres, "access", ["host all all 10.97.0.11/32 md5"]),
        ],
    ),
    "tables while the database is gone": Case(
        ACTIVE,
        "tabdump site",
        status=1,
        errors="Could not connect to the database. Database handle not defined.",
        before=[typed(ACTIVE, "systemctl stop postgresql@15-main")],
    ),
    "unexport of what is not": Case(
        ACTIVE, "exportfs -u *:/srv", status=1, errors="exportfs: Could not find '*:/srv' to unexport."
    ),
    "export of what is not there": Case(ACTIVE, "exportfs -o rw *:/srv", status=1, errors="Failed to stat /srv"),
    "the other arping's options": Case(STANDBY, f"arping -D -c 2 -w 3 -I eth0 {VIP}", status=1, errors="invalid"),
    "no such name": Case(ACTIVE, "getent ahostsv4 nobody", status=2),
    "no such file": Case(ACTIVE, "cat /nosuch", status=1, errors="cat: /nosuch: No such file or directory\n"),
    "no directory to write in": Case(ACTIVE, "write_file.pl /nosuch/file text 0644", status=1, errors="No such file"),
    "init is never signalled": Case(ACTIVE, "signal.pl KILL 1 200", status=255, errors="never signalled"),
}

EFFECTS = {
    "ARP answered, iputils": Case(
        ACTIVE, f"arping -D -c 2 -w 3 -I eth0 {VIP}", status=1, output="Received 1 response(s)", before=[moved_address]
    ),
    "ARP unanswered, iputils": Case(ACTIVE, "arping -D -c 2 -w 3 -I eth0 10.97.0.77", output="Received 0 response(s)"),
    "ARP answered, Habets": Case(STANDBY, f"arping -0 -c 2 -i eth0 {VIP}", output="2 packets received"),
    "ARP unanswered, Habets": Case(STANDBY, "arping -0 -c 2 -i eth0 10.97.0.77", status=1, output="0 packets received"),
    "a dead node answers no ARP": Case(
        STANDBY,
        f"arping -0 -c 2 -i eth0 {VIP}",
        status=1,
        output="0 packets received",
        before=[lambda world: world.power_off(ACTIVE)],
    ),
    "named answers at the virtual IP": Case(
        STANDBY, f"dig +short +time=2 +tries=1 @{VIP} cn1 A", output="10.97.0.21\n", exact=True
    ),
    "named does not notice a new address": Case(
        ACTIVE,
        f"dig +short +time=2 +tries=1 @{VIP} cn1 A",
        status=9,
        output="connection refused",
        before=[typed(ACTIVE, f"ip addr del {VIP}/24 dev eth0", f"ip addr add {VIP}/24 brd + dev eth0 label eth0:0")],
    ),
    "a removed primary address takes the others with it": Case(
        ACTIVE,
        "ip -o -4 addr show",
        output="1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n",
        exact=True,
        before=[typed(ACTIVE, "ip addr del 10.97.0.11/24 dev eth0")],
    ),
    "unless secondaries are promoted": Case(
        ACTIVE,
        "ip -o -4 addr show",
        output=f"inet {VIP}/24 brd 10.97.0.255 scope global eth0:0",
        before=[
            lambda world: world.node(ACTIVE).promote_secondaries.update(eth0=True),
            typed(ACTIVE, "ip addr del 10.97.0.11/24 dev eth0"),
        ],
    ),
    "the standby's own tables, where nothing is mounted": Case(
        STANDBY, "tabdump site", output='"master","10.97.0.12",,', bypass=True
    ),
    "a missing SQLite table is made by looking at it": Case(
        STANDBY,
        "tabdump routes",
        output="#node,comments,disable\n",
        exact=True,
        bypass=True,
    ),
    "xcatd starts on the local tables": Case(
        STANDBY, "tabdump site", output='"master","10.97.0.12",,', before=[typed(STANDBY, "systemctl start xcatd")]
    ),
    "cfgloc without its password": Case(
        ACTIVE, "cut -s -d| -f1,2 /etc/xcat/cfgloc", output=f"Pg:dbname=xcatdb;host={VIP}|xcatadm\n", exact=True
    ),
    "a dump without a daemon says that it is complete": Case(
        STANDBY, "dumpxCATdb -p /var/backups", output="Backup Complete.\n", errors="Error running tabdump site"
    ),
    "the umbrella is active whatever becomes of the server": Case(
        STANDBY,
        "systemctl start postgresql",
        before=[lambda world: setattr(world.node(STANDBY).postgres, "version", "14")],
    ),
    "a stale lock file of a dead process is no obstacle": Case(
        ACTIVE,
        "systemctl start postgresql@15-main",
        before=[lambda world: world.boot(ACTIVE), typed(ACTIVE, f"mount -t ext4 -o rw {UUID}4 /var/lib/postgresql")],
    ),
    "a mask at run time does not hide a unit file in /etc": Case(
        STANDBY,
        "systemctl start conserver",
        before=[
            lambda world: setattr(
                world.node(STANDBY).units["conserver.service"], "fragment_path", "/etc/systemd/system/conserver.service"
            ),
            typed(STANDBY, "systemctl mask --runtime conserver"),
        ],
    ),
    "after a release the device is free": Case(
        ACTIVE, f"device.pl {UUID}2", output="open\tfree\n", before=[stopped_role]
    ),
    "a mounted device is busy": Case(ACTIVE, f"device.pl {UUID}2", output="alive\t/sys/fs/ext4/sdb2\nopen\tbusy\n"),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in OBSERVED.items()])
def test_it_says_what_a_real_node_said(case: Case) -> None:
    case.check(standard_pair())


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in REFUSED.items()])
def test_it_refuses_what_a_real_system_refuses(case: Case) -> None:
    world = standard_pair()
    case.check(world)
    assert not world.state.violations


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in EFFECTS.items()])
def test_commands_have_the_effects_that_they_have(case: Case) -> None:
    case.check(standard_pair())


def test_sqlite_is_said_in_one_line() -> None:
    Case(ACTIVE, "lsxcatd -d", output="dbengine=SQLite\n", exact=True).check(standard_pair("sqlite"))


def test_a_dump_has_one_file_for_each_of_71_tables() -> None:
    world = standard_pair()
    assert world.run(ACTIVE, "dumpxCATdb", "-p", "/var/backups/new").status == 0
    found = world.run(ACTIVE, "find", "/var/backups/new", "-maxdepth", "1", "-name", "*.csv", "-printf", r"%f\t%s\n")
    assert len(found.text.splitlines()) == 71


def test_a_killed_xcatd_comes_back_unless_it_is_held() -> None:
    for held in (False, True):
        world = standard_pair()
        unit = world.node(ACTIVE).units["xcatd.service"]
        pid = unit.main_pid
        if held:
            typed(ACTIVE, "systemctl mask --runtime xcatd")(world)
        started = world.node(ACTIVE).processes[pid].started
        assert world.run(ACTIVE, "signal.pl", "KILL", str(pid), str(started)).text == "sent\n"
        assert ("xcatd: SSL listener" in world.run(ACTIVE, "processes.pl").text) is not held
        assert unit.main_pid != pid


def test_stopping_xcatd_ends_tftp_and_so_lets_go_of_its_directory() -> None:
    world = standard_pair()
    typed(ACTIVE, "systemctl stop nfs-server")(world)
    assert world.run(ACTIVE, "umount", "/tftpboot").status == 32
    typed(ACTIVE, "systemctl stop xcatd", "umount /tftpboot")(world)


def test_nfs_4_state_outlives_the_export_and_ends_with_the_server() -> None:
    world = standard_pair()
    typed(ACTIVE, "exportfs -u *:/install")(world)
    typed(ACTIVE, "umount /install")(world)

    world = standard_pair()
    world.node(ACTIVE).nfs_clients.append(NfsClient("10.97.0.21", "/install", "cn1", opens=True))
    typed(ACTIVE, "exportfs -u *:/install")(world)
    assert world.run(ACTIVE, "umount", "/install").status == 32
    typed(ACTIVE, "systemctl stop nfs-server", "systemctl start nfs-server", "exportfs -u *:/install")(world)
    typed(ACTIVE, "umount /install")(world)


def test_a_path_is_answered_by_the_mount_that_lies_on_top() -> None:
    world = standard_pair()
    typed(STANDBY, f"mount -t ext4 -o rw {UUID}2 /install", f"mount -t ext4 -o ro {UUID}1 /install/postscripts")(world)
    assert world.run(STANDBY, "cat", "/install/postscripts/xcatdsklspost").status == 1
    assert "xcatadm" in world.run(STANDBY, "cat", "/install/postscripts/cfgloc").text
    typed(STANDBY, "umount /install/postscripts", "cat /install/postscripts/xcatdsklspost")(world)


def test_what_is_unmounted_lazily_while_in_use_lives_on_unseen() -> None:
    world = standard_pair()
    typed(ACTIVE, "systemctl stop apache2", "systemctl stop nfs-server")(world)
    world.hold(ACTIVE, "/install")
    typed(ACTIVE, "umount -l /install")(world)
    assert "/install" not in {mount.mount_point for mount in world.node(ACTIVE).mounts}
    assert world.node(ACTIVE).lingering == {"install"}


@pytest.mark.parametrize(
    "line",
    [
        "umount -f /install",
        "fuser -km /install",
        "systemctl kill xcatd",
        "reboot",
        "ip addr flush dev eth0",
        "cat -A /etc/hosts",
        "cut -d| -f3 /etc/xcat/cfgloc",
    ],
)
def test_what_nobody_may_send_is_unknown(line: str) -> None:
    world = standard_pair()
    with pytest.raises(UnknownCommandError):
        world.run(ACTIVE, *line.split())
    assert world.state.unknown == [f"{ACTIVE}: {line}"]


@pytest.mark.parametrize("bypass", [False, True])
def test_a_look_waits_for_the_database_before_it_fails_and_may_do_so(bypass: bool) -> None:
    world, look = standard_pair(), Table("site", bypass=bypass).command(SystemdLinux(node=NodeName(ACTIVE)))
    typed(ACTIVE, "systemctl stop postgresql@15-main")(world)
    result = world.look(look.node, look)
    assert result.status == 1
    assert 7 < result.seconds < look.deadline


def test_no_look_may_change_anything() -> None:
    world = standard_pair()
    with pytest.raises(ChangedByLookError):
        world.look(NodeName(ACTIVE), Command(node=NodeName(ACTIVE), argv=("umount", "/install")))
