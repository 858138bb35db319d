"""Taking a run over from another machine: by the copies of its journal that the nodes keep.

The nodes are claimed first and the copies read after it: from then on nothing is launched by the driver before, so
what the acting node keeps is all that ever happened. Of a node that does not answer, or whose copy is torn or damaged,
steps may have been begun that are not known: what was not begun there before is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TypeVar

from hamn_flow.engine.begin import Desk
from hamn_flow.engine.copies import best
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import HamnError, JournalUnusable, Refused, Unreachable
from hamn_flow.journal.chain import Commit, Copy, Health, Relation, common, relation
from hamn_flow.journal.schema import VERSION
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import Adopted, DriverCame, Event, StepSettled
from hamn_flow.model.pair import Cluster
from hamn_flow.model.run import Run, StepState
from hamn_flow.transport.connection import Held, Owner

Answer = TypeVar("Answer")

_NOT_BEGUN = frozenset({StepState.PENDING, StepState.FAILED, StepState.UNDONE})


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the nodes keep of one run, why a copy could not be read, and who holds the nodes that answer."""

    run: str
    copies: Mapping[NodeName, Copy]
    unread: Mapping[NodeName, Unreachable]
    held: Mapping[NodeName, Held]

    @classmethod
    def of(cls, run: str, found: Mapping[NodeName, Copy | Unreachable], held: Mapping[NodeName, Held]) -> Kept:
        """Of what was found on each node."""
        copies = {node: copy for node, copy in found.items() if isinstance(copy, Copy)}
        unread = {node: error for node, error in found.items() if isinstance(error, Unreachable)}
        return cls(run=run, copies=copies, unread=unread, held=held)

    def newest(self) -> tuple[NodeName, Copy]:
        """The whole copy that goes furthest; Refused if there is none, or if two of them part."""
        whole = {node: copy for node, copy in self.copies.items() if copy.health is Health.WHOLE}
        whole = {node: copy for node, copy in whole.items() if not _left_behind(node, copy, whole.values())}
        newest = best(whole.values())
        if newest is None:
            said = [f"that on {node} is {copy.health}" for node, copy in self.copies.items()]
            said += [f"that on {node} cannot be read: {error.sentence}" for node, error in self.unread.items()]
            raise Refused(
                f"there is no whole copy of run {self.run}: {'; '.join(said)}",
                hint="Go on with it on the machine that drove it, if that has its journal; or give the nodes up by "
                "hamn-flow release, and start a new run. state/README.md says how to read what is left.",
            )
        for node, copy in whole.items():
            if relation(newest.commits, copy.commits) is Relation.PARTED:
                other = next(name for name, each in whole.items() if each is newest)
                raise Refused(
                    f"the copies of run {self.run} on {other} and {node} part: two drivers have gone on with it",
                    hint="Type hamn-flow audit where its journal is, to see where; a person decides which one is true.",
                )
        _refuse_newer_version(newest)
        return next((node, copy) for node, copy in whole.items() if copy is newest)


def look_for(world: World, cluster: Cluster, node: NodeName, run: str = "") -> Kept:
    """What both nodes keep of a run: the one named, or else that which holds `node`, or the last one that is open.

    `run` is its id or the beginning of it. Unreachable if `node` does not answer; Refused if no node keeps such a run.
    """
    with closing(Links(cluster=cluster, world=world)) as links:
        held = links.held()
        asked = held[node]
        if isinstance(asked, Unreachable):
            raise asked
        answering = {name: how for name, how in held.items() if not isinstance(how, Unreachable)}
        silent = {name: how for name, how in held.items() if isinstance(how, Unreachable)}
        kept = _asked(answering, links.runs_kept_on) | silent
        unread = [why for why in kept.values() if isinstance(why, Unreachable)]
        if len(unread) == len(kept):
            raise unread[0]
        meant = _named(run, kept) if run else _meant(links, node, asked, kept)
        return Kept.of(meant, copies_on(links, answering, meant) | silent, answering)


