"""The table of expected commands: what each action and each look says to a systemd Linux node, word for word."""

import shlex
from typing import Any

import pytest

from hamn_flow.facts.exports import Export, Exports, NfsClients, Shown
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.network import (
    Addresses,
    Answers,
    Arping,
    ArpingFlavour,
    DnsAnswer,
    HostName,
    ListeningPorts,
    MadeToLast,
    Nameservers,
    PromoteSecondaries,
    ResolvesTo,
)
from hamn_flow.facts.platform import Platform
from hamn_flow.facts.postgresql import PostgresServer
from hamn_flow.facts.scripts import name_of
from hamn_flow.facts.services import Clock, LastLines, Processes, Units
from hamn_flow.facts.storage import BlockDevice, Directories, Holders, MarkerAt, Mounts, Room
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.facts.xcat import (
    Consoles,
    Daemon,
    DatabaseLocation,
    DumpFiles,
    LeasesOf,
    OsRelease,
    Table,
    TableNames,
    XcatVersion,
)
from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import FileSystem, VirtualIp

MN1: Platform = SystemdLinux(node=NodeName("mn1"))
VIP = VirtualIp(address="10.97.0.100", prefix=24, interface="eth0", host_name="mn")
INSTALL = FileSystem(mount_point="/install", source="UUID=f0-0d", options="rw,noatime")
BY_ID = FileSystem(mount_point="/tftpboot", source="/dev/disk/by-id/wwn-0x5000-part2", type="xfs")
TO_ALL = Export(client="*", path="/install", options="rw,no_root_squash")
TO_SIX = Export(client="fd00::/64", path="/install")

ACTIONS: list[tuple[Command, str, float]] = [
    (MN1.mount(INSTALL), "mount -t ext4 -o rw,noatime /dev/disk/by-uuid/f0-0d /install", 60),
    (MN1.mount(BY_ID), "mount -t xfs -o rw /dev/disk/by-id/wwn-0x5000-part2 /tftpboot", 60),
    (MN1.unmount("/install"), "umount /install", 60),
    (MN1.add_address(VIP), "ip addr add 10.97.0.100/24 brd + dev eth0 label eth0:0", 60),
    (MN1.remove_address(VIP), "ip addr del 10.97.0.100/24 dev eth0", 60),
    (MN1.announce_address(VIP, Arping.IPUTILS), "arping -U -c 2 -I eth0 10.97.0.100", 60),
    (MN1.announce_address(VIP, Arping.HABETS), "arping -U -c 2 -i eth0 10.97.0.100", 60),
    (MN1.start_unit("xcatd.service"), "systemctl start xcatd.service", 600),
    (MN1.begin_unit("postgresql"), "systemctl start --no-block postgresql", 60),
    (MN1.stop_unit("xcatd.service"), "systemctl stop xcatd.service", 120),
    (MN1.hold_unit("xcatd.service"), "systemctl mask --runtime xcatd.service", 60),
    (MN1.release_unit("xcatd.service"), "systemctl unmask --runtime xcatd.service", 60),
    (MN1.export(TO_ALL), "exportfs -o rw,no_root_squash '*:/install'", 60),
    (MN1.export(TO_SIX), "exportfs '[fd00::/64]:/install'", 60),
    (MN1.unexport(TO_ALL), "exportfs -u '*:/install'", 60),
    (MN1.export_all(), "exportfs -ra", 60),
    (MN1.set_host_name("mn"), "hostname mn", 60),
    (MN1.signal(4711, 99, "TERM"), "perl - TERM 4711 99 < signal.pl", 60),
    (MN1.write_file("/install/.hamn-flow", "a=1\n"), "perl - /install/.hamn-flow 'a=1\n' 0644 < write_file.pl", 60),
    (MN1.remove_file("/install/.hamn-flow"), "rm -f -- /install/.hamn-flow", 60),
    (MN1.add_nameserver("10.97.0.100"), "perl - add 10.97.0.100 < resolver.pl", 60),
    (MN1.remove_nameserver("10.97.0.100"), "perl - remove 10.97.0.100 < resolver.pl", 60),
    (MN1.dump_tables("/var/backups/x"), "dumpxCATdb -p /var/backups/x", 600),
    (MN1.xcat("makedns", "-n"), "makedns -n", 60),
    (MN1.xcat("lsxcatd", "-d", bypass=True), "XCATBYPASS=1 lsxcatd -d", 60),
]

