"""A connection whose commands and copies are told to the course before they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.command import Command, Job, JobState, Key, Result
from hamn_flow.simulator.connection import SimulatedConnection
from hamn_flow.transport.connection import Held, Keeping, Owner, Piece

if TYPE_CHECKING:  # a course makes its connections
    from hamn_flow.search.course import Course


@dataclass
class WatchedConnection(SimulatedConnection):
    """A connection whose commands are told to the course before they are sent."""

    course: Course
    journal: MemoryJournal  # of the driver whose connection it is

    def claim(self, owner: Owner, over: Held) -> Held:
        """Claim, after what may go wrong."""
        self.course.at_copy(self.journal, self.node, "claim")
        return super().claim(owner, over)

    def keep(self, copy: str, piece: Piece) -> Keeping:
        """Keep, after what may go wrong: a disk that is full just then."""
        node = self.world.node(self.node)
        node.full = self.course.at_copy(self.journal, self.node, "keep" if piece.text else "look at a copy") is not None
        try:
            return super().keep(copy, piece)
        finally:
            node.full = False

    def fetch(self, copy: str) -> bytes:
        """Fetch, after what may go wrong."""
        error = self.course.at_copy(self.journal, self.node, "fetch")
        if error:
            raise error
        return super().fetch(copy)

    def look(self, command: Command) -> Result:
        """Look, after what may go wrong."""
        self.course.look(command)
        return super().look(command)

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        """Launch, between what may go wrong before it and after it."""
        launched = self.course.launch(self.journal, key, command)
        try:
            super().launch(key, command, generation=generation, owner=owner)
        finally:
            launched()

    def wait(self, key: Key, seconds: float) -> Job:
        """What has not ended by itself does not end meanwhile: all the seconds pass at once."""
        self._live()
        job = self.world.wait(self.node, key)
        if job.state is JobState.RUNNING and seconds > 0:
            self.world.sleep(seconds)
            job = self.world.wait(self.node, key)
        return job
