"""Addresses and the interface: what `ip addr add ... label IF:0` will be asked to do (traps T22, T23, T27, T57)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, IPv6Address

from hamn_flow.cluster.problem import Mistake, Where, shown
from hamn_flow.cluster.said import Said

_VIRTUAL: Where = ("virtual_ip", "address")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_LABEL = 15  # IFNAMSIZ less its closing zero, see netdevice(7)


def mistakes(said: Said) -> Iterator[Mistake]:
    """What is wrong with the addresses and the interface."""
    yield from _form(said, _VIRTUAL)
    for n in range(said.count("nodes")):
        yield from _form(said, ("nodes", n, "address"))
    yield from _same(said)
    yield from _networks(said)
    yield from _interface(said)


def _form(said: Said, where: Where) -> Iterator[Mistake]:
    """An address must be one that a machine in a network can have."""
    text = said.text(*where)
    if text is None:
        return
    address = said.address(*where)
    if address is None:
        yield _not_an_address(where, text)
    elif address.is_loopback or address.is_multicast or address.is_unspecified or address.is_reserved:
        yield Mistake(
            where=where,
            sentence=f"{address} cannot be a machine's address in a network",
            hint="Write an address of the management network; how a node is reached otherwise stands in its ssh.host.",
        )


def _not_an_address(where: Where, text: str) -> Mistake:
    bare, slash, _ = text.partition("/")
    try:
        IPv6Address(bare)
    except AddressValueError:
        pass
    else:
        return Mistake(
            where=where,
            sentence=f"{shown(text)} is an IPv6 address, and only IPv4 is supported",
            hint="Write the IPv4 address that xCAT's site table has as its master.",
        )
    try:
        IPv4Address(bare)
    except AddressValueError:
        slash = ""
    if slash:
        return Mistake(
            where=where,
            sentence=f"{shown(text)} is an address with a prefix",
            hint=f'Write address = "{bare}"; the prefix of the network stands once, as prefix in virtual_ip.',
        )
    return Mistake(
        where=where,
        sentence=f"{shown(text)} is not an IPv4 address",
        hint='Write four numbers from 0 to 255, for example "10.97.0.100"; names are not looked up here.',
    )


def _same(said: Said) -> Iterator[Mistake]:
    virtual = said.address(*_VIRTUAL)
    seen: set[IPv4Address] = set()
    for n, address in _nodes(said):
        if address == virtual:
            yield Mistake(
                where=_VIRTUAL,
                sentence=f"virtual IP {address} is the own address of {_name(said, n)}",
                hint="Write an address that no machine has; each node keeps its own when the role moves.",
            )
        if address in seen:
            yield Mistake(
                where=("nodes", n, "address"),
                sentence=f"both nodes have the address {address}",
                hint="Write the address that each node keeps for itself, as ip -4 addr shows it there.",
            )
        seen.add(address)


def _networks(said: Said) -> Iterator[Mistake]:
    virtual, prefix = said.address(*_VIRTUAL), said.number("virtual_ip", "prefix")
    if virtual is None or prefix is None or not 1 <= prefix <= 30:
        return
    network = IPv4Interface((virtual, prefix)).network
    yield from _usable(virtual, network, _VIRTUAL, "virtual IP")
    homes = {n: IPv4Interface((address, prefix)).network for n, address in _nodes(said)}
    away = {n: home for n, home in homes.items() if home != network}
    if away and away == homes and len(set(homes.values())) == 1:
        yield Mistake(
            where=_VIRTUAL,
            sentence=f"virtual IP {virtual} lies outside the nodes' network {homes[min(homes)]}",
            hint=f"Write a free address of {homes[min(homes)]}, or mend prefix.",
        )
        away = {}
    for n, address in _nodes(said):
        where: Where = ("nodes", n, "address")
        if n in away:
            yield Mistake(
                where=where,
                sentence=f"address {address} of {_name(said, n)} lies outside the virtual IP's network {network}",
                hint=f"Write the address that the node has in {network}, or mend prefix; all three lie in one network.",
            )
        yield from _usable(address, homes[n], where, "address")


def _usable(address: IPv4Address, network: IPv4Network, where: Where, what: str) -> Iterator[Mistake]:
    ends = {network.network_address: "network", network.broadcast_address: "broadcast"}
    if address in ends:
        yield Mistake(
            where=where,
            sentence=f"{what} {address} is the {ends[address]} address of {network}",
            hint=f"Write an address from {network[1]} to {network[-2]}, or mend prefix.",
        )


def _interface(said: Said) -> Iterator[Mistake]:
    where: Where = ("virtual_ip", "interface")
    name = said.text(*where)
    if name is None:
        return
    physical, colon, _ = name.partition(":")
    if colon:
        yield Mistake(
            where=where,
            sentence=f"interface {shown(name)} is an alias, not a physical interface",
            hint=f"Write interface = {shown(physical)}; the alias label {physical}:0 is given to the address by itself."
            if _INTERFACE.fullmatch(physical)
            else 'Write the name that ip link shows, for example interface = "eth0".',
        )
    elif name == "lo" or not _INTERFACE.fullmatch(name):
        yield Mistake(
            where=where,
            sentence=f"{shown(name)} is not the name of a network interface that can carry the virtual IP",
            hint='Write the name that ip link shows, without what follows an @, for example interface = "eth0".',
        )
    elif len(f"{name}:0") > _LONGEST_LABEL:
        yield Mistake(
            where=where,
            sentence=f"the label {shown(f'{name}:0')} is longer than {_LONGEST_LABEL} characters",
            hint=f"Write an interface whose name has at most {_LONGEST_LABEL - 2} characters; "
            "a systemd .link file can give it a shorter one.",
        )


def _nodes(said: Said) -> Iterator[tuple[int, IPv4Address]]:
    for n in range(min(said.count("nodes"), 2)):
        if (address := said.address("nodes", n, "address")) is not None:
            yield n, address


def _name(said: Said, n: int) -> str:
    """The node as a sentence calls it."""
    name = said.text("nodes", n, "name")
    return shown(name).strip('"') if name else f"node {n + 1}"
