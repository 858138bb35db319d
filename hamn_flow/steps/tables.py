"""What xCAT's tables say of the pair itself, looked at while the active node still answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from hamn_flow.facts.node import Nodes
from hamn_flow.facts.xcat import Table
from hamn_flow.model.pair import VirtualIp
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.steps.step import Check

# Where nodes are told whom to ask: what is not set there becomes the physical address (trap T28).
ASKED: dict[str, tuple[str, ...]] = {
    "networks": ("tftpserver", "nameservers", "ntpservers", "dhcpserver"),
    "noderes": ("xcatmaster", "tftpserver", "nfsserver"),
}
ASKED_OF_SITE = ("master", "nameservers", "ntpservers")


@dataclass(frozen=True, kw_only=True)
class NodesAskVirtualIp(Check):
    """The tables send nodes to the virtual IP, not to one of the two management nodes.

    An address of a management node in the tables goes on pointing at it after the failover (T28).
    """

    lasting: ClassVar[bool] = False

    addresses: tuple[str, ...]  # of both management nodes

    @property
    def what(self) -> str:
        """Identity."""
        return "nodes-ask-virtual-ip"

    def probe(self, nodes: Nodes) -> Probe:
        """Done unless the tables cannot be read; each place that names a management node is a warning."""
        node = nodes[self.node]
        site = {row["key"]: row["value"] for row in node.get(Table("site")) or ()}
        asked = ((f"site.{key}", site.get(key, "")) for key in ASKED_OF_SITE)
        places = [f"{name}={value}" for name, value in asked if self._names_a_node(value)]
        for table, columns in ASKED.items():
            rows = node.get(Table(table))
            if rows is None:
                return todo(f"tabdump {table} reads nothing on {self.node}")
            found = {
                f"{table}.{one}={row.get(one, '')}"
                for row in rows
                for one in columns
                if self._names_a_node(row.get(one, ""))
            }
            places += sorted(found)
        if places:
            return done(
                "the tables can be read", warning=f"points at one management node after a failover: {', '.join(places)}"
            )
        return done("no table sends nodes to one of the management nodes")

    def _names_a_node(self, value: str) -> bool:
        return bool(set(re.split(r"[,;|\s]+", value)) & set(self.addresses))


@dataclass(frozen=True, kw_only=True)
class DhcpOnInterface(Check):
    """DHCP is set to a physical interface: its server does not start on the virtual IP's alias.

    See xcat-core #2976 and T27; networks.mgtifname may be the alias, as xcatprobe wants it.
    """

    lasting: ClassVar[bool] = False

    virtual_ip: VirtualIp

    @property
    def what(self) -> str:
        """Identity."""
        return "dhcp-interface"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when site.dhcpinterfaces names no alias."""
        rows = nodes[self.node].get(Table("site"))
        if rows is None:
            return todo(f"tabdump site reads nothing on {self.node}")
        value = {row["key"]: row["value"] for row in rows}.get("dhcpinterfaces", "")
        aliases = [name for name in re.split(r"[,;|\s]+", value) if re.fullmatch(r"[^:]+:\d+", name)]
        if aliases:
            interface = self.virtual_ip.interface
            return todo(
                f"site.dhcpinterfaces names the alias {aliases[0]}, on which the DHCP server does not start",
                hint=f"Type chdef -t site dhcpinterfaces={interface}, then start this anew.",
            )
        return done(f"site.dhcpinterfaces is {value or 'not set'}")
