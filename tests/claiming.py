"""Claiming a node, whoever holds it: as a driver does, over the holder that it sees."""

from __future__ import annotations

from hamn_flow.transport.connection import Connection, Owner

TRIES = 1000  # against others that claim at the same time


def claim(node: Connection, owner: Owner) -> int:
    """The generation that the owner holds then."""
    for _ in range(TRIES):
        over = node.held()
        now = node.claim(owner, over)
        if now.is_by(owner) and now.generation == over.generation + 1:
            return now.generation
    raise AssertionError(f"{node.node} cannot be claimed")
