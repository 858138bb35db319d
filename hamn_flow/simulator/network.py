"""Addresses, ARP, sockets and names: `ip`, `arping`, `ss`, `hostname`, `getent`, `dig`, resolver.pl."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface

from hamn_flow.model.command import Result
from hamn_flow.simulator.host import Host, Program, line, ok, refused
from hamn_flow.simulator.state import Address, Node

_STRANGER = 0x99
ANY = "0.0.0.0"  # noqa: S104 - an address that is printed; nothing is bound to it here


def _subnet(address: Address) -> IPv4Interface:
    return IPv4Interface(f"{address.address}/{address.prefix}")


def _same_subnet(one: Address, other: Address) -> bool:
    return one.interface == other.interface and _subnet(one).network == _subnet(other).network


def add_address(node: Node, address: Address) -> None:
    """Put an address on an interface: secondary where the subnet has a primary one there already."""
    address.secondary = any(_same_subnet(address, held) for held in node.addresses)
    node.addresses.append(address)


def remove_address(node: Node, address: Address) -> None:
    """Take an address off, as the kernel does it: with a primary one its secondaries go, or the next is promoted.

    Named closes its sockets on an address that goes away, and does not open them again by itself.
    """
    node.addresses.remove(address)
    gone = [address]
    heirs = [held for held in node.addresses if held.secondary and _same_subnet(address, held)]
    if not address.secondary and heirs:
        if node.promote_secondaries.get(address.interface, False):
            heirs[0].secondary = False
        else:
            gone += heirs
            node.addresses[:] = [held for held in node.addresses if held not in heirs]
    lost = {held.address for held in gone}
    for process in node.processes.values():
        if process.command == "named":
            process.ports[:] = [port for port in process.ports if port[1] not in lost]


def ip(host: Host) -> Result:
    """`ip -o -4 addr show`, `ip addr add CIDR brd + dev IF label LABEL`, `ip addr del CIDR dev IF`."""
    match host.words:
        case ("-o", "-4", "addr", "show"):
            return ok("".join(_shown(host.node)))
        case ("addr", "add", cidr, "brd", "+", "dev", interface, "label", label):
            return _change_address(host, Address(interface, *_split(cidr), label=label), add=True)
        case ("addr", "del", cidr, "dev", interface):
            return _change_address(host, Address(interface, *_split(cidr)), add=False)
        case _:
            raise host.unknown()


def _change_address(host: Host, wanted: Address, *, add: bool) -> Result:
    host.change()
    held = _held(host.node, wanted)
    if wanted.interface not in host.node.promote_secondaries:
        return refused(1, f'Cannot find device "{wanted.interface}"\n')
    if add and held:
        return refused(2, "Error: ipv4: Address already assigned.\n")
    if add:
        add_address(host.node, wanted)
        return ok()
    if held is None:
        return refused(2, "Error: ipv4: Address not found.\n")
    remove_address(host.node, held)
    return ok()


def _split(cidr: str) -> tuple[str, int]:
    address, _, prefix = cidr.partition("/")
    return address, int(prefix)


def _held(node: Node, wanted: Address) -> Address | None:
    for held in node.addresses:
        if (held.interface, held.address, held.prefix) == (wanted.interface, wanted.address, wanted.prefix):
            return held
    return None


def _shown(node: Node) -> list[str]:
    tail = "\\       valid_lft forever preferred_lft forever\n"
    lines = [f"1: lo    inet 127.0.0.1/8 scope host lo{tail}"]
    for held in node.addresses:
        broadcast = _subnet(held).network.broadcast_address
        secondary = " secondary" if held.secondary else ""
        words = f"inet {held.address}/{held.prefix} brd {broadcast} scope global{secondary}"
        lines.append(f"2: {held.interface}    {words} {held.label or held.interface}{tail}")
    return lines


def arping(host: Host) -> Result:
    """Both programs of that name; each refuses the other's options."""
    programs = {"iputils": _arping_of_iputils, "habets": _arping_of_habets}
    if host.node.arping not in programs:
        return refused(127, "arping: No such file or directory\n")
    return programs[host.node.arping](host)


def _arping_of_iputils(host: Host) -> Result:
    match host.words:
        case ("-V",):
            return ok("arping from iputils 20221126\nlibcap: yes, IDN: yes, NLS: no, error.h: yes\n")
        case ("-D", "-c", _, "-w", _, "-I", interface, address):
            return _probe_iputils(host, interface, address)
        case ("-U", "-c", count, "-I", interface, address):
            host.change()
            if not _has(host.node, interface, address):
                return refused(2, "arping: bind: Cannot assign requested address\n")
            head = f"ARPING {address} from {address} {interface}\n"
            return ok(f"{head}Sent {count} probes ({count} broadcast(s))\nReceived 0 response(s)\n")
        case _ if {"-i", "-0"} & set(host.words):
            return refused(2, "arping: invalid option\n")
        case _:
            raise host.unknown()


def _arping_of_habets(host: Host) -> Result:
    match host.words:
        case ("-V",):
            return ok("ARPing 2.23, by Thomas Habets <thomas@habets.se>\n")
        case ("-0", "-c", _, "-i", _, address) | ("-0", "-c", _, "-w", _, "-i", _, address):
            return _probe_habets(host, address)
        case ("-U", "-c", count, "-i", _, address):
            host.change()  # status 1: nobody answers an announcement
            return refused(1, "", _habets(address, int(count), replies=0))
        case _ if {"-I", "-D"} & set(host.words):
            return refused(1, "arping: invalid option\n")
        case _:
            raise host.unknown()


