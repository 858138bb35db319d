"""Names: the node's own, the resolver, and DNS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hamn_flow.facts.network import DnsAnswer, HostName, Nameservers, ResolvesTo
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.xcat import Table
from hamn_flow.model.command import Command
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.steps.evidence import not_standing, still_holds
from hamn_flow.steps.step import Step

SAMPLES = 3  # so many nodes are asked for where all of them would take long


def same_host(one: str, other: str) -> bool:
    """Whether two host names mean the same host: a short name is the first part of a long one."""
    if "." in one and "." in other:
        return one == other
    return one.partition(".")[0] == other.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class SetHostName(Step):
    """Set the running host name, until the next boot.

    Guide L236: xCAT's certificates and policy bear the name of the virtual IP; a standby bears its own.
    """

    host_name: str

    @property
    def what(self) -> str:
        """Identity."""
        return "host-name"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the node is called so, short or long."""
        found = nodes[self.node].get(HostName())
        if same_host(found, self.host_name):
            return done(f"called {found}", seen=found)
        return todo(f"called {found}", seen=found)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """The transient name only: at boot the node gets its own."""
        yield nodes[self.node].platform.set_host_name(self.host_name)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """The name that was found."""
        yield nodes[self.node].platform.set_host_name(seen)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when the node is called as it was."""
        found = nodes[self.node].get(HostName())
        return done(f"called {found}") if found == seen else todo(f"called {found}, not {seen}")


@dataclass(frozen=True, kw_only=True)
class UseNameserver(Step):
    """Ask the virtual IP for names: a nameserver line in /etc/resolv.conf.

    Guide L547, whose `nameserver=` is no valid line (T25).
    """

    address: str

    @property
    def what(self) -> str:
        """Identity."""
        return "nameserver"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the line is there."""
        resolver = nodes[self.node].get(Nameservers())
        if self.address in resolver.nameservers:
            return done(f"{self.address} is a nameserver in /etc/resolv.conf")
        managed = f" ({resolver.managed_by} writes that file and may undo it)" if resolver.managed_by else ""
        return todo(f"{self.address} is no nameserver in /etc/resolv.conf{managed}")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """As the first line."""
        yield nodes[self.node].platform.add_nameserver(self.address)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Without the line."""
        del seen
        yield nodes[self.node].platform.remove_nameserver(self.address)


@dataclass(frozen=True, kw_only=True)
class MakeDns(Step):
    """Write xCAT's zones anew and let named serve them on the virtual IP.

    Guide L547. Its exit status proves nothing (xcat-core #6027): the virtual IP is asked for some nodes.
    """

    once: ClassVar[bool] = True
    nothing_to_undo: ClassVar[str] = "zones are written anew by whoever takes the role"

    server: str  # the virtual IP
    samples: tuple[str, ...] = ()  # nodes to ask for; none chosen when planning: looked up when acting

    @property
    def what(self) -> str:
        """Identity."""
        return "makedns"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when named answers on the virtual IP for each sample node."""
        node = nodes[self.node]
        domain = _domain(node)
        wrong, silent = [], True
        samples = self.samples or resolvable(node)
        for name in samples:
            full = f"{name}.{domain}" if domain and "." not in name else name
            answers, expected = node.get(DnsAnswer(self.server, full)), node.get(ResolvesTo(name))
            if not answers or (expected and not set(answers) & set(expected)):
                wrong.append(f"{full} ({', '.join(answers) or 'no answer'})")
                silent = silent and not answers
        if wrong:
            return todo(
                f"named on {self.server} does not answer rightly for {', '.join(wrong)}",
                hint=f"Type dig @{self.server} {wrong[0].split()[0]} on {self.node} and look at site.domain, "
                "site.nameservers and the journal of named; then type hamn-flow resume.",
                coming=silent,  # named reads its zones after it has started
            )
        return done(
            f"named on {self.server} answers for {', '.join(samples) or 'no node, as none is known by address'}"
        )

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """All zones; it starts named again, so that named binds the virtual IP."""
        yield nodes[self.node].platform.xcat("makedns", "-n", deadline=600.0)

    def objection(self, nodes: Nodes) -> str | None:
        """Names of the cluster come from one node."""
        return still_holds(nodes, nodes.peer_of(self.node).name) or not_standing(nodes, self.node)


def _domain(node: Node) -> str:
    return {row["key"]: row["value"] for row in node.get(Table("site")) or ()}.get("domain", "")


def node_names(node: Node) -> tuple[str, ...]:
    """The nodes that xCAT on this node defines, by its running daemon; none if it does not answer."""
    return tuple(row["node"] for row in node.get(Table("nodelist")) or ())


def resolvable(node: Node) -> tuple[str, ...]:
    """A few of the defined nodes whose address is known, for asking after them."""
    found: list[str] = []
    for name in node_names(node)[: 4 * SAMPLES]:
        if len(found) < SAMPLES and node.get(ResolvesTo(name)):
            found.append(name)
    return tuple(found)
