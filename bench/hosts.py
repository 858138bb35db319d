"""Two hosts for programs that log in: a real sshd each, on loopback, with no word from the user's own settings."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import LOOPBACK
from tests.transport.sshd import Sshd, serving

NAMES = ("mn1", "mn2")
# A host knows a driver by what the launcher keeps on it. Two on one machine must not share that: each is told its own.
_LOGIN = """\
case $SSH_ORIGINAL_COMMAND in
"exec perl "*"''") eval "${SSH_ORIGINAL_COMMAND%??}"%s ;;
*) eval "$SSH_ORIGINAL_COMMAND" ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """The servers by name; all files of the clients lie in `folder`, which is their home as well."""

    folder: Path
    servers: dict[str, Sshd]

    @property
    def known(self) -> Path:
        """Both host keys, where a client looks for them in its home."""
        return self.folder / ".ssh" / "known_hosts"

    @property
    def user(self) -> str:
        """Who logs in."""
        return self.servers[NAMES[0]].spec().ssh.user

    @property
    def environment(self) -> dict[str, str]:
        """For a client: no setting of the user's own but where programs are."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    @property
    def cluster_toml(self) -> str:
        """The hosts as a pair; what a pair must have besides is never asked for."""
        nodes = "".join(
            f'    {{ name = "{name}", address = "192.0.2.{number}", ssh = {{ host = "{LOOPBACK}", '
            f'port = {server.port}, user = "{self.user}", identity_file = "{server.identity}" }} }},\n'
            for number, (name, server) in enumerate(self.servers.items(), 1)
        )
        return (
            f'name = "bench"\nnodes = [\n{nodes}]\n'
            'virtual_ip = { address = "192.0.2.9", prefix = 24, interface = "eth0", host_name = "mn" }\n'
            'file_systems = [{ mount_point = "/etc/xcat", source = "UUID=3e6be9de-8139-4f2c-9106-a43f08d823a6" }]\n'
            'database = { engine = "sqlite" }\n'
        )


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Both until the end of the block."""
    with ExitStack() as held:
        servers = {name: held.enter_context(serving(folder / name, home=folder / name)) for name in NAMES}
        hosts = Hosts(folder=folder, servers=servers)
        hosts.known.parent.mkdir()
        hosts.known.write_text("".join(server.known_hosts.read_text() for server in servers.values()))
        for server in servers.values():
            base = server.directory / "base"
            base.mkdir(mode=0o700)
            login = server.directory / "login"
            login.write_text(_LOGIN.replace("%s", shlex.quote(str(base))))
            keys = server.directory / "authorized_keys"
            keys.write_text(f'command=". {shlex.quote(str(login))}" {keys.read_text()}')
        yield hosts
