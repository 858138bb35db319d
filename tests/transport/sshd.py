"""OpenSSH's own server on a loopback port, started as the present user, with keys and settings of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import NodeSpec, Ssh
from hamn_flow.transport.here import Here
from hamn_flow.transport.session import Patience
from tests.ports import LOOPBACK, held_port

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A server that runs; all its files lie in `directory`."""

    directory: Path
    port: int

    @property
    def config(self) -> Path:
        """sshd_config."""
        return self.directory / "sshd_config"

    @property
    def identity(self) -> Path:
        """The private key that it lets in."""
        return self.directory / "identity"

    @property
    def known_hosts(self) -> Path:
        """Its host key, as a client knows it."""
        return self.directory / "known_hosts"

    def spec(self, name: str = "mn1", *, port: int = 0) -> NodeSpec:
        """The server as a node of a cluster file."""
        ssh = Ssh(host=LOOPBACK, port=port or self.port, user=getpass.getuser(), identity_file=str(self.identity))
        return NodeSpec(name=NodeName(name), address=LOOPBACK, ssh=ssh)

    def here(self, base: Path, *, patience: Patience | None = None, known_hosts: Path | None = None) -> Here:
        """What a client needs to know; nothing of the user's own is read."""
        return Here(
            known_hosts=(known_hosts or self.known_hosts,),
            config=self.directory / "no_config",
            base=str(base),
            patience=patience or Patience(),
        )


def _key(path: Path) -> str:
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)), check=True, timeout=30)
    return path.with_suffix(".pub").read_text()


@contextmanager
def serving(directory: Path, *, home: Path | None = None) -> Iterator[Sshd]:
    """A server until the end of the block; OSError or TimeoutError if it does not start.

    `home`: where its shells look for what they read at their start; by default in the user's own.
    """
    if PROGRAM is None:
        raise FileNotFoundError("sshd is not installed")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts itself in before it trusts anybody
    directory.mkdir(parents=True, exist_ok=True)
    with held_port() as port:
        server = _prepared(directory, port, home)
        process = subprocess.Popen((PROGRAM, "-D", "-f", str(server.config), "-E", str(directory / "log")))
        try:
            _wait_for(port, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _prepared(directory: Path, port: int, home: Path | None) -> Sshd:
    server = Sshd(directory=directory, port=port)
    host_key = _key(directory / "host_key")
    (directory / "authorized_keys").write_text(_key(server.identity))
    server.known_hosts.write_text(f"[{LOOPBACK}]:{port} {host_key}")
    server.config.write_text(
        f"ListenAddress {LOOPBACK}\nPort {port}\nHostKey {directory}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nUsePAM no\nPrintMotd no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n"
        + (f"SetEnv HOME={home}\n" if home else "")
    )
    return server


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while process.poll() is None:
        try:
            socket.create_connection((LOOPBACK, port), 1).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
    raise OSError(f"sshd ended with status {process.returncode}")