def take_over(desk: Desk, node: NodeName, found: Kept) -> Run:
    """Claim the nodes over those who were seen to drive the run, read the copies again, and make it this journal's.

    Busy if another run's driver holds a node, or another driver has claimed one meanwhile; Refused if there is no whole
    copy any more, or if this journal has the run already and is not what the copy goes on from. Who is refused holds no
    node.
    """
    _refuse_own(desk, *found.newest())
    owner = Owner(run=found.run, driver=desk.world.driver)
    holders = [holder for how in found.held.values() if (holder := Owner.of(how.owner))]
    former = desk.journal.drivers() | {holder.driver for holder in holders if holder.run == found.run}
    with closing(Links(cluster=desk.cluster, world=desk.world, owner=owner, former=former)) as links:
        try:
            return _taken_over(desk, node, found, links)
        except BaseException:
            with suppress(HamnError):
                links.give_up(f"run {found.run} was not adopted after all", unchanged=True)
            raise


def _taken_over(desk: Desk, node: NodeName, found: Kept, links: Links) -> Run:
    links.connect()
    links.reach(node)
    now = Kept.of(found.run, copies_on(links, links.reached, found.run), found.held)
    source, newest = now.newest()
    refuse_other_pair(desk.cluster, newest)
    _refuse_own(desk, source, newest)
    ours = desk.journal.commits(found.run)
    unseen = tuple(spec.name for spec in desk.cluster.nodes if not _is_known(now, spec.name, newest))
    desk.journal.take_over(found.run, newest.commits[len(ours) :])
    run = desk.journal.run(found.run)
    adopted = Adopted(run=found.run, node=source, commits=len(newest.commits), unseen=unseen, who=desk.world.who)
    came = DriverCame(run=found.run, driver=desk.world.driver, who=desk.world.who)
    desk.journal.record(adopted, came, *_in_doubt(run, unseen))
    desk.world.watch(adopted)
    if run.summary.state.ended:
        links.give_up(f"run {found.run} has ended")
    return desk.journal.run(found.run)


def _refuse_own(desk: Desk, source: NodeName, newest: Copy) -> None:
    """Refused if this journal has the run as well, and has more of it, or something else."""
    run, ours = newest.run, desk.journal.commits(newest.run)
    how = relation(ours, newest.commits)
    if how is Relation.BEHIND:
        raise Refused(
            f"this journal has all that the copy on {source} has of run {run}, and more: it need not be adopted",
            hint=f"Type hamn-flow resume {run}; if the nodes are another driver's, first hamn-flow release --because.",
        )
    if how is Relation.PARTED:
        raise Refused(
            f"this journal has run {run} as well, and parts from the copy on {source}: another driver went on with it",
            hint=f"Go on with it where that driver is, or adopt it on another journal (--journal FILE); to close it in "
            f"this one, type hamn-flow abandon {run}.",
        )


def copies_on(links: Links, nodes: Iterable[NodeName], run: str) -> dict[NodeName, Copy | Unreachable]:
    """Each node's copy, or why it cannot be read."""
    return _asked(nodes, lambda node: links.copy_on(node, run))


def _asked(nodes: Iterable[NodeName], ask: Callable[[NodeName], Answer]) -> dict[NodeName, Answer | Unreachable]:
    """What each node answers, or why it does not."""
    answers: dict[NodeName, Answer | Unreachable] = {}
    for node in nodes:
        try:
            answers[node] = ask(node)
        except Unreachable as error:
            answers[node] = error
    return answers


def refuse_other_pair(cluster: Cluster, copy: Copy) -> None:
    """Refused if a copy is of a run of another pair."""
    planned = next((event for commit in copy.commits[:1] for _, _, event in commit.events()), None)
    of = getattr(planned, "cluster", cluster.name)
    if of != cluster.name:
        raise Refused(f"run {copy.run} belongs to the pair {of}, not to {cluster.name}", hint="Say --cluster FILE.")