def _has(node: Node, interface: str, address: str) -> bool:
    return any(held.interface == interface and held.address == address for held in node.addresses)


def _answered_by(host: Host, address: str) -> int:
    """The number of who answers for the address, 0 for nobody: a host does not answer its own probes."""
    peer = host.state.peer_of(host.node)
    if peer.powered and any(held.address == address for held in peer.addresses):
        return peer.number
    return _STRANGER if address in host.state.strangers else 0


def _probe_iputils(host: Host, interface: str, address: str) -> Result:
    if interface not in host.node.promote_secondaries:
        return refused(2, f"arping: Device {interface} not available.\n")
    who = _answered_by(host, address)
    head = f"ARPING {address} from {ANY} {interface}\n"
    if not who:
        return ok(f"{head}Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n")
    reply = f"Unicast reply from {address} [02:00:00:00:00:{who:02X}]  0.612ms\n"
    return refused(1, "", f"{head}{reply}Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n")


def _probe_habets(host: Host, address: str) -> Result:
    who = _answered_by(host, address)
    if not who:
        return refused(1, "", _habets(address, 2, replies=0))
    return ok(_habets(address, 2, replies=2, mac=f"02:00:00:00:00:{who:02x}"))


def _habets(address: str, sent: int, *, replies: int, mac: str = "") -> str:
    said = [f"60 bytes from {mac} ({address}): index={number} time=312.000 usec\n" for number in range(replies)]
    said = said or ["Timeout\n"] * sent
    share = round(100 * (sent - replies) / sent)
    end = f"{sent} packets transmitted, {replies} packets received, {share:3d}% unanswered (0 extra)\n"
    return f"ARPING {address}\n{''.join(said)}\n--- {address} statistics ---\n{end}\n"


def ss(host: Host) -> Result:
    """`ss -Hlntu`: what is listened on."""
    if host.words != ("-Hlntu",):
        raise host.unknown()
    ports = sorted({port for process in host.node.processes.values() for port in process.ports})
    words = {"tcp": "tcp   LISTEN 0      128  ", "udp": "udp   UNCONN 0      0    "}
    return ok("".join(f"{words[kind]}{address}:{port}  {ANY}:*\n" for kind, address, port in ports))


def hostname(host: Host) -> Result:
    """`hostname` and `hostname NAME`."""
    match host.words:
        case ():
            return ok(host.node.host_name + "\n")
        case (name,) if not name.startswith("-"):
            host.change()
            host.node.host_name = name
            return ok()
        case _:
            raise host.unknown()


def hosts(host: Host) -> dict[str, str]:
    """/etc/hosts of the node: name -> address."""
    file = host.read("/etc/hosts")
    names: dict[str, str] = {}
    for text in file.content.splitlines() if file else ():
        address, *words = text.partition("#")[0].split() or [""]
        names.update({word: address for word in words if word not in names})
    return names


def getent(host: Host) -> Result:
    """`getent ahostsv4 NAME`, from /etc/hosts."""
    match host.words:
        case ("ahostsv4", name):
            pass
        case _:
            raise host.unknown()
    address = hosts(host).get(name)
    if address is None:
        return refused(2, "")
    return ok(f"{address:<15} STREAM {name}\n{address:<15} DGRAM  \n{address:<15} RAW    \n")


def dig(host: Host) -> Result:
    """`dig +short +time=2 +tries=1 @SERVER NAME A`: named must listen at that very address."""
    match host.words:
        case ("+short", "+time=2", "+tries=1", server, name, "A") if server.startswith("@"):
            address = server[1:]
        case _:
            raise host.unknown()
    there = host.state.at(address) if address != "127.0.0.1" else host.node
    if there is None:
        return refused(9, "", f";; communications error to {address}#53: timed out\n;; no servers could be reached\n")
    if not any(("udp", address, 53) in process.ports for process in there.processes.values()):
        words = f";; communications error to {address}#53: connection refused\n;; no servers could be reached\n"
        return refused(9, "", words)
    found = there.zones.get(name.rstrip(".").partition(".")[0])
    return ok(f"{found}\n" if found else "")


_GENERATED = re.compile(r"\s*[#;].*\bgenerated by (?:\S*/)?([\w.-]+)", re.IGNORECASE)


def _resolver_line(text: str) -> str:
    """What resolver.pl makes of one line of /etc/resolv.conf."""
    words, generated = text.split(), _GENERATED.match(text)
    if words[:1] == ["nameserver"] and len(words) > 1:
        return line("nameserver", words[1])
    return line("generated", generated[1]) if generated else ""


def resolver_script(host: Host) -> Result:
    """resolver.pl show|add ADDRESS|remove ADDRESS."""
    path = "/etc/resolv.conf"
    file = host.read(path)
    lines = file.content.splitlines() if file else []
    match host.words:
        case ("show",):
            return ok("".join(map(_resolver_line, lines)))
        case ("add" | "remove" as action, address):
            host.change()
            kept = [text for text in lines if text.split() != ["nameserver", address]]
            if action == "add":
                first = next((at for at, text in enumerate(kept) if text.startswith("nameserver")), len(kept))
                kept.insert(first, f"nameserver {address}")
            host.write(path, "".join(f"{text}\n" for text in kept))
            return ok()
        case _:
            raise host.unknown()


PROGRAMS: dict[str, Program] = {
    "ip": ip,
    "arping": arping,
    "ss": ss,
    "hostname": hostname,
    "getent": getent,
    "dig": dig,
    "resolver.pl": resolver_script,
}
