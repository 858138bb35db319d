"""What starting and stopping each kind of daemon does to a node, by the unit's `daemon`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hamn_flow.simulator.database import NO_HANDLE, NoDatabaseError, location, tables_of
from hamn_flow.simulator.exports import export_all
from hamn_flow.simulator.host import hold_at, spawn
from hamn_flow.simulator.postgres import start_postgresql, stop_postgresql
from hamn_flow.simulator.state import Node, State, Unit
from hamn_flow.simulator.tables import TABLE_NAMES, site

ANY = "0.0.0.0"  # noqa: S104 - a port that is noted down; nothing is bound to it here

Start = Callable[[State, Node, Unit], list[str]]
Stop = Callable[[State, Node, Unit], None]


@dataclass(frozen=True)
class Daemon:
    """`start` returns the lines that its journal gets when it fails, none when it runs."""

    start: Start
    stop: Stop


def _nothing(state: State, node: Node, unit: Unit) -> None:
    del state, node, unit


def _umbrella(state: State, node: Node, unit: Unit) -> list[str]:
    """Debian's postgresql.service: /bin/true, whatever becomes of the real servers."""
    del state, node, unit
    return []


def _plain(title: str, *ports: tuple[str, str, int], user: str = "root") -> Start:
    def start(state: State, node: Node, unit: Unit) -> list[str]:
        del state
        unit.main_pid = spawn(node, title, user=user, unit=unit.id, ports=ports).pid
        return []

    return start


_TITLES: tuple[tuple[str, tuple[tuple[str, str, int], ...]], ...] = (
    ("xcatd: SSL listener", (("tcp", ANY, 3001),)),
    ("xcatd: DB Access", ()),
    ("xcatd: UDP listener", (("udp", ANY, 3001),)),
    ("xcatd: Discovery worker", ()),
    ("xcatd: install monitor", (("tcp", ANY, 3002),)),
    ("xcatd: Command log writer", (("tcp", "127.0.0.1", 3003),)),
)


def _start_xcatd(state: State, node: Node, unit: Unit) -> list[str]:
    """It waits for its database, writes the schema of all its tables, and starts in.tftpd below /tftpboot."""
    where = location(state, node)
    waiting = "Can not open basic site table for configuration, waiting the database to be initialized."
    try:
        tables = tables_of(state, node, where)
    except NoDatabaseError as error:
        return [str(error), NO_HANDLE, waiting, "ERROR: Unable to open basic site table for configuration"]
    if "xcatdport" not in site(tables):
        return ["ERROR: Need xcatdport defined in site table, try chtab key=xcatdport site.value=3001"]
    for name in TABLE_NAMES:
        tables.setdefault(name, [])
    holds = (hold_at(state, node, "file", "/etc/xcat/site.sqlite"),) if where.engine == "SQLite" else ()
    started = [spawn(node, title, unit=unit.id, holds=holds, ports=ports) for title, ports in _TITLES]
    tftpd = "/usr/sbin/in.tftpd -v -l -s /tftpboot -m /etc/tftpmapfile4xcat.conf"
    root = hold_at(state, node, "root", "/tftpboot")
    spawn(node, tftpd, unit=unit.id, holds=(root,), ports=(("udp", ANY, 69),))
    unit.main_pid, unit.started_on = started[0].pid, where.file_system.name
    return []


def _start_named(state: State, node: Node, unit: Unit) -> list[str]:
    """It binds to the addresses that are there now, and never notices one added later."""
    del state
    addresses = ["127.0.0.1", *(held.address for held in node.addresses)]
    ports = tuple((kind, address, 53) for address in addresses for kind in ("tcp", "udp"))
    unit.main_pid = spawn(node, "/usr/sbin/named -f -u bind", user="bind", unit=unit.id, ports=ports).pid
    return []


def _start_dhcpd(state: State, node: Node, unit: Unit) -> list[str]:
    del state
    if "/etc/dhcp/dhcpd.conf" not in node.root.files:
        return ["Can't open /etc/dhcp/dhcpd.conf: No such file or directory"]
    title = "/usr/sbin/dhcpd -4 -q -cf /etc/dhcp/dhcpd.conf eth0"
    unit.main_pid = spawn(node, title, user="dhcpd", unit=unit.id, ports=(("udp", ANY, 67),)).pid
    return []


def _start_conserver(state: State, node: Node, unit: Unit) -> list[str]:
    del state
    if "/etc/conserver.cf" not in node.root.files:
        return ["conserver: ERROR: readCfg(): fopen(/etc/conserver.cf): No such file or directory"]
    unit.main_pid = spawn(node, "conserver: master", unit=unit.id, ports=(("tcp", ANY, 782),)).pid
    return []


def _start_nfs(state: State, node: Node, unit: Unit) -> list[str]:
    """nfs-server.service runs `exportfs -r` before the kernel's threads."""
    export_all(state, node)
    ports = (("tcp", ANY, 2049),)
    spawn(node, "[nfsd]", unit=unit.id, command="nfsd", ports=ports)
    spawn(node, "/usr/sbin/rpc.mountd", unit=unit.id, ports=(("tcp", ANY, 20048),))
    return []


def _stop_nfs(state: State, node: Node, unit: Unit) -> None:
    """It runs `exportfs -au` and `exportfs -f` after the kernel's threads, which ends all NFSv4 state."""
    del state, unit
    node.exports.clear()
    for client in node.nfs_clients:
        client.opens = False


DAEMONS: dict[str, Daemon] = {
    "umbrella": Daemon(_umbrella, _nothing),
    "postgresql": Daemon(start_postgresql, stop_postgresql),
    "xcatd": Daemon(_start_xcatd, _nothing),
    "named": Daemon(_start_named, _nothing),
    "dhcpd": Daemon(_start_dhcpd, _nothing),
    "conserver": Daemon(_start_conserver, _nothing),
    "goconserver": Daemon(_plain("/opt/xcat/bin/goconserver", ("tcp", ANY, 12429)), _nothing),
    "nfs": Daemon(_start_nfs, _stop_nfs),
    "apache2": Daemon(_plain("/usr/sbin/apache2 -k start", ("tcp", ANY, 80), user="www-data"), _nothing),
    "chrony": Daemon(_plain("/usr/sbin/chronyd -F 1", ("udp", ANY, 123), user="_chrony"), _nothing),
    "sshd": Daemon(_plain("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", ("tcp", ANY, 22)), _nothing),
    "rpcbind": Daemon(_plain("/sbin/rpcbind -f -w", ("tcp", ANY, 111), user="_rpc"), _nothing),
}
