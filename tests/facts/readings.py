"""Recorded output of real programs, and what it means: one row a case."""

from typing import Any

from hamn_flow.facts.exports import Export, Exports, Shown
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.network import (
    Address,
    Addresses,
    Answers,
    Arping,
    ArpingFlavour,
    DnsAnswer,
    HostName,
    ListeningPorts,
    PromoteSecondaries,
    ResolvesTo,
)
from hamn_flow.facts.postgresql import PostgresServer
from hamn_flow.facts.services import Clock, LastLines, Processes, Units
from hamn_flow.facts.storage import (
    BlockDevice,
    BlockDevices,
    Device,
    Directories,
    FsHolder,
    Holders,
    Marker,
    MarkerAt,
    Mount,
    Mounts,
    Room,
)
from hamn_flow.facts.xcat import (
    Cfgloc,
    Consoles,
    Daemon,
    DatabaseLocation,
    DumpFiles,
    LeasesOf,
    Os,
    OsRelease,
    Table,
    TableNames,
    Xcatd,
    XcatVersion,
)
from hamn_flow.model.command import Result
from hamn_flow.model.pair import VirtualIp

VIP = VirtualIp(address="10.97.0.100", prefix=24, interface="eth0", host_name="mn")
IPUTILS, HABETS = Answers(VIP, Arping.IPUTILS), Answers(VIP, Arping.HABETS)


def out(text: str, status: int = 0) -> Result:
    return Result(status=status, output=text.encode())


def err(text: str, status: int) -> Result:
    return Result(status=status, errors=text.encode())


NOT_FOUND = err("perl: not found\n", 127)
NO_FILE = err("cat: /x: No such file or directory\n", 1)
FORBIDDEN = err("cat: /x: Permission denied\n", 1)
REFUSED = err(
    "Connection failure: IO::Socket::INET: connect: Connection refused at /opt/xcat/lib/perl/xCAT/Client.pm line 248.\n"
    "Unable to open socket connection to xcatd daemon on localhost:3001.\n"
    "Verify that the xcatd daemon is running and that your SSL setup is correct.\n",
    111,
)
ROOT = "1\town\t27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
ROOT_MOUNT = Mount(
    source="/dev/vda",
    mount_point="/",
    type="ext4",
    device="254:0",
    root="/",
    options="rw,relatime,discard",
    own=True,
    pid=1,
)
IP_ADDR = r"""1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
2: eth0    inet 10.97.0.11/24 brd 10.97.0.255 scope global eth0\       valid_lft forever preferred_lft forever
2: eth0    inet 10.97.0.100/24 brd 10.97.0.255 scope global secondary eth0:0\       valid_lft forever preferred_lft 9sec
3: tun0    inet 10.8.0.2 peer 10.8.0.1/32 scope global tun0\       valid_lft forever preferred_lft forever
4: ib0    inet 10.9.0.2/16 metric 100 brd 10.9.255.255 scope global dynamic noprefixroute ib0\       valid_lft 8sec
"""
ADDRESSES = (
    Address(interface="lo", address="127.0.0.1", prefix=8, secondary=False, label="lo"),
    Address(interface="eth0", address="10.97.0.11", prefix=24, secondary=False, label="eth0"),
    Address(interface="eth0", address="10.97.0.100", prefix=24, secondary=True, label="eth0:0"),
    Address(interface="tun0", address="10.8.0.2", prefix=32, secondary=False, label="tun0"),
    Address(interface="ib0", address="10.9.0.2", prefix=16, secondary=False, label="ib0"),
)
HABETS_USAGE = """arping: option requires an argument -- 'V'
ARPing 2.23, by Thomas Habets <thomas@habets.se>
usage: arping [ -0aAbdDeFpPqrRuUv ] [ -w <sec> ] [ -W <sec> ] [ -S <host/ip> ]
"""
NOBODY_IPUTILS = "ARPING 10.97.0.100 from 0.0.0.0 eth0\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n"
SOMEBODY_IPUTILS = """ARPING 10.97.0.100 from 0.0.0.0 eth0
Unicast reply from 10.97.0.100 [02:42:0A:61:00:0B]  0.571ms
Sent 1 probes (1 broadcast(s))
Received 1 response(s)
"""
NOBODY_HABETS = """ARPING 10.97.0.100
Timeout
Timeout

--- 10.97.0.100 statistics ---
2 packets transmitted, 0 packets received, 100% unanswered (0 extra)
"""
SOMEBODY_HABETS = """ARPING 10.97.0.100
42 bytes from 02:42:0a:61:00:0b (10.97.0.100): index=0 time=7.9 usec

--- 10.97.0.100 statistics ---
2 packets transmitted, 2 packets received,   0% unanswered (0 extra)
"""
SS = """udp UNCONN 0      0            0.0.0.0:3001       0.0.0.0:*
udp UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*
tcp LISTEN 0      128        127.0.0.1:3003       0.0.0.0:*    users:(("xcatd",pid=9,fd=3))
tcp LISTEN 0      128             [::]:22            [::]:*
tcp LISTEN 0      511                *:80               *:*
"""
EXPORTS = """/tftpboot     \t<world>(sync,wdelay,hide,no_subtree_check,sec=sys,rw,insecure,no_root_squash)
/install/a rather long path
\t\t10.97.0.0/24(sync,wdelay,ro)
/a b         \tfd00::/64(rw)
"""
LSXCATD = """Version 2.19.0 (git commit abc123, built Tue Aug 4 2026)
This is a Management Node
cfgloc=Pg:dbname=xcatdb;host=10.97.0.100|xcatadm
dbengine=Pg
dbname=xcatdb
dbhost=10.97.0.100
dbadmin=xcatadm
"""
SITE = """#key,value,comments,disable
"master","10.97.0.100",,
"domain","lab","it's ""ours"", yes
really",
"old","1",,"1"
"older","1",,"yes"
"kept","1",,"no"
"""


