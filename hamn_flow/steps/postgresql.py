"""PostgreSQL's own configuration: that the server listens on the virtual IP and admits whoever holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import ClassVar

from hamn_flow.facts.node import Nodes
from hamn_flow.facts.postgresql import PostgresServer, Server
from hamn_flow.model.pair import Database, VirtualIp
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.steps.step import Check

DATABASE = "xcatdb"  # as pgsqlsetup calls it


@dataclass(frozen=True, kw_only=True)
class PostgresqlAdmits(Check):
    """PostgreSQL listens on the virtual IP, and its access list admits it and both nodes' own addresses.

    A client on the active node comes from that node's own address, though it asks the virtual IP (xcat-core #4067).
    """

    lasting: ClassVar[bool] = False  # where the configuration lies on the shared disk, it moves with it

    database: Database
    virtual_ip: VirtualIp
    addresses: tuple[str, ...]  # of both nodes

    @property
    def what(self) -> str:
        """Identity."""
        return "postgresql-admits"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when nobody would be turned away, or the configuration lies on the shared disk, not mounted here."""
        server = nodes[self.node].get(PostgresServer(self.database.data_directory))
        if server is None:
            return todo(f"no PostgreSQL server of {self.node} has {self.database.data_directory} as its data directory")
        if not server.listen_addresses and not server.access:
            return done("its configuration lies on the shared disk, and is the other node's")
        problems = (*self._deaf(server), *self._turned_away(server))
        if problems:
            return todo(
                f"{'; '.join(problems)} (in {server.config_directory})",
                hint="Type pgsqlsetup -i -a with both nodes' addresses, or mend listen_addresses and pg_hba.conf.",
            )
        return done("PostgreSQL listens on the virtual IP and admits both nodes")

    def _deaf(self, server: Server) -> Sequence[str]:
        wanted = {"*", "0.0.0.0", self.virtual_ip.address, self.virtual_ip.host_name}  # noqa: S104 - compared, not bound
        listens = {word.strip().strip("'") for word in server.listen_addresses.split(",")}
        if listens & wanted:
            return ()
        return (f"listen_addresses is '{server.listen_addresses}', without {self.virtual_ip.address}",)

    def _turned_away(self, server: Server) -> Sequence[str]:
        clients = (self.virtual_ip.address, *self.addresses)
        return [f"the access list does not admit {one}" for one in clients if not admitted(server.access, one)]


def admitted(access: Sequence[str], client: str) -> bool:
    """Whether an access list (pg_hba.conf) admits a TCP client to xCAT's database: the first line that fits decides.

    `samehost` and `samenet` are taken as fitting, since all three addresses are in one subnet (cluster.toml's rule).
    """
    for line in access:
        kind, *words = line.split()
        if kind not in {"host", "hostssl", "hostnossl"} or len(words) < 4:
            continue
        databases, _, address, *rest = words
        if not {"all", DATABASE} & set(databases.strip('"').split(",")):
            continue
        mask = rest[0] if len(rest) > 1 and _is_address(rest[0]) else ""
        if _fits(address, mask, client):
            method = rest[1] if mask else rest[0]
            return method != "reject"
    return False


def _fits(address: str, mask: str, client: str) -> bool:
    if address in {"all", "samehost", "samenet"}:
        return True
    try:
        return IPv4Address(client) in IPv4Network(f"{address}/{mask}" if mask else address, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return False  # a host name or an IPv6 network: not counted on


def _is_address(word: str) -> bool:
    try:
        IPv4Address(word)
    except AddressValueError:
        return False
    return True
