"""A port of this machine for a test alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def held_port() -> Iterator[int]:
    """A port at loopback that nobody is given who asks for any, until the end of the block; a refusal until then.

    Whoever names it may listen there with SO_REUSEADDR (sshd does, and create_server): socket(7).
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, 0))
        yield holder.getsockname()[1]
