"""Who asks, and who this driver is on the nodes."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
from datetime import datetime
from pathlib import Path

from hamn_flow.model.run import Holder


def user() -> str:
    """The person: who called sudo, otherwise who this process runs as."""
    try:
        own = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without an entry for its user
        own = str(os.getuid())
    return os.environ.get("SUDO_USER") or own


def who() -> str:
    """The person and the machine, for decisions in the journal."""
    return f"{user()}@{socket.gethostname()}"


def driver() -> str:
    """This process and no other, also after its number was given to another one or the machine was booted anew."""
    started = (
        Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19] if Path("/proc/self/stat").exists() else "0"
    )
    return f"{socket.gethostname()}:{os.getpid()}:{started}:{secrets.token_hex(4)}"


def holder(what: str, now: datetime) -> Holder:
    """How the journal's lock names this process."""
    return Holder(pid=os.getpid(), host=socket.gethostname(), user=user(), since=now, what=what)
