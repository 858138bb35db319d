"""xCAT: its version, its daemon, its tables, and the commands that make DNS, DHCP, consoles and dumps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hamn_flow.facts.network import DnsAnswer
from hamn_flow.facts.services import LastLines
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
from hamn_flow.steps.xcat import TITLES
from tests.conformance.row import MN2, NotReadable, Row, Saying, Scene, There, asks, does
from tests.conformance.vocabulary import (
    afterwards,
    hold,
    kept,
    listens,
    mounted,
    prepared,
    release,
    runs,
    soon,
    start,
    stop,
    the_kind,
    the_unit,
    without,
)

VIP = "10.97.0.100"
DUMP = "/var/backups/conformance"
DATABASE, DHCPD = "postgresql@15-main", "isc-dhcp-server"
NO_DAEMON: dict[str, Any] = {
    "status": 111,
    "output": "",
    "errors": "Connection failure: IO::Socket::INET: connect: Connection refused "
    "at /opt/xcat/lib/perl/xCAT/Client.pm line 248.\n"
    "Unable to open socket connection to xcatd daemon on localhost:3001.\n"
    "Verify that the xcatd daemon is running and that your SSL setup is correct.\n",
}
WAITING = "Can not open basic site table for configuration, waiting the database to be initialized."
ROUTES = "/etc/xcat/routes.sqlite"
XCATD = Xcatd(version="2.19.0", engine="Pg", host=VIP)


def xcat(*argv: str) -> Saying:
    return lambda there: there.platform.xcat(*argv, deadline=600.0)


def dump(there: There):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return there.platform.dump_tables(DUMP)


@contextmanager
def discarding(there: There) -> Iterator[None]:
    """The dump goes away afterwards."""
    yield
    there.target.discard(there.node, DUMP)


def site(rows: tuple[dict[str, str], ...] | None) -> dict[str, str] | None:
    return None if rows is None else {row["key"]: row["value"] for row in rows}


def the_master(rows: tuple[dict[str, str], ...] | None) -> object:
    found = site(rows)
    return found and found.get("master")


def not_shared(rows: tuple[dict[str, str], ...] | None) -> bool:
    """Whether the site table can be read, and is not the pair's."""
    return rows is not None and the_master(rows) != VIP


@contextmanager
def awaited(there: There) -> Iterator[None]:
    """xcatd is being started, and has said that it waits for its database."""
    there.do(there.platform.run("systemctl", "start", "--no-block", "xcatd"))
    reading, expected = soon(lambda there: there.get(LastLines("xcatd")).endswith(WAITING), expected=True)
    assert reading(there) == expected
    yield


def the_dump(there: There) -> object:
    """How many files, and whether the one that matters most says something."""
    found = there.get(DumpFiles(DUMP))
    return len(found), found.get("site.csv", 0) > 0


KNOWN = (
    asks("the version of xCAT", XcatVersion(), means="2.19.0", node=MN2, output="2.19.0"),
    asks("the operating system", OsRelease(), means=Os(id="debian", version="12"), output="…ID=debian\n…"),
    asks(
        "xcatd answers",
        Daemon(),
        means=XCATD,
        output="Version 2.19.0 …\nThis is a Management Node\n"
        f"cfgloc=Pg:dbname=xcatdb;host={VIP}|xcatadm\ndbengine=Pg\ndbname=xcatdb\ndbhost={VIP}\ndbadmin=xcatadm\n",
    ),
    asks("xcatd does not run", Daemon(), means=None, node=MN2, **NO_DAEMON),
)