def _named(given: str, kept: Mapping[NodeName, tuple[str, ...] | Unreachable]) -> str:
    """The one run of a copy that is called so, or begins so; Refused if there is none or several."""
    names = sorted({run for runs in kept.values() if not isinstance(runs, Unreachable) for run in runs})
    if given in names:
        return given
    found = [run for run in names if run.startswith(given)]
    if len(found) > 1:
        raise Refused(f"more than one run begins with `{given}`: {', '.join(found)}", hint="Type more of its id.")
    if not found:
        said = "; ".join(
            runs.sentence if isinstance(runs, Unreachable) else f"{node} keeps {', '.join(runs) or 'none'}"
            for node, runs in kept.items()
        )
        raise Refused(
            f"no node keeps a journal of a run `{given}`: {said}",
            hint="Name one of these; or none, for the run that holds the node.",
        )
    return found[0]


def _meant(links: Links, node: NodeName, held: Held, kept: Mapping[NodeName, tuple[str, ...] | Unreachable]) -> str:
    """The run that a person means who names only a node."""
    holder = Owner.of(held.owner)
    known = {name: runs for name, runs in kept.items() if not isinstance(runs, Unreachable)}
    if holder is not None:
        if any(holder.run in runs for runs in known.values()):
            return holder.run
        raise Refused(
            f"{node} is held by run {holder.run}, and no copy of it was found",
            hint=f"Go on with it where its journal is; if that is gone, type hamn-flow release {node} --because '...'.",
        )
    copies = [copy for name, runs in known.items() for run in runs for copy in copies_on(links, [name], run).values()]
    open_copies = [copy for copy in copies if isinstance(copy, Copy) and is_open(copy.commits)]
    if not open_copies:
        raise Refused(
            f"{node} keeps no journal of a run that is open",
            hint="Name the run, or the other node; hamn-flow owner says who holds them.",
        )
    return max(open_copies, key=lambda copy: copy.commits[-1].at).run


def is_open(commits: Iterable[Commit]) -> bool:
    """Whether a run has launched something and has not ended; of any version, as only names of events are read."""
    kinds = [kind for commit in commits for kind in commit.kinds]
    last = next((kind for kind in reversed(kinds) if kind in {"RunBegun", "RunHalted", "RunEnded"}), "RunEnded")
    return last != "RunEnded" and "CommandLaunched" in kinds


def _is_known(kept: Kept, node: NodeName, newest: Copy) -> bool:
    """Whether all that was ever begun on a node is in the newest copy: it keeps a whole one of the same branch."""
    copy = kept.copies.get(node)
    if copy is None or copy.health is not Health.WHOLE:
        return False
    return relation(newest.commits, copy.commits) in {Relation.SAME, Relation.BEHIND}


def _left_behind(node: NodeName, copy: Copy, others: Iterable[Copy]) -> bool:
    """Whether an earlier adoption has gone on without this copy, which it could not read."""
    parted = [other for other in others if relation(other.commits, copy.commits) is Relation.PARTED]
    return any(
        isinstance(event, Adopted) and node in event.unseen and common(other.commits, copy.commits) <= event.commits
        for other in parted
        for commit in other.commits
        if Adopted.__name__ in commit.kinds and commit.version <= VERSION
        for _, _, event in commit.events()
    )


def _in_doubt(run: Run, unseen: Collection[NodeName]) -> tuple[Event, ...]:
    """The steps that may have been begun on nodes whose copy is not known: all that were not yet, or not any more.

    The driver before may have gone on there alone for any number of steps, with no link to the other node; and have
    turned round before that.
    """
    if run.summary.state.ended:
        return ()
    return tuple(
        StepSettled(
            run=run.summary.id,
            step=step.name,
            state=StepState.IN_DOUBT,
            reason=f"it may have been begun: the copy of the journal on {step.planned.node} could not be read",
        )
        for step in run.steps
        if step.planned.node in unseen and step.state in _NOT_BEGUN and not step.ours
    )


def _refuse_newer_version(copy: Copy) -> None:
    newest = max(commit.version for commit in copy.commits)
    if newest > VERSION:
        raise JournalUnusable(
            f"the copy of run {copy.run} was written by a newer hamn-flow (version {newest}); this one knows {VERSION}",
            hint="Use the newer hamn-flow.",
        )
