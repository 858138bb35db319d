"""The lab's network: a namespace for each host, and one for the bridge between them, with no way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hamn_flow.errors import StepFailed
from hamn_flow.lab.place import ADDRESSES, CONTROL, NODES, PREFIX, Lab
from hamn_flow.lab.programs import run

BRIDGE = "br0"
INTERFACE = "eth0"  # in a host
_OWN = f"{CONTROL.rpartition('.')[0]}.0/{PREFIX}"
_LINK = "fe80::/64"  # goes no further than a link, and the kernel makes it by itself
# Without one of its own a bridge has the lowest of its ports', and another one whenever a host is unplugged: those who
# remember the old one would talk to nobody.
_CONTROL_HARDWARE = "02:97:00:00:00:01"
_NAMED = Path("/run/netns")
_IPV6 = Path("/proc/net/if_inet6")


def path(namespace: str) -> Path:
    """Where `ip netns` keeps a namespace."""
    return _NAMED / namespace


def there(namespace: str) -> bool:
    """Whether a namespace is there. Its file alone is none: it may have outlived the kernel that had it mounted."""
    file = path(namespace)
    return file.exists() and file.stat().st_dev != _NAMED.stat().st_dev


def lay(lab: Lab) -> None:
    """Make the bridge and the controlling side's address."""
    run("ip", "netns", "add", lab.network)
    inside = ("ip", "-n", lab.network)
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "add", BRIDGE, "address", _CONTROL_HARDWARE, "type", "bridge")
    run(*inside, "addr", "add", f"{CONTROL}/{PREFIX}", "brd", "+", "dev", BRIDGE)
    run(*inside, "link", "set", BRIDGE, "up")


def plug_in(lab: Lab, node: str) -> None:
    """Give a host a network of its own: a cable to the bridge, and its own address."""
    host = lab.host(node)
    run("ip", "netns", "add", host)
    inside = ("ip", "-n", host)
    ends = ("type", "veth", "peer", "name", INTERFACE, "address", hardware_address(node), "netns", host)
    run("ip", "-n", lab.network, "link", "add", node, *ends)
    run("ip", "-n", lab.network, "link", "set", node, "master", BRIDGE, "up")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "addr", "add", f"{ADDRESSES[node]}/{PREFIX}", "brd", "+", "dev", INTERFACE)
    run(*inside, "link", "set", INTERFACE, "up")


def unplug(lab: Lab, node: str) -> None:
    """Take a host's network away; nothing if it has none."""
    if node in ports(lab):  # both ends go, also where a process still keeps the host's namespace
        run("ip", "-n", lab.network, "link", "del", node)
    _remove(lab.host(node))


def clear(lab: Lab) -> None:
    """Remove all namespaces of the lab, as far as they are there."""
    for node in NODES:
        unplug(lab, node)
    _remove(lab.network)


def _remove(namespace: str) -> None:
    if path(namespace).exists():
        run("ip", "netns", "del", namespace)


def namespaces(lab: Lab) -> list[str]:
    """Those of the lab's namespaces that are there."""
    return [name for name in (*map(lab.host, NODES), lab.network) if path(name).exists()]


def hardware_address(node: str) -> str:
    """A locally administered address, the same at every boot, as of a real network card."""
    return f"02:97:00:00:00:{int(ADDRESSES[node].rpartition('.')[2]):02x}"


def ports(lab: Lab) -> list[str]:
    """The interfaces on the bridge; none where there is no bridge."""
    if not there(lab.network):
        return []
    return [str(link["ifname"]) for link in _told(lab.network, "link") if "master" in link]


def verify(lab: Lab) -> None:
    """See that nothing leads out of the lab, by the links and routes of its namespaces; StepFailed if it does."""
    _verify(lab.network, {BRIDGE, *NODES})
    for node in NODES:
        _verify(lab.host(node), {INTERFACE})


def _verify(namespace: str, expected: set[str]) -> None:
    links = {str(link["ifname"]) for link in _told(namespace, "link")}
    routes = {str(route["dst"]) for route in _told(namespace, "-4", "route")}
    if _IPV6.exists():
        routes |= {str(route["dst"]) for route in _told(namespace, "-6", "route")}
    strange = (links - expected - {"lo"}) | (routes - {_OWN, _LINK})
    if strange:
        raise StepFailed(f"{namespace} must lead nowhere, but it has {', '.join(sorted(strange))}")


def _told(namespace: str, *words: str) -> list[dict[str, Any]]:
    """What `ip -j` says; it prints nothing at all where there is nothing."""
    told = json.loads(run("ip", "-n", namespace, "-j", *words) or "[]")
    return [each for each in told if each]