def site(key: str, value: str, comments: str = "", disable: str = "") -> dict[str, str]:
    return {"key": key, "value": value, "comments": comments, "disable": disable}


SITE_ROWS = (
    site("master", "10.97.0.100"),
    site("domain", "lab", 'it\'s "ours", yes\nreally'),
    site("kept", "1", "", "no"),
)
HOLDER = FsHolder(
    kind="cwd", pid=4711, started=99, user="root", unit="session-3.scope", command="bash", detail="/install/a\tb"
)

READINGS: list[tuple[Fact[Any], Result, object]] = [
    (Mounts(), out(ROOT), (ROOT_MOUNT,)),
    (
        Mounts(),
        out(ROOT + "7\tother\t31 27 8:17 /sub /in\\040stall\\134 rw,ro - xfs /dev/sd\\040b ro,noquota\n"),
        (
            ROOT_MOUNT,
            Mount(
                source="/dev/sd b",
                mount_point="/in stall\\",
                type="xfs",
                device="8:17",
                root="/sub",
                options="rw,ro,noquota",
                own=False,
                pid=7,
            ),
        ),
    ),
    (BlockDevice("/dev/x"), out("device\t/dev/x\nabsent\n"), Device(present=False)),
    (
        BlockDevice("/dev/x"),
        out("device\t/dev/x\nnode\tdm-3\t253:3\nalive\t/sys/fs/ext4/dm-3\nopen\tbusy\n"),
        Device(present=True, kernel_name="dm-3", number="253:3", superblock="/sys/fs/ext4/dm-3", exclusive="busy"),
    ),
    (
        BlockDevice("/dev/x"),
        out("device\t/dev/x\nnode\tsdb\t8:16\nopen\tInput/output error\n"),
        Device(present=True, kernel_name="sdb", number="8:16", exclusive="Input/output error"),
    ),
    (
        BlockDevices(("/dev/x", "/dev/y")),
        out("device\t/dev/x\nnode\tsdb\t8:16\nopen\tfree\ndevice\t/dev/y\nabsent\n"),
        {
            "/dev/x": Device(present=True, kernel_name="sdb", number="8:16", exclusive="free"),
            "/dev/y": Device(present=False),
        },
    ),
    (Holders("/install", "8:17"), out(""), ()),
    (
        Holders("/install", "8:17"),
        out("cwd\t4711\t99\troot\tsession-3.scope\tbash\t/install/a\\tb\n"),
        (HOLDER,),
    ),
    (
        Room("/var/backups"),
        out(
            "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/my disk  8154588 20 8140 5% /var\n"
        ),
        8140,
    ),
    (
        Room("/proc"),
        out(
            "Filesystem     1024-blocks  Used Available Capacity Mounted on\nproc    0     0         0       - /proc\n"
        ),
        0,
    ),
    (
        Directories(("/install", "/tftpboot", "/root/.xcat", "/etc/xcat")),
        Result(
            status=1,
            output=b"directory|/install\nsymbolic link|/tftpboot\nregular empty file|/root/.xcat\n",
            errors=b"stat: cannot statx '/etc/xcat': No such file or directory\n",
        ),
        frozenset({"/install"}),
    ),
    (MarkerAt("/install"), NO_FILE, None),
    (
        MarkerAt("/install"),
        out("cluster=lab\nmount_point=/install\nsource=UUID=f0-0d\n"),
        Marker(cluster="lab", mount_point="/install", source="UUID=f0-0d"),
    ),
    (Addresses(), out(IP_ADDR), ADDRESSES),
    (PromoteSecondaries("eth0"), out("1\n"), True),
    (PromoteSecondaries("eth0"), out("0\n"), False),
    (ArpingFlavour(), out("arping from iputils 20221126\nlibcap: yes, IDN: yes\n"), Arping.IPUTILS),
    (ArpingFlavour(), out("arping utility, iputils-s20160308\n"), Arping.IPUTILS),
    (ArpingFlavour(), err(HABETS_USAGE, 1), Arping.HABETS),
    (ArpingFlavour(), NOT_FOUND, None),
    (IPUTILS, out(NOBODY_IPUTILS), False),
    (IPUTILS, out(SOMEBODY_IPUTILS, 1), True),
    (IPUTILS, out("Sent 2 probes (2 broadcast(s))\nReceived 1 response(s) (1 request(s))\n", 1), True),
    (HABETS, out(NOBODY_HABETS, 1), False),
    (HABETS, out(SOMEBODY_HABETS), True),
    (ListeningPorts(), out(SS), frozenset({"udp/3001", "udp/53", "tcp/3003", "tcp/22", "tcp/80"})),
    (ListeningPorts(), out(""), frozenset()),
    (HostName(), out("mn1\n"), "mn1"),
    (
        ResolvesTo("mn"),
        out("10.97.0.100     STREAM mn\n10.97.0.100     DGRAM  \n10.97.0.100     RAW    \n"),
        ("10.97.0.100",),
    ),
    (ResolvesTo("mn"), out("", 2), ()),
    (DnsAnswer("10.97.0.100", "cn1"), out("cn1.lab.\n10.97.0.21\n"), ("10.97.0.21",)),
    (DnsAnswer("10.97.0.100", "cn1"), out(";; communications error to 10.97.0.100#53: timed out\n", 9), ()),
    (Clock(), out("1700000000.250000000\n"), 1700000000.25),
    (LastLines("xcatd"), out("xcatd: starting\nfailed\n"), "xcatd: starting\nfailed"),
    (LastLines("xcatd"), err("No journal files were found.\n", 1), "No journal files were found."),
    (
        Exports(),
        out(EXPORTS),
        (
            Export(
                client="*",
                path="/tftpboot",
                options="sync,wdelay,hide,no_subtree_check,sec=sys,rw,insecure,no_root_squash",
            ),
            Export(client="10.97.0.0/24", path="/install/a rather long path", options="sync,wdelay,ro"),
            Export(client="fd00::/64", path="/a b", options="rw"),
        ),
    ),
    (Exports(), out(""), ()),
    (Shown("10.97.0.100"), out("/install  10.97.0.0/24\n/tftpboot (everyone)\n"), ("/install", "/tftpboot")),
    (Shown("10.97.0.100"), err("clnt_create: RPC: Program not registered\n", 1), ()),
    (XcatVersion(), out("Version 2.19.0 (git commit 1.2.3, built today)"), "2.19.0"),
    (XcatVersion(), out("2.6.10"), "2.6.10"),
    (
        OsRelease(),
        out('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'),
        Os(id="debian", version="12"),
    ),
    (OsRelease(), out("ID='arch'\n\n"), Os(id="arch", version="")),
    (
        DatabaseLocation(),
        out("Pg:dbname=xcatdb;host=10.97.0.100|xcatadm\n"),
        Cfgloc(engine="Pg", name="xcatdb", host="10.97.0.100", user="xcatadm"),
    ),
    (DatabaseLocation(), out("DB2:xcatdb|xcatdb\n"), Cfgloc(engine="DB2", name="xcatdb", host="", user="xcatdb")),
    (DatabaseLocation(), err("cut: /etc/xcat/cfgloc: No such file or directory\n", 1), None),
    (DatabaseLocation(), out(""), None),
    (Daemon(), out(LSXCATD), Xcatd(version="2.19.0", engine="Pg", host="10.97.0.100")),
    (
        Daemon(),
        out("Version 2.19.0\nThis is a Management Node\ndbengine=SQLite\n"),
        Xcatd(version="2.19.0", engine="SQLite", host=""),
    ),
    (Daemon(), REFUSED, None),
    (Daemon(), err("", 111), None),
    (Table("site"), out(SITE), SITE_ROWS),
    (Table("policy"), out("#priority,disable\n"), ()),
    (Table("site"), REFUSED, None),
    (Table("site"), out("Error: [mn1]: Could not connect to the database.\n"), None),
    (Table("site"), Result(status=0, output=b"#key\n", errors=b"[mn1]: Error: lost it\n"), None),
    (TableNames(), out("site\npolicy\nnodelist\n"), ("site", "policy", "nodelist")),
    (
        LeasesOf("cn1"),
        out("Warning: x\ncn1: ip-address = 10.97.0.21, hardware-address = aa:bb:cc:dd:ee:01\ncn11: hardware-address\n"),
        "cn1: ip-address = 10.97.0.21, hardware-address = aa:bb:cc:dd:ee:01",
    ),
    (LeasesOf("cn1"), out("Error: [mn1]: no such node\n"), ""),
    (Consoles(), out("cn1\ncn2\n"), ("cn1", "cn2")),
    (Consoles(), err("sed: can't read /etc/conserver.cf: No such file or directory\n", 2), ()),
    (Consoles("goconserver"), out("cn1 (host: mn)\ncn2 (host: mn)\n"), ("cn1", "cn2")),
    (DumpFiles("/b"), out("site.csv\t812\nodd\tname.csv\t0\n"), {"site.csv": 812, "odd\tname.csv": 0}),
    (DumpFiles("/b"), err("find: '/b': No such file or directory\n", 1), {}),
]


