"""What this side brings along to reach a node: known hosts, the SSH configuration, patience."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from hamn_flow.transport.session import Patience


def own_known_hosts() -> Path:
    """The file in which `hamn-flow trust` records host keys: where the journal usually lies."""
    if os.geteuid() == 0:
        return Path("/var/lib/hamn-flow/known_hosts")
    from platformdirs import user_state_path  # noqa: PLC0415 - root, the usual caller, does not need it

    return user_state_path("hamn-flow", appauthor=False) / "known_hosts"


def _known_hosts() -> tuple[Path, ...]:
    return (own_known_hosts(), Path("~/.ssh/known_hosts").expanduser(), Path("/etc/ssh/ssh_known_hosts"))


@dataclass(frozen=True, kw_only=True)
class Here:
    """What this side brings along. Where a host has keys in several files, the first file's count.

    `base` is the node's folder for generations and jobs; empty: its own choice (see launcher/jobs.pl).
    Times in seconds; `attempts` is how often a connection is tried. Commands are never tried again.
    """

    known_hosts: tuple[Path, ...] = field(default_factory=_known_hosts)
    config: Path = field(default_factory=lambda: Path("~/.ssh/config").expanduser())
    base: str = ""
    connect: float = 15.0
    attempts: int = 3
    patience: Patience = field(default_factory=Patience)
