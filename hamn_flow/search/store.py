"""Edges and scenes that were found, in files: a process that has little in memory forks quickly."""

from __future__ import annotations

import os
import pickle
import tempfile
from typing import NamedTuple

from hamn_flow.search.found import Edge, Found
from hamn_flow.search.scene import Scene


class _Place(NamedTuple):
    at: int
    size: int


class Store:
    """The edges, and the scene of each state without a driver."""

    def __init__(self) -> None:
        self._scenes, self._end = tempfile.TemporaryFile(buffering=0), 0  # noqa: SIM115 -- it goes with the search
        self._places: dict[str, _Place] = {}
        self._found, self._read = tempfile.TemporaryFile(), 0  # noqa: SIM115 -- so does this
        self._edges: dict[Edge, None] = {}

    def keep(self, found: Found) -> None:
        """Keep these, if they are new."""
        pickle.dump(list(found.edges), self._found, pickle.HIGHEST_PROTOCOL)
        for state, scene in found.scenes.items():
            if state not in self._places:
                text = pickle.dumps(scene, pickle.HIGHEST_PROTOCOL)
                os.pwrite(self._scenes.fileno(), text, self._end)
                self._places[state] = _Place(at=self._end, size=len(text))
                self._end += len(text)

    def scene(self, state: str) -> Scene:
        """The scene that was found first of those that are this state."""
        place = self._places[state]
        scene: Scene = pickle.loads(os.pread(self._scenes.fileno(), place.size, place.at))  # noqa: S301 -- our own
        return scene

    def edges(self) -> dict[Edge, None]:
        """All edges, in the order in which they were found."""
        end = self._found.tell()
        self._found.seek(self._read)
        while self._found.tell() < end:
            self._edges |= dict.fromkeys(pickle.load(self._found))  # noqa: S301 -- our own
        self._read = end
        return self._edges
