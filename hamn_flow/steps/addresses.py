"""The virtual IP: let go on one node, found free, claimed and announced on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any, ClassVar

from hamn_flow.facts.network import Address, Addresses, Answers, ArpingFlavour, PromoteSecondaries
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.model.command import Command
from hamn_flow.model.pair import VirtualIp
from hamn_flow.model.probe import Finding, Probe, done, partial, todo, unknown
from hamn_flow.steps.evidence import address_held, answered, still_holds
from hamn_flow.steps.step import Check, Step

_INSTALL_ARPING = "Install arping (package iputils-arping or iputils) on the node, then type hamn-flow resume."


@dataclass(frozen=True, kw_only=True)
class _OnAddress(Step):
    """What the steps on the virtual IP have in common."""

    virtual_ip: VirtualIp

    def _held(self, node: Node) -> Address | None:
        """The virtual IP among a node's addresses."""
        for address in node.get(Addresses()):
            if address.address == self.virtual_ip.address:
                return address
        return None

    def _claimed(self, nodes: Nodes) -> Probe:
        """Done if this node has the address where cluster.toml wants it."""
        held, wanted = self._held(nodes[self.node]), self.virtual_ip
        if held is None:
            return todo(f"{wanted.address} is not on {self.node}")
        if (held.interface, held.prefix) != (wanted.interface, wanted.prefix):
            return partial(
                f"{self.node} has it as {held.address}/{held.prefix} on {held.interface}, not as {wanted.cidr} "
                f"on {wanted.interface}",
                hint=f"Type ip addr del {held.address}/{held.prefix} dev {held.interface} on {self.node} if that is "
                "a mistake, or mend cluster.toml; then type hamn-flow resume.",
            )
        return done(f"{self.node} has {wanted.cidr} on {wanted.interface}")

    def _free(self, nodes: Nodes, asking: Node) -> Probe:
        """Done if nobody on the segment answers for the address, asked by ARP: a hung host answers no ping."""
        flavour = asking.get(ArpingFlavour())
        if flavour is None:
            return unknown(f"arping is not installed on {asking.name}", hint=_INSTALL_ARPING)
        if asking.get(Answers(self.virtual_ip, flavour)):
            holders = [node.name for node in nodes.values() if answered(node, self._says_it_holds)]
            who = f", and {' and '.join(holders)} cannot be excluded" if holders else ", and neither node has it"
            return todo(
                f"somebody answers ARP for {self.virtual_ip.address}, asked from {asking.name}{who}",
                hint="Find the host that has the address (arping prints its hardware address) and take it off there; "
                "then type hamn-flow resume.",
            )
        return done(f"nobody answers ARP for {self.virtual_ip.address}, asked from {asking.name}")

    def _says_it_holds(self, node: Node) -> str | None:
        return f"{node.name} has it" if self._held(node) else None

    def _objection_to_claim(self, nodes: Nodes) -> str | None:
        """Two holders of one address: asked of the whole segment, and of the other node.

        ARP takes two seconds to say that nobody answers, so the other node is asked after it: its answer is the
        fresher. Only whether it has the address is asked before, for the better sentence.
        """
        peer = nodes.peer_of(self.node)
        objection = answered(peer, lambda node: address_held(node, self.virtual_ip))
        if objection is None and self._held(nodes[self.node]) is None:
            free = self._free(nodes, nodes[self.node])
            objection = None if free.finding is Finding.DONE else free.reason
            if free.finding is Finding.TODO:
                objection = f"{free.reason}: find that host (arping prints its hardware address) and take it off there"
        return objection or still_holds(nodes, peer.name)

    def _objection_to_release(self, nodes: Nodes) -> str | None:
        """Deleting a primary address takes the secondaries of its subnet along, unless they are promoted (T22).

        See ip-sysctl, promote_secondaries: the node's own address would go with the virtual IP.
        """
        node = nodes[self.node]
        held = self._held(node)
        if held is None or held.secondary:
            return None
        subnet = ip_interface(f"{held.address}/{held.prefix}").network
        lost = [
            one.address
            for one in node.get(Addresses())
            if one.secondary and one.interface == held.interface and _in_subnet(one, str(subnet))
        ]
        if not lost or node.get(PromoteSecondaries(held.interface)):
            return None
        return (
            f"{held.address} is the primary address of its subnet on {held.interface} of {node.name}: deleting it "
            f"would delete {', '.join(lost)} as well; first type sysctl -w net.ipv4.conf.{held.interface}"
            ".promote_secondaries=1 there"
        )


