"""What cluster.toml means: values that cannot work, and values that contradict each other.

Each check reads what is said and passes over what is absent or has the wrong type: the schema names that. So a
mistake in one place hides none in another.
"""

from __future__ import annotations

from collections.abc import Iterator

from hamn_flow.cluster.checks import network, nodes, services, storage
from hamn_flow.cluster.problem import Mistake
from hamn_flow.cluster.said import Said


def mistakes(said: Said) -> Iterator[Mistake]:
    """All that is wrong, in no special order."""
    yield from nodes.mistakes(said)
    yield from network.mistakes(said)
    yield from storage.mistakes(said)
    yield from services.mistakes(said)
