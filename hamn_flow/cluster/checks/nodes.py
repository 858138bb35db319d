"""The two nodes: their names, and how they are reached."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hamn_flow.cluster.problem import Mistake, Where, shown
from hamn_flow.cluster.said import Said

_CLUSTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_NODE_NAME.pattern}(\.{_NODE_NAME.pattern})*")
_SSH_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:%-]*")
_SSH_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]*")


def mistakes(said: Said) -> Iterator[Mistake]:
    """What is wrong with names and with the ways to the nodes."""
    yield from _cluster_name(said)
    yield from _number_of_nodes(said)
    yield from _names(said)
    for n in range(said.count("nodes")):
        yield from _ssh(said, n)
    yield from _two_machines(said)


def _cluster_name(said: Said) -> Iterator[Mistake]:
    name = said.text("name")
    if name is not None and not _CLUSTER_NAME.fullmatch(name):
        yield Mistake(
            where=("name",),
            sentence=f"the cluster's name {shown(name)} is not one short word",
            hint='Write letters, digits, dots, hyphens and underscores, for example name = "lab".',
        )


def _number_of_nodes(said: Said) -> Iterator[Mistake]:
    count = said.count("nodes")
    if isinstance(said.at("nodes"), list) and count != 2:
        yield Mistake(
            where=("nodes", 2) if count > 2 else ("nodes",),
            sentence=f"a pair has two nodes, not {count}",
            hint="Write one table in nodes for each of the two management nodes; service nodes do not belong here.",
        )


def _names(said: Said) -> Iterator[Mistake]:
    seen: dict[str, Where] = {}
    for n in range(said.count("nodes")):
        where: Where = ("nodes", n, "name")
        name = said.text(*where)
        if name is None:
            continue
        if not _NODE_NAME.fullmatch(name):
            yield Mistake(
                where=where,
                sentence=f"node name {shown(name)} is not a short host name",
                hint='Write letters, digits and hyphens, without the domain, for example name = "mn1".',
            )
        elif name.lower() in seen:
            yield Mistake(
                where=where,
                sentence=f"both nodes are named {name}",
                hint="Write the short host name of each node, as hostname -s shows it there.",
            )
        seen.setdefault(name.lower(), where)
    host_name = said.text("virtual_ip", "host_name")
    if host_name is None:
        return
    if not _HOST_NAME.fullmatch(host_name):
        yield Mistake(
            where=("virtual_ip", "host_name"),
            sentence=f"{shown(host_name)} is not a host name",
            hint='Write the name that /etc/hosts gives the virtual IP, for example host_name = "mn".',
        )
    elif host_name.partition(".")[0].lower() in seen:
        yield Mistake(
            where=("virtual_ip", "host_name"),
            sentence=f"the virtual IP's host name {host_name} is the name of a node",
            hint='Write a third name, which belongs to whichever node is active, for example host_name = "mn".',
        )


def _ssh(said: Said, n: int) -> Iterator[Mistake]:
    ssh: Where = ("nodes", n, "ssh")
    for key, pattern in (("host", _SSH_HOST), ("user", _SSH_USER)):
        value = said.text(*ssh, key)
        if value is not None and not pattern.fullmatch(value):
            yield Mistake(
                where=(*ssh, key),
                sentence=f"{shown(value)} is not the {key} of an SSH connection",
                hint=f"Write {key} as in `ssh -l USER HOST`, or remove the line to leave it to ~/.ssh/config.",
            )
    identity = said.text(*ssh, "identity_file")
    if identity is not None and not identity.startswith(("/", "~/")):
        yield Mistake(
            where=(*ssh, "identity_file"),
            sentence=f"identity file {shown(identity)} depends on the present directory",
            hint='Write its whole path, for example identity_file = "~/.ssh/id_ed25519".',
        )
    if said.at(*ssh, "local") is True:
        for key in ("host", "port", "user", "identity_file"):
            if said.at(*ssh, key) is not None:
                yield Mistake(
                    where=(*ssh, key),
                    sentence=f"{key} is of no use for a node that is this machine",
                    hint=f"Remove {key}, or remove local = true to reach the node by SSH.",
                )


def _two_machines(said: Said) -> Iterator[Mistake]:
    """Two ways that lead to the same machine would make one node look like both."""
    if said.at("nodes", 0, "ssh", "local") is True and said.at("nodes", 1, "ssh", "local") is True:
        yield Mistake(
            where=("nodes", 1, "ssh", "local"),
            sentence="both nodes are said to be this machine",
            hint="Remove local = true from the node that is another machine.",
        )
        return
    first, second = (
        (said.text("nodes", n, "ssh", "host"), said.number("nodes", n, "ssh", "port") or 22) for n in range(2)
    )
    if first == second and first[0] is not None:
        yield Mistake(
            where=("nodes", 1, "ssh", "host"),
            sentence=f"both nodes are reached at {first[0]}, port {first[1]}",
            hint="Write the host or the port of each node, so that they are two machines.",
        )
