"""Host keys: what a node shows, what is known of it, and recording it once a person has compared the fingerprints."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hamn_flow.errors import Unreachable, UntrustedHost
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import NodeSpec
from hamn_flow.transport.here import Here
from hamn_flow.transport.quick_paramiko import paramiko
from hamn_flow.transport.ssh import dial, load_known_hosts, read_config, target_of


class Standing(StrEnum):
    """What the files of known hosts say of a key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"  # the host is known by another key


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """The key that a node shows, under the name by which known_hosts files have it."""

    node: NodeName
    name: str  # `mn1`, or `[mn1]:2222`
    kind: str  # `ssh-ed25519`
    key: str  # in base 64
    standing: Standing

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.key)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def line(self) -> str:
        """The line of a known_hosts file."""
        return f"{self.name} {self.kind} {self.key}\n"


def fetch(spec: NodeSpec, here: Here) -> HostKey:
    """Ask a node for its host key, without logging in; Unreachable if it does not answer."""
    target = target_of(spec, read_config(here.config))
    known = paramiko.HostKeys()
    load_known_hosts(known, here)
    kinds = list(known.lookup(target.known_as) or {})
    with ExitStack() as held:
        try:
            transport = paramiko.Transport(dial(target, here, held))
            held.callback(transport.close)
            transport.banner_timeout = here.connect
            _prefer(transport.get_security_options(), kinds)
            transport.start_client(timeout=here.connect)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"{spec.name} ({target.host}:{target.port}) shows no host key: {error}") from error
        key = transport.get_remote_server_key()
    standing = Standing.UNKNOWN
    if kinds:
        standing = Standing.KNOWN if known.check(target.known_as, key) else Standing.CHANGED
    return HostKey(node=spec.name, name=target.known_as, kind=key.get_name(), key=key.get_base64(), standing=standing)


def _prefer(options: paramiko.SecurityOptions, kinds: list[str]) -> None:
    """Ask for a key of a kind that is known, so that it can be compared; an RSA key signs by newer names."""
    names = {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in kinds else set()
    names.update(kinds)
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in names)


def record(key: HostKey, path: Path, *, replace: bool = False) -> None:
    """Remember a host key that a person has compared.

    UntrustedHost if the host is known by another one, unless that is to be replaced.
    """
    if key.standing is Standing.CHANGED and not replace:
        raise UntrustedHost(
            f"{key.name} is known by another host key than {key.fingerprint}",
            hint="Find out why first; type `hamn-flow trust --replace` if the node was installed anew.",
        )
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.split(" ", 1)[0] != key.name]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines([*kept, key.line])
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