def _in_subnet(address: Address, subnet: str) -> bool:
    return str(ip_interface(f"{address.address}/{address.prefix}").network) == subnet


@dataclass(frozen=True, kw_only=True)
class ReleaseVirtualIp(_OnAddress):
    """Take the virtual IP off this node.

    Guide L489-L494. Proven by the node's own addresses: the guide's ifconfig form succeeds also where it did
    nothing, and with a slip of the pen takes every address of the interface (T22). That nobody else answers for it
    is asked by who claims it, immediately before.
    """

    @property
    def what(self) -> str:
        """Identity."""
        return "release-virtual-ip"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when this node does not have it."""
        held = self._held(nodes[self.node])
        if held is not None:
            return todo(f"{held.address}/{held.prefix} is on {held.interface}", seen=True)
        return done(f"not on {self.node}", seen=False)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Remove it, if it is there."""
        node = nodes[self.node]
        if self._held(node) is not None:
            yield node.platform.remove_address(self.virtual_ip)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Put it back, and tell the segment: its hosts remember who answered last."""
        node = nodes[self.node]
        if seen:
            if self._held(node) is None:
                yield node.platform.add_address(self.virtual_ip)
            yield from _announce(node, self.virtual_ip)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when it is back, if it was there."""
        return self._claimed(nodes) if seen else done("it was not here before")

    def objection(self, nodes: Nodes) -> str | None:
        """Its removal must not take another address along."""
        return self._objection_to_release(nodes)

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """Putting it back needs it to be free everywhere."""
        return self._objection_to_claim(nodes)


@dataclass(frozen=True, kw_only=True)
class AddressFree(_OnAddress, Check):
    """Nobody answers for the virtual IP before it is claimed."""

    lasting: ClassVar[bool] = False  # it is claimed next

    @property
    def what(self) -> str:
        """Identity."""
        return "address-free"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when nobody answers, or this node has it already."""
        if self._held(nodes[self.node]) is not None:
            return done(f"{self.node} itself has it")
        return self._free(nodes, nodes[self.node])


@dataclass(frozen=True, kw_only=True)
class ClaimVirtualIp(_OnAddress):
    """Bring the virtual IP up on this node.

    Guide L496-L501, with the prefix of the cluster and a label (T23). Never made persistent: a node that boots must
    come up without it (T24).
    """

    @property
    def what(self) -> str:
        """Identity."""
        return "claim-virtual-ip"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when this node has it."""
        return self._claimed(nodes)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Add it, unless it is there in another way."""
        node = nodes[self.node]
        if self._held(node) is None:
            yield node.platform.add_address(self.virtual_ip)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Take it off again."""
        del seen
        yield nodes[self.node].platform.remove_address(self.virtual_ip)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when this node does not have it."""
        del seen
        held = self._held(nodes[self.node])
        return todo(f"{held.address} is on {held.interface}") if held else done(f"not on {self.node}")

    def objection(self, nodes: Nodes) -> str | None:
        """The other node must have let go, and nobody may answer for it."""
        return self._objection_to_claim(nodes)

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """Its removal must not take another address along."""
        return self._objection_to_release(nodes)


@dataclass(frozen=True, kw_only=True)
class AnnounceVirtualIp(_OnAddress):
    """Tell the segment by gratuitous ARP that the virtual IP is here now."""

    once: ClassVar[bool] = True
    fine_statuses: ClassVar[frozenset[int]] = frozenset({0, 1})  # Habets' arping: 1, as nobody answers an announcement
    nothing_to_undo: ClassVar[str] = "whoever claims the address next announces it anew"

    @property
    def what(self) -> str:
        """Identity."""
        return "announce-virtual-ip"

    def probe(self, nodes: Nodes) -> Probe:
        """An announcement leaves no trace here: what can be seen is that the address is this node's."""
        if nodes[self.node].get(ArpingFlavour()) is None:
            return unknown(f"arping is not installed on {self.node}", hint=_INSTALL_ARPING)
        return self._claimed(nodes)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """A few unasked-for replies."""
        yield from _announce(nodes[self.node], self.virtual_ip)

    def objection(self, nodes: Nodes) -> str | None:
        """Hosts would send to this node what the other one still serves."""
        return still_holds(nodes, nodes.peer_of(self.node).name)


def _announce(node: Node, virtual_ip: VirtualIp) -> Iterator[Command]:
    flavour = node.get(ArpingFlavour())
    if flavour is not None:
        yield node.platform.announce_address(virtual_ip, flavour)