TABLES = (
    asks(
        "the site table",
        Table("site"),
        read=lambda rows: [(site(rows) or {}).get(key) for key in ("master", "nameservers", "domain")],
        means=[VIP, VIP, "lab"],
        output='#key,value,comments,disable\n…"domain","lab",,\n…',
    ),
    asks(
        "the policy table",
        Table("policy"),
        read=lambda rows: [(row["priority"], row["name"], row["rule"]) for row in rows or ()][:2],
        means=[("1", "root", "allow"), ("1.2", "mn", "trusted")],
        output="#priority,name,host,commands,noderange,parameters,time,rule,comments,disable\n"
        '"1","root",,,,,,"allow",,\n"1.2","mn",,,,,,"trusted",,\n…',
    ),
    asks("the nodes", Table("nodelist"), read=lambda rows: [row["node"] for row in rows or ()][:1], means=["cn1"]),
    asks(
        "the networks",
        Table("networks"),
        read=lambda rows: [(row["netname"], row["net"], row["mgtifname"]) for row in rows or ()],
        means=[("10_97_0_0-255_255_255_0", "10.97.0.0", "eth0")],
    ),
    asks(
        "a table that is not there",
        Table("nosuch"),
        means=None,
        status=1,
        output="",
        errors="Error: […]: No such table: nosuch\n",
    ),
    asks("a table where xcatd does not run", Table("site"), means=None, node=MN2, **NO_DAEMON),
    asks("a table past xcatd", Table("site", bypass=True), read=the_master, means=VIP),
    asks(
        "a table past xcatd, where nothing is mounted: the node's own",
        Table("site", bypass=True),
        read=not_shared,
        means=True,
        node=MN2,
        output="#key,value,comments,disable\n…",
    ),
    asks(
        "a table, where xcatd was started before /etc/xcat was mounted: the node's own",
        Table("site"),
        read=not_shared,
        means=True,
        scene=Scene.RELEASED,
        node=MN2,
        given=(kept("/etc/xcat"), prepared(start("xcatd"), stop("xcatd")), mounted("/etc/xcat")),
        violates="xcatd on mn2 runs on a local directory",
        output="#key,value,comments,disable\n…",
        sees=(
            (lambda there: there.get(Daemon()), Xcatd(version="2.19.0", engine="SQLite", host="")),
            (lambda there: there.get(DatabaseLocation()), Cfgloc(engine="Pg", name="xcatdb", host=VIP, user="xcatadm")),
        ),
    ),
    does(
        "a table past xcatd, where nothing is mounted, and it is not there: looking makes its file",
        lambda there: there.platform.xcat("tabdump", "routes", bypass=True),
        node=MN2,
        given=(kept("/etc/xcat"), without(ROUTES)),
        output="#node,comments,disable\n",
        sees=((the_kind(ROUTES), "regular file"),),
    ),
    asks(
        "a table while the database is stopped",
        Table("site"),
        means=None,
        given=(prepared(stop(DATABASE), start(DATABASE)),),
        status=1,
        output="",
        errors="Error: […]: Could not connect to the database. Database handle not defined.\n"
        f'connection to server at "{VIP}", port 5432 failed: Connection refused\n…',
        sees=((lambda there: there.get(Table("site", bypass=True)), None), (lambda there: there.get(Daemon()), XCATD)),
    ),
    asks(
        "the tables' names",
        TableNames(),
        read=lambda names: {"site", "policy", "nodelist", "networks", "passwd"} <= set(names),
        means=True,
        output="…nodelist\n…policy\n…site\n…",
    ),
    asks(
        "the tables' names where xcatd does not run",
        TableNames(),
        means=NotReadable("Verify that the xcatd daemon is running"),
        node=MN2,
        **NO_DAEMON,
    ),
)

MADE = (
    does(
        "DNS is made",
        xcat("makedns", "-n"),
        output="Handling cn1 in /etc/hosts.\n…"
        "Getting reverse zones, this may take several minutes for a large cluster.\nCompleted getting reverse zones.\n"
        "Updating zones.\nCompleted updating zones.\nRestarting bind9\nRestarting named complete\n"
        "Updating DNS records, this may take several minutes for a large cluster.\nCompleted updating DNS records.\n"
        "DNS setup is completed\n",
        sees=(
            (the_unit("named"), ("loaded", "active")),
            (lambda there: there.get(DnsAnswer(VIP, "cn1.lab")), ("10.97.0.21",)),
        ),
    ),
    does(
        "DHCP is made",
        xcat("makedhcp", "-n"),
        errors="Warning: […]: No dynamic range specified for 10.97.0.0. …\n",
        output="Renamed existing dhcp configuration file to  /etc/dhcp/dhcpd.conf.xcatbak\n",
        sees=((the_unit(DHCPD), ("loaded", "active")), (listens("udp/67"), True)),
        undo=(xcat("makedhcp", "-a"),),
    ),
    does(
        "DNS is made, and named does not start: that is said, and the status is 0",
        xcat("makedns", "-n"),
        given=(afterwards(xcat("makedns", "-n")), prepared(hold("named"), release("named"))),
        output="Handling cn1 in /etc/hosts.\n…Completed updating zones.\nRestarting bind9\n",
        errors="Error: […]: failed to start named.\n",
        sees=(
            (the_unit("named"), ("masked", "inactive")),
            (lambda there: there.get(DnsAnswer(VIP, "cn1.lab")), ()),
        ),
    ),
    does(
        "DHCP is made, and its server does not start: that is said, and the status is 1",
        xcat("makedhcp", "-n"),
        given=(
            afterwards(xcat("makedhcp", "-a")),
            afterwards(start(DHCPD)),
            prepared(hold(DHCPD), release(DHCPD)),
        ),
        status=1,
        output="Renamed existing dhcp configuration file to  /etc/dhcp/dhcpd.conf.xcatbak\n",
        errors="Warning: […]: No dynamic range specified for 10.97.0.0. …\n"
        "Error: […]: Failed to start the DHCP server.\n",
        sees=((the_unit(DHCPD), ("masked", "inactive")), (listens("udp/67"), False)),
    ),
    does(
        "leases are made",
        xcat("makedhcp", "-a"),
        sees=(
            (
                lambda there: there.get(LeasesOf("cn1")),
                "cn1: ip-address = 10.97.0.21, hardware-address = aa:bb:cc:dd:ee:01",
            ),
        ),
    ),
    does(
        "leases are made while the DHCP server is stopped",
        xcat("makedhcp", "-a"),
        given=(prepared(stop(DHCPD), start(DHCPD)),),
        status=1,
        errors="Error: […]: Unable to connect to the DHCP server by OMAPI\n",
        sees=((lambda there: there.get(LeasesOf("cn1")), ""),),
    ),
    does(
        "consoles are made",
        xcat("makeconservercf"),
        sees=((lambda there: there.get(Consoles())[:1], ("cn1",)),),
    ),
    *(
        does(f"{' '.join(argv)} where xcatd does not run", xcat(*argv), node=MN2, **NO_DAEMON)
        for argv in (("makedns", "-n"), ("makedhcp", "-n"), ("makedhcp", "-a"), ("makeconservercf",))
    ),
    does(
        "goconserver's consoles are made",
        xcat("makegocons"),
        status=1,
        errors="…goconserver…",
        only_simulated="Debian has no goconserver",
    ),
)