SHOWN = "Id,Names,LoadState,ActiveState,SubState,Type,UnitFileState,FragmentPath,MainPID,Job"
LOOKS: list[tuple[Fact[Any], str, float]] = [
    (Mounts(), "perl - < mounts.pl", 20),
    (BlockDevice(INSTALL.device), "perl - /dev/disk/by-uuid/f0-0d < device.pl", 20),
    (Holders("/install", "8:17"), "perl - /install 8:17 < holders.pl", 20),
    (Room("/var/backups"), "df -Pk /var/backups", 10),
    (Directories(("/install", "/tftpboot")), "stat -c '%F|%n' -- /install /tftpboot", 10),
    (MarkerAt("/install"), "cat /install/.hamn-flow", 10),
    (Addresses(), "ip -o -4 addr show", 10),
    (PromoteSecondaries("eth0"), "cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries", 10),
    (ArpingFlavour(), "arping -V", 10),
    (Answers(VIP, Arping.IPUTILS), "arping -D -c 2 -w 3 -I eth0 10.97.0.100", 15),
    (Answers(VIP, Arping.HABETS), "arping -0 -c 2 -i eth0 10.97.0.100", 15),
    (ListeningPorts(), "ss -Hlntu", 10),
    (HostName(), "hostname", 10),
    (
        MadeToLast("10.97.0.100"),
        (
            "grep -rlswF -- 10.97.0.100 /etc/rc.local /etc/rc.d/rc.local /etc/sysconfig/network-scripts"
            " /etc/sysconfig/network /etc/network /etc/netplan /etc/NetworkManager/system-connections"
            " /etc/systemd/network /etc/keepalived"
        ),
        10,
    ),
    (ResolvesTo("mn"), "getent ahostsv4 mn", 10),
    (DnsAnswer("10.97.0.100", "cn1"), "dig +short +time=2 +tries=1 @10.97.0.100 cn1 A", 10),
    (Nameservers(), "perl - show < resolver.pl", 20),
    (Units(("xcatd", "named")), f"systemctl show --property={SHOWN} -- xcatd named", 10),
    (Processes(), "perl - < processes.pl", 20),
    (LastLines("xcatd"), "journalctl -u xcatd -n 100 -o cat --no-pager", 10),
    (Clock(), "date +%s.%N", 10),
    (Exports(), "exportfs -v", 10),
    (Shown("10.97.0.100"), "showmount -e --no-headers 10.97.0.100", 20),
    (NfsClients(), "perl - < nfs_clients.pl", 20),
    (PostgresServer("/var/lib/pgsql/data"), "perl - /var/lib/pgsql/data < postgresql.pl", 20),
    (
        XcatVersion(),
        """perl -I/opt/xcat/lib/perl -MxCAT::Version -e "print xCAT::Version->Version('short')" """,
        10,
    ),
    (OsRelease(), "cat /etc/os-release", 10),
    (DatabaseLocation(), "cut -s '-d|' -f1,2 /etc/xcat/cfgloc", 10),
    (Daemon(), "lsxcatd -a", 60),
    (Table("site"), "tabdump site", 60),
    (Table("site", bypass=True), "XCATBYPASS=1 tabdump site", 60),
    (TableNames(), "tabdump", 60),
    (LeasesOf("cn1"), "makedhcp -q cn1", 60),
    (Consoles(), r"sed -n 's/^console[[:space:]]*\([^[:space:]{]*\).*/\1/p' /etc/conserver.cf", 10),
    (Consoles("goconserver"), "congo list", 60),
    (DumpFiles("/var/backups/x"), r"find /var/backups/x -maxdepth 1 -name '*.csv' -printf '%f\t%s\n'", 10),
]

PAPER = [*ACTIONS, *((fact.command(MN1), text, deadline) for fact, text, deadline in LOOKS)]


@pytest.mark.parametrize(("command", "text", "deadline"), PAPER, ids=[command.text for command, _, _ in PAPER])
def test_the_paper(command: Command, text: str, deadline: float) -> None:
    line, _, script = text.partition(" < ")
    bypass = "XCATBYPASS=1 "
    assert command.argv == tuple(shlex.split(line.removeprefix(bypass)))
    assert command.environment == ((("XCATBYPASS", "1"),) if line.startswith(bypass) else ())
    assert command.deadline == deadline
    assert command.node == "mn1"
    assert command.script == script
    assert name_of(command.text_in) == (script or None)


def test_no_command_unmounts_lazily_kills_by_name_or_names_a_disk_that_moves() -> None:
    said = [word for command, _, _ in PAPER for word in command.argv]
    assert not {"-l", "--lazy", "--force", "fuser", "pkill", "killall", "ifconfig"} & set(said)
    assert not [word for word in said if word.startswith("/dev/sd")]
