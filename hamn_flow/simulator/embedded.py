"""The embedded pair: a simulated world behind real SSH servers on loopback, with the files to reach it by."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko

from hamn_flow.cluster.loading import load
from hamn_flow.model.pair import Cluster
from hamn_flow.simulator.ssh_server import LOOPBACK, SshServer
from hamn_flow.simulator.standard import ADDRESSES, DatabaseName, cluster_toml, standard_pair
from hamn_flow.simulator.world import World
from hamn_flow.transport.here import Here


class EmbeddedPair:
    """While it is entered, `directory` holds cluster.toml, known_hosts and identity, and both nodes answer.

    A command that no simulated program understands is answered with status 127 and noted in `world.state.unknown`.
    """

    def __init__(
        self, directory: Path, *, world: World | None = None, database: DatabaseName = "postgresql", pace: float = 0.0
    ) -> None:
        self.directory = directory
        self.world = world or standard_pair(database)
        self.world.lenient = True
        self.world.pace = pace
        self._database = database
        self._open = ExitStack()

    @property
    def cluster_file(self) -> Path:
        """The cluster.toml of the pair."""
        return self.directory / "cluster.toml"

    @property
    def known_hosts(self) -> Path:
        """The nodes' host keys, as ssh knows them."""
        return self.directory / "known_hosts"

    @property
    def identity(self) -> Path:
        """The private key that both nodes let in."""
        return self.directory / "identity"

    @property
    def cluster(self) -> Cluster:
        """The pair as its cluster.toml describes it; known while it is entered."""
        return load(self.cluster_file)

    @property
    def here(self) -> Here:
        """What the SSH transport needs to reach it: these host keys, and no configuration of the user's."""
        return Here(known_hosts=(self.known_hosts,), config=self.directory / "no-ssh-config")

    def __enter__(self) -> Self:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        client_key = paramiko.ECDSAKey.generate()
        self.identity.touch(mode=0o600)
        client_key.write_private_key_file(str(self.identity))
        servers: dict[str, SshServer] = {}
        for name in ADDRESSES:
            server = SshServer(self.world, name, client_key)
            self._open.callback(server.close)
            server.start()
            servers[name] = server
        lines = (f"[{LOOPBACK}]:{each.port} {each.host_key.get_name()} {each.host_key.get_base64()}\n"
                 for each in servers.values())  # fmt: skip
        self.known_hosts.write_text("".join(lines))
        ports = {name: server.port for name, server in servers.items()}
        text = cluster_toml(self._database, ports=ports, identity_file=str(self.identity))
        self.cluster_file.touch(mode=0o600)
        self.cluster_file.write_text(text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