NO_READINGS: list[tuple[Fact[Any], Result, str]] = [
    (Mounts(), out(""), "the root file system is not among them"),
    (Mounts(), out(ROOT + "1\town\t27 1\n"), "a line is not as proc"),
    (
        Mounts(),
        err("cannot read the mounts of process 1: Permission denied; this must be run as root\n", 13),
        "as root",
    ),
    (BlockDevice("/dev/x"), out("device\t/dev/x\nnode\tsdb\t8:16\n"), "the answer is incomplete"),
    (BlockDevices(("/dev/x", "/dev/y")), out("device\t/dev/x\nabsent\n"), "the answer is incomplete"),
    (BlockDevice("/etc"), err("/etc is not a block device\n", 1), "not a block device"),
    (Holders("/install", "8:17"), out("cwd\t4711\n"), "seven or eight fields"),
    (Holders("/install", "8:17"), Result(status=-14), "ended with status -14"),
    (Room("/x"), err("df: /x: No such file or directory\n", 1), "No such file"),
    (Directories(("/x",)), err("stat: cannot statx '/x': Stale file handle\n", 1), "Stale file handle"),
    (MarkerAt("/x"), FORBIDDEN, "Permission denied"),
    (MarkerAt("/x"), out("cluster=lab\n"), "no line mount_point="),
    (ArpingFlavour(), out("BusyBox v1.36.1 multi-call binary.\n"), "neither"),
    (IPUTILS, err('arping: Interface "eth0" is down\n', 2), 'Interface "eth0" is down'),
    (HABETS, out(NOBODY_IPUTILS), "status 0"),
    (ListeningPorts(), err("sh: 1: ss: not found\n", 127), "not found"),
    (Units(("xcatd",)), err("Failed to connect to bus: Host is down\n", 1), "Failed to connect to bus"),
    (
        Units(("xcatd",)),
        out("Id=named.service\nLoadState=loaded\nActiveState=active\n"),
        "said nothing about xcatd.service",
    ),
    (Processes(), out(""), "there are none"),
    (Clock(), out("+%s.%N\n"), "date printed no number"),
    (Exports(), out("exportfs: something odd\n"), "not as `exportfs -v` prints"),
    (Shown("x"), err("showmount: not found\n", 127), "not found"),
    (PostgresServer("/db"), out("version\t15\n"), "incomplete"),
    (XcatVersion(), err("Can't locate xCAT/Version.pm in @INC\n", 2), "locate xCAT/Version.pm"),
    (DatabaseLocation(), FORBIDDEN, "Permission denied"),
    (Daemon(), NOT_FOUND, "not found"),
    (Daemon(), out("Error: Permission denied for request\n"), "no version"),
    (Table("site"), out('#key,value\n"a"\n'), "header's length"),
    (TableNames(), out("Error: no\n"), "listed none"),
    (TableNames(), REFUSED, "SSL setup"),
    (LeasesOf("cn1"), NOT_FOUND, "not found"),
]


SHOW = """\
Type=forking
MainPID=812
Id=xcatd.service
Names=xcatd.service
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/lib/systemd/system/xcatd.service
UnitFileState=disabled

Type=oneshot
MainPID=0
Id=postgresql.service
Names=postgresql.service
LoadState=loaded
ActiveState=active
SubState=exited
FragmentPath=/lib/systemd/system/postgresql.service
UnitFileState=disabled

Type=notify
MainPID=0
Id=named.service
Names=bind9.service named.service
LoadState=masked
ActiveState=inactive
SubState=dead
FragmentPath=/run/systemd/system/named.service
UnitFileState=masked-runtime

MainPID=0
Id=dhcpd.service
Names=dhcpd.service
LoadState=not-found
ActiveState=inactive
SubState=dead
"""