ASKED = (
    asks(
        "a lease",
        LeasesOf("cn1"),
        means="cn1: ip-address = 10.97.0.21, hardware-address = aa:bb:cc:dd:ee:01",
        output="cn1: ip-address = 10.97.0.21, hardware-address = aa:bb:cc:dd:ee:01\n",
    ),
    asks(
        "the lease of nobody",
        LeasesOf("nobody"),
        means="",
        status=1,
        output="",
        errors="Error: […]: Invalid nodes and/or groups in noderange: nobody\n",
    ),
    asks("a lease where xcatd does not run", LeasesOf("cn1"), means="", node=MN2, **NO_DAEMON),
    asks("the consoles", Consoles(), read=lambda found: found[:1], means=("cn1",), output="cn1\n…"),
    asks(
        "the consoles, where conserver has no file",
        Consoles(),
        means=(),
        node=MN2,
        given=(without("/etc/conserver.cf"),),
        status=2,
        output="",
        errors="sed: can't read /etc/conserver.cf: No such file or directory\n",
    ),
    asks(
        "goconserver's consoles, where it does not run",
        Consoles("goconserver"),
        means=NotReadable("goconserver"),
        status=1,
        output="",
        errors="…goconserver\n",
        only_simulated="Debian has no goconserver",
    ),
)

DUMPS = (
    does(
        "the tables are dumped",
        dump,
        given=(discarding,),
        output=f" Creating {DUMP} for database dump\nBackup Complete.\n",
        sees=((the_dump, (71, True)),),
    ),
    does(
        "the tables are dumped where xcatd does not run",
        dump,
        node=MN2,
        given=(discarding,),
        output=f" Creating {DUMP} for database dump\nBackup Complete.\n",
        errors=f"Error running tabdump bootparams: {NO_DAEMON['errors']}Error running tabdump boottarget: …",
        sees=((the_dump, (0, False)),),
    ),
    asks(
        "a dump that is not there",
        DumpFiles(DUMP),
        means={},
        status=1,
        output="",
        errors=f"find: '{DUMP}': No such file or directory\n",
    ),
)

DAEMON = (
    does(
        "xcatd is stopped",
        stop("xcatd"),
        sees=(
            (the_unit("xcatd"), ("loaded", "inactive")),
            (runs("xcatd: "), False),
            (runs("in.tftpd"), False),
            (listens("tcp/3001"), False),
            (listens("tcp/3002"), False),
            (lambda there: there.get(Daemon()), None),
        ),
        undo=(start("xcatd"),),
    ),
    does(
        "the database is started while xcatd waits for it",
        start(DATABASE),
        given=(prepared(stop("xcatd"), start("xcatd")), prepared(stop(DATABASE), start(DATABASE)), awaited),
        sees=(soon(the_unit("xcatd"), ("loaded", "active")), (lambda there: there.get(Daemon()), XCATD)),
        only_real="its jobs take no time: what waits for a database has waited in vain",
    ),
    does(
        "xcatd is started",
        start("xcatd"),
        given=(prepared(stop("xcatd"), start("xcatd")),),
        sees=(
            (the_unit("xcatd"), ("loaded", "active")),
            *((runs(title), True) for title in (*TITLES, "in.tftpd")),
            *((listens(port), True) for port in ("tcp/3001", "udp/3001", "tcp/3002", "tcp/3003")),
            (lambda there: there.get(Daemon()), XCATD),
        ),
    ),
)

ROWS: tuple[Row, ...] = (*KNOWN, *TABLES, *MADE, *ASKED, *DUMPS, *DAEMON)
