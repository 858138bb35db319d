"""Copies of a run's journal on both nodes, so that it outlives the machine that drives.

Before a command is launched, everything that was committed until then is sent ahead of it, in the same round trip: so
the acting node has the intent when it begins. The other node is sent the same and not waited for; before the next
command is launched, what it said of the last one is heard. A node that does not answer is noted, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, RLock

from hamn_flow.errors import Busy, LookFailed, StaleDriver, Unreachable
from hamn_flow.journal import Reader
from hamn_flow.journal.chain import Commit, Copy, Health, Relation, common, relation
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import CopyBrought, CopyMissed, Event
from hamn_flow.transport.connection import Connection, Keeping, Owner, Piece

SOON = 1.0  # seconds for a node that does nothing else to say that it has kept what was sent before
PATIENCE = 30.0  # seconds for the whole copy, when a node is reached
PIECE = 256 * 1024  # bytes


@dataclass
class _Place:
    """What a node has of the copy, as far as was sent over its present link; threads take turns at it."""

    connection: Connection
    turn: RLock = field(default_factory=RLock, repr=False)
    generation: int = 0
    commits: int = 0
    size: int = 0
    keeping: Keeping | None = None  # what was sent and not yet heard of
    aside: bool = False  # what lies there is not ours to go on from
    given_up: bool = False
    lost: bool = False  # its link: what the node has is seen when it is there again


@dataclass
class Copies:
    """The copies of one run.

    `unseen` are the nodes whose copy an adoption, of so many commits (`adopted`), could not read: what they have
    besides is the former driver's, until they were brought up to the journal once.
    """

    owner: Owner
    journal: Reader
    record: Callable[[Event], None]
    unseen: set[NodeName] = field(default_factory=set)
    adopted: int = 0
    _places: dict[NodeName, _Place] = field(default_factory=dict)
    _noted: set[NodeName] = field(default_factory=set)
    _noting: Lock = field(default_factory=Lock, repr=False)

    def look(self, connection: Connection) -> None:
        """See what a node has before it is claimed; Busy if another driver has gone on with the run elsewhere."""
        place = _Place(connection=connection)
        with suppress(LookFailed):  # seen again, and said, once the node is claimed
            self._look(place, read_all=connection.node not in self._places)
        self._places[connection.node] = place

    def _look(self, place: _Place, *, read_all: bool) -> None:
        """See what a node has: by its size and end, or all of it, the first time."""
        connection, ours = place.connection, self.journal.commits(self.run)
        kept = connection.keep(self.run, Piece())(PATIENCE)
        if kept is None:
            raise Unreachable(f"{connection.node} does not say what it keeps of run {self.run}")
        known = _known(ours, kept.size, kept.end)
        place.commits, place.size, place.aside = 0, 0, False
        if kept.size and (known is None or read_all):
            found = Copy.read(self.run, connection.fetch(self.run))
            self._refuse_newer(connection.node, ours, found)
            known = known if found.health is Health.WHOLE else None
            place.aside = known is None
        if known is not None:
            place.commits, place.size = known, kept.size

    @property
    def run(self) -> str:
        """Whose journal it is."""
        return self.owner.run

    def bring(self, connection: Connection, generation: int) -> None:
        """Bring the copy of a node that was just claimed up to the journal, and wait until it is there."""
        place = self._places[connection.node]
        with place.turn:
            place.generation = generation
            self._noted.discard(connection.node)
            try:
                # Again: a piece that an earlier link still held may have come in since.
                self._look(place, read_all=place.aside)
                if place.aside:
                    connection.set_aside(self.run, generation=generation, owner=self.owner)
            except LookFailed as error:
                self._start_afresh(place, error.sentence)
            self._send(place)
            self._hear(place, PATIENCE)
            brought = place.keeping is None and place.commits > 0 and not place.given_up
        if brought and connection.node in self.unseen:
            self.unseen.discard(connection.node)
            self.record(CopyBrought(run=self.run, node=connection.node))

    def send(self, acting: Connection, others: Iterable[Connection]) -> tuple[Connection, ...]:
        """Send all that was committed: ahead of a launch on the acting node, and to the others; which of them are lost.

        StaleDriver if another driver has taken one of the others over.
        """
        lost: list[Connection] = []
        for place in self._at(others):
            # Who has its turn may wait for that node, which must not keep a command from this one.
            if not place.turn.acquire(blocking=False):
                continue
            try:
                self._hear(place, self._soon(place))
                if place.keeping is None:
                    self._send(place)
                if place.lost:
                    lost.append(place.connection)
            finally:
                place.turn.release()
        for place in self._at([acting]):
            with place.turn:
                self._hear(place, self._soon(place))  # what it was sent while the other one was acting
                self._send(place)
        return tuple(lost)

    def heard(self, acting: Connection) -> None:
        """After the launch was answered: what the acting node said of the copy, which came before."""
        for place in self._at([acting]):
            with place.turn, suppress(StaleDriver):  # the launch was refused as well, and said who took over
                self._hear(place, self._soon(place))

    def flush(self, connections: Iterable[Connection]) -> None:
        """At a halt or an end: send what is left, and hear that it is there; late ones are waited for once more."""
        places = self._at(connections)
        for place in places:
            with place.turn, suppress(StaleDriver):
                self._hear(place, self._soon(place))  # or what it could not keep would not be sent again
                self._send(place)
        for place in places:
            with place.turn, suppress(StaleDriver):
                self._hear(place, SOON)
            if place.lost:
                self.missed(place.connection.node, "its link was lost")

    def has_all(self, node: NodeName) -> bool:
        """Whether a node has said that it keeps all of the journal as it is now."""
        place = self._places.get(node)
        if place is None or place.given_up or place.keeping is not None:
            return False
        return not self.journal.commits(self.run, after=place.commits)

    def _at(self, connections: Iterable[Connection]) -> list[_Place]:
        """The places that these links lead to; one that has a newer link by now is left to that."""
        places = ((each, self._places.get(each.node)) for each in connections)
        return [place for each, place in places if place and place.connection is each]

    def _soon(self, place: _Place) -> float:
        """How long a step waits for a node to say what it kept: for a late one only the first time."""
        return 0.0 if place.connection.node in self._noted else SOON

    def missed(self, node: NodeName, reason: str) -> None:
        """Note that a node has no copy, the first time that it is so."""
        with self._noting:
            known = node in self._noted
            self._noted.add(node)
        if not known:
            self.record(CopyMissed(run=self.run, node=node, reason=reason))

    def _refuse_newer(self, node: NodeName, ours: tuple[Commit, ...], found: Copy) -> None:
        how = relation(ours, found.commits)
        older = node in self.unseen and common(ours, found.commits) <= self.adopted
        if older or how not in {Relation.AHEAD, Relation.PARTED}:
            return
        raise Busy(
            f"another driver has gone on with run {self.run}: {node} keeps {len(found.commits)} commits of it that are "
            f"not those of this journal, which has {len(ours)}",
            hint=f"Go on with it where that driver is; hamn-flow audit {self.run} shows where they part. To close it "
            f"in this journal, type hamn-flow abandon {self.run}.",
        )

    def _send(self, place: _Place) -> None:
        """Send what the node has not; what it says of the last piece, heard later, tells of all before it."""
        missing = () if place.given_up else self.journal.commits(self.run, after=place.commits)
        text = b"".join(commit.line.encode() for commit in missing)
        try:
            for at in range(0, len(text), PIECE):
                piece = Piece(
                    at=place.size,
                    text=text[at : at + PIECE],
                    generation=place.generation,
                    owner=self.owner.text,
                )
                place.keeping = place.connection.keep(self.run, piece)
                place.size += len(piece.text)
        except Unreachable:
            place.given_up = place.lost = True
        place.commits += len(missing)

    def _hear(self, place: _Place, seconds: float) -> None:
        """What the node said of what was sent last; if it says nothing yet, nothing more is sent until it does."""
        if place.keeping is None:
            return
        try:
            kept = place.keeping(seconds)
        except LookFailed as error:
            place.keeping = None
            self._start_afresh(place, error.sentence)
            return
        except StaleDriver:
            place.keeping, place.given_up = None, True
            raise
        except Unreachable:
            place.keeping, place.given_up, place.lost = None, True, True
            return
        if kept is None:
            self.missed(place.connection.node, "it has not answered yet")
            return
        place.keeping = None
        if kept.size != place.size:
            self._start_afresh(place, f"it has {kept.size} bytes, not {place.size}")

    def _start_afresh(self, place: _Place, reason: str) -> None:
        """A node could not keep what it was sent: all of it is sent again, and until then it has no copy.

        What it kept before would be taken for whole by an adopter, although more was begun on that node since. A node
        whose disk is full has set it aside by itself; one where somebody else had it locked could not, and one that
        keeps another text than was thought knows nothing of it.
        """
        place.commits = place.size = 0
        self.missed(place.connection.node, reason)
        try:
            place.connection.set_aside(self.run, generation=place.generation, owner=self.owner)
        except LookFailed:
            return  # what lies there does not fit what is sent next, so it is tried again then
        except Unreachable:
            place.given_up = place.lost = True


def _known(ours: tuple[Commit, ...], size: int, end: bytes) -> int | None:
    """How many of our commits a copy of that size and end holds; None if it is none of ours."""
    total = 0
    for number, commit in enumerate(ours, 1):
        total += len(commit.line.encode())
        if total == size:
            return number if end == f"{commit.sum}\n".encode() else None
        if total > size:
            return None
    return None


def best(copies: Iterable[Copy]) -> Copy | None:
    """The whole copy that goes furthest; None if there is none."""
    whole = [copy for copy in copies if copy.health is Health.WHOLE]
    return max(whole, key=lambda copy: len(copy.commits), default=None)
