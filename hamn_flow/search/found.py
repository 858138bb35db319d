"""What a search has found so far: states, the edges between them, and what is broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hamn_flow.search.scene import Scene, Standing


class Edge(NamedTuple):
    """From one state to the next, and what happened in between; `calm` if no fault did.

    `act` is what a person typed, where the edge leaves a state without a driver.
    """

    source: str
    target: str
    text: str
    act: str
    calm: bool


class Broken(NamedTuple):
    """A promise that is broken after a state, and what happened in between."""

    source: str
    text: str
    sentence: str


@dataclass(kw_only=True)
class Found:
    """Ordered, so that the same search finds the same in the same order. `reached`: with so many faults left."""

    reached: dict[str, int] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    scenes: dict[str, Scene] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    broken: dict[Broken, None] = field(default_factory=dict)

    def reach(self, state: str, faults: int) -> None:
        """A state was reached with so many faults left."""
        self.reached[state] = max(faults, self.reached.get(state, -1))


def parents(edges: Mapping[Edge, None], root: str) -> dict[str, Edge]:
    """For each state but the root, the last edge of the way with the fewest faults, and of those the shortest."""
    out: dict[str, list[Edge]] = {}
    for edge in edges:
        out.setdefault(edge.source, []).append(edge)
    before: dict[str, Edge] = {}
    wave = [root]
    passed = [root]
    while wave:
        wave = _reached(out, root, before, wave, calm=True)
        passed += wave
        if not wave:  # all that so many faults lead to
            wave = _reached(out, root, before, passed, calm=False)
            passed = list(wave)
    return before


def _reached(
    out: Mapping[str, list[Edge]], root: str, before: dict[str, Edge], states: list[str], *, calm: bool
) -> list[str]:
    """The states that were not reached before, by one edge more."""
    new: list[str] = []
    for state in states:
        for edge in out.get(state, ()):
            if edge.calm is calm and edge.target != root and edge.target not in before:
                before[edge.target] = edge
                new.append(edge.target)
    return new


def depth(before: Mapping[str, Edge], root: str) -> int:
    """How many edges the farthest state is away, by the ways that `parents` found."""
    far = {root: 0}
    for state, edge in before.items():  # in the order in which they were reached
        far[state] = far[edge.source] + 1
    return max(far.values())
