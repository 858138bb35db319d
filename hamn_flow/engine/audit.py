"""Comparing a run's journal with what its events say, and with the copies on the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from hamn_flow.engine.adopt import copies_on, is_open
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import Unreachable
from hamn_flow.journal import Reader
from hamn_flow.journal.chain import Commit, Copy, first_unfit
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.journal.rows import Parting, Recorded, partings
from hamn_flow.journal.schema import FOLLOWS
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import CopyMissed
from hamn_flow.model.pair import Cluster


@dataclass(frozen=True, kw_only=True)
class Audit:
    """How a run's journal and its copies are: where it is not whole, and each node's copy beside it."""

    run: str
    commits: tuple[Commit, ...]
    unfit: int | None  # the first commit that does not follow from those before
    beyond: int  # events of no commit
    partings: tuple[Parting, ...] | None  # of the tables from the events; None: they were not compared
    copies: Mapping[NodeName, Copy | Unreachable]

    @property
    def needed(self) -> bool:
        """Whether both nodes ought to keep a copy; a run that launched nothing, or has ended, may have none."""
        return is_open(self.fitting)

    @property
    def missed(self) -> Mapping[NodeName, str]:
        """Why a node could not be brought a copy, as the journal noted it last."""
        told = (commit for commit in self.fitting if CopyMissed.__name__ in commit.kinds)
        events = (event for commit in told for _, _, event in commit.events())
        return {event.node: event.reason for event in events if isinstance(event, CopyMissed)}

    @property
    def fitting(self) -> tuple[Commit, ...]:
        """The journal's commits up to the first that does not fit: what comes then may be no commit at all."""
        return self.commits if self.unfit is None else self.commits[: self.unfit - 1]

    def silent(self) -> Unreachable | None:
        """Why nothing could be compared, if no node answers."""
        errors = [copy for copy in self.copies.values() if isinstance(copy, Unreachable)]
        return errors[0] if len(errors) == len(self.copies) else None


def audit(world: World, cluster: Cluster, reader: Reader, run: str) -> Audit:
    """Read all there is of a run, and see whether it fits: the copies first, as a living driver goes on meanwhile."""
    with closing(Links(cluster=cluster, world=world)) as links:
        links.connect()
        copies = copies_on(links, [spec.name for spec in cluster.nodes], run)
    recorded = reader.recorded(run)
    unfit = first_unfit(run, recorded.commits)
    return Audit(
        run=run,
        commits=recorded.commits,
        unfit=unfit,
        beyond=recorded.beyond,
        partings=_parted(run, recorded) if unfit is None else None,
        copies=copies,
    )


def _parted(run: str, recorded: Recorded) -> tuple[Parting, ...] | None:
    """Where the tables are not what the run's events make of them; None of a run that an older version wrote."""
    if any(commit.version < FOLLOWS for commit in recorded.commits):
        return None
    with closing(MemoryJournal.replayed(run, recorded.commits)) as made:
        return tuple(partings(recorded.rows, made.recorded(run).rows))
