"""What a person can ask of a run: start, resume, roll back, confirm, skip, abandon.

Each takes the journal as its driver holds it (see journal.drive) and ends with the run's state, or with an error
that says why the run waits and what to type.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from hamn_flow.catalog import Catalog, freeze, thaw
from hamn_flow.engine.act import Acting
from hamn_flow.engine.carry import Carrying, kept_by, refuse_past_no_return
from hamn_flow.engine.claim import LeftRunning, StillRunning, others_since, see_ended
from hamn_flow.engine.copies import Copies
from hamn_flow.engine.forward import SETTLED
from hamn_flow.engine.links import GRACE, Links
from hamn_flow.engine.outage import measuring
from hamn_flow.engine.plan import stages_for
from hamn_flow.engine.world import World
from hamn_flow.errors import Busy, Changed, HamnError, Refused, Unreachable
from hamn_flow.journal import Journal
from hamn_flow.model.command import JobState, Key, NodeName
from hamn_flow.model.events import (
    Adopted,
    CommandCancelled,
    Decided,
    DriverCame,
    Event,
    JobsFound,
    NodeRegained,
    NodeReleased,
    NodeSeen,
    RunBegun,
    RunEnded,
    RunPlanned,
    StepSettled,
)
from hamn_flow.model.pair import Cluster, NodeSpec
from hamn_flow.model.run import Decision, Direction, Run, RunState, StepState, of_stage
from hamn_flow.steps.step import Stage, Step
from hamn_flow.transport.connection import Connection, Held, Hello, Owner


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where a driver sits: the journal it writes, the pair it works on, the procedures, and the world outside."""

    journal: Journal
    cluster: Cluster
    catalog: Catalog
    world: World
    left_running: LeftRunning = LeftRunning.WAIT
    seen: Container[str] = frozenset()  # what nodes say of others who had them, and a person goes on all the same


def start(desk: Desk, procedure: str, options: Mapping[str, str], stages: Sequence[Stage] = ()) -> str:
    """Plan, freeze the plan, and carry it to its end; the run's id.

    `stages`: the plan, where a person has seen it and said yes to it. Refused if it would not be the same any more; and
    while another run of this pair is open and has changed something (one that changed nothing is closed).
    """
    empty = may_start(desk)
    run = desk.world.new_run_id()
    with _planned(desk, procedure, options, run) as (going, planned_now):
        if stages and tuple(stages) != tuple(planned_now):
            raise Refused(
                "the pair has changed since this plan was shown; nothing was changed by this run",
                hint="Type the command again to see the plan as it is now.",
            )
        planned = RunPlanned(
            run=run,
            procedure=procedure,
            cluster=going.cluster.name,
            cluster_path=str(going.cluster.path.absolute()),
            options=dict(options),
            steps=tuple(freeze(step, stage) for stage in planned_now for step in stage.steps),
        )
        for other in empty:
            _abandon(going, other, "it had changed nothing, and a new run was started")
        begun = RunBegun(run=run, direction=Direction.FORWARD, who=going.world.who, anew=True)
        _note(going, planned, begun)
        with _carrying(going, run, Direction.FORWARD) as carrying, measuring(carrying.acting):
            carrying.forward()
    return run


@contextmanager
def _planned(
    desk: Desk, procedure: str, options: Mapping[str, str], run: str
) -> Iterator[tuple[Desk, Sequence[Stage]]]:
    """The plan, and the same desk, which goes on with the links that were made for it."""
    looking = Links(cluster=desk.cluster, world=desk.world)
    try:
        looking.connect()
        looking.refuse_held(Owner(run=run, driver=desk.world.driver), desk.journal.drivers())
        stages = stages_for(desk.catalog, procedure, options, looking.nodes.at_one_moment(), run)
        made = looking.hand_over()
    finally:
        looking.close()

    def connect(spec: NodeSpec) -> Connection:
        return made.pop(spec.name, None) or desk.world.connect(spec)

    try:
        yield replace(desk, world=replace(desk.world, connect=connect)), stages
    finally:
        for connection in made.values():
            connection.close()


def resume(desk: Desk, run: str, *, forward: bool = False) -> RunState:
    """Go on where the run stopped, in the direction it had; `forward` turns a rollback round."""
    summary = may_resume(desk, run).summary
    direction = Direction.FORWARD if forward else summary.direction
    anew = summary.state is RunState.WAITING
    back_to = summary.back_to if direction is Direction.BACK else ""
    with _carrying(desk, run, direction) as carrying:
        begun = RunBegun(run=run, direction=direction, who=desk.world.who, anew=anew, back_to=back_to)
        carrying.acting.record(begun)
        with measuring(carrying.acting):
            if direction is Direction.BACK:
                carrying.back(back_to)
            else:
                carrying.forward()
    return desk.journal.run(run).summary.state


def rollback(desk: Desk, run: str, *, to: str = "") -> RunState:
    """Undo what the run changed, last first; with `to`, keep that step's stage and what came before it."""
    before = may_roll_back(desk, run, to=to)
    with _carrying(desk, run, Direction.BACK) as carrying:
        anew = before.summary.state is RunState.WAITING
        begun = RunBegun(run=run, direction=Direction.BACK, who=desk.world.who, anew=anew, back_to=to)
        carrying.acting.record(begun)
        with measuring(carrying.acting):
            carrying.back(to)
    return desk.journal.run(run).summary.state


def may_start(desk: Desk) -> tuple[str, ...]:
    """Refused while another run of this pair is open and has changed something; the open runs that changed nothing."""
    empty: list[str] = []
    for summary in desk.journal.runs(open_only=True):
        if summary.cluster != desk.cluster.name:
            continue
        open_run = desk.journal.run(summary.id)
        if any(record.ours for record in open_run.steps):
            raise Refused(
                f"run {summary.id} ({summary.procedure}) of this pair is not finished",
                hint=f"Type hamn-flow resume {summary.id} or hamn-flow rollback {summary.id} first.",
            )
        empty.append(summary.id)
    return tuple(empty)


def may_resume(desk: Desk, run: str) -> Run:
    """The run, if it can be resumed; Refused otherwise."""
    before = desk.journal.run(run)
    _refuse_ended(before, "resume")
    _refuse_other_pair(desk, before)
    return before


def may_roll_back(desk: Desk, run: str, *, to: str = "") -> Run:
    """The run, if it can be rolled back so far; Refused otherwise."""
    before = desk.journal.run(run)
    if before.summary.state in {RunState.ROLLED_BACK, RunState.ABANDONED}:
        _refuse_ended(before, "roll back")
    _refuse_other_pair(desk, before)
    _refuse_if_superseded(desk, before)
    if to:
        _refuse_unknown_step(before, to)
        _refuse_unsettled(before, to)
    refuse_past_no_return(before, _thawed(before, Direction.BACK), to)
    return before


def had_by_others(desk: Desk, run: str) -> Mapping[NodeName, str]:
    """The free nodes that others had since the run did, each with what it says: they may have changed anything."""
    runs, had = {summary.id for summary in desk.journal.runs()}, desk.journal.run(run).boot_ids
    with closing(Links(cluster=desk.cluster, world=desk.world)) as links:
        answers = {node: how for node, how in links.held().items() if node in had}
    held = {node: how for node, how in answers.items() if not isinstance(how, Unreachable)}
    said = {node: others_since(how, run, runs, desk.world.who) for node, how in held.items()}
    return {node: text for node, text in said.items() if text}


def confirm(desk: Desk, run: str, step: str, why: str) -> None:
    """A person says that a step is so, or, while the run is rolled back, that it is as it was before.

    It counts where the look says unknown, never against a look that says no.
    """
    before = desk.journal.run(run)
    _refuse_ended(before, "confirm")
    _refuse_other_pair(desk, before)
    _refuse_unknown_step(before, step)
    if before.summary.direction is Direction.FORWARD and before.step(step).state in SETTLED:
        raise Refused(f"{step} is {_spoken(before.step(step).state)} already, so there is nothing to confirm")
    desk.journal.record(
        Decided(
            run=run,
            kind=Decision.CONFIRM,
            step=step,
            who=desk.world.who,
            why=_reason_given(why),
            direction=before.summary.direction,
        )
    )


def skip(desk: Desk, run: str, step: str, why: str) -> None:
    """A person lets a step out; never past an objection, never one in doubt, and not on the way back."""
    before = desk.journal.run(run)
    _refuse_ended(before, "skip")
    _refuse_other_pair(desk, before)
    _refuse_unknown_step(before, step)
    given = _reason_given(why)
    record = before.step(step)
    if record.state in SETTLED:
        raise Refused(f"{step} is {record.state} already")
    if record.state in {StepState.BEGUN, StepState.IN_DOUBT}:
        raise Refused(
            f"the outcome of {step} is in doubt",
            hint=f"Type hamn-flow resume {run}, which looks at it; if you know it, hamn-flow confirm {step}.",
        )
    if before.summary.direction is Direction.BACK:
        raise Refused(
            f"run {run} is being rolled back, and an undo cannot be left out",
            hint=f"Mend what keeps {step} from being undone, or type hamn-flow resume {run} --forward.",
        )
    links = Links(cluster=desk.cluster, world=desk.world)
    try:
        objection = thaw(record.planned).objection(links.nodes)
    finally:
        links.close()
    if objection is not None:
        raise Refused(f"{step} cannot be skipped: {objection}", hint="Mend that; nothing goes past an objection.")
    decided = Decided(run=run, kind=Decision.SKIP, step=step, who=desk.world.who, why=given)
    reason = f"skipped by {desk.world.who}: {given}"
    desk.journal.record(decided, StepSettled(run=run, step=step, state=StepState.SKIPPED, reason=reason))


def release(desk: Desk, links: Links, node: NodeName, seen: Held, why: str) -> None:
    """A person gives a node up that a driver holds; Busy if another has claimed it since it was `seen`."""
    holder, given = Owner.of(seen.owner), _reason_given(why)
    links.release(node, seen, f"released by {desk.world.who}: {given}")
    if holder is not None and holder.run in {summary.id for summary in desk.journal.runs()}:
        _note(desk, NodeReleased(run=holder.run, node=node, holder=seen.owner, who=desk.world.who, why=given))


def abandon(desk: Desk, run: str, why: str) -> tuple[NodeName, ...]:
    """A person closes a run as it is; the world stays as it is.

    The copies are brought up to that, or another machine might go on with it, and its nodes are given up. The nodes
    that could not be told of it: they do not answer, are another driver's, or do not say that they keep it.
    """
    before = desk.journal.run(run)
    _refuse_ended(before, "abandon")
    _abandon(desk, run, _reason_given(why))
    former, owner = desk.journal.drivers(), Owner(run=run, driver=desk.world.driver)
    links = Links(cluster=desk.cluster, world=desk.world, owner=owner, former=former)
    links.copies = copies = _copies(desk, owner, before, lambda _event: None)
    nodes = [spec.name for spec in desk.cluster.nodes if before.boot_ids]
    for node in nodes:
        with suppress(Busy, Refused, Unreachable):  # it is abandoned all the same; who was not told is said
            links.reach(node)
    links.flush_copies()
    links.give_up(f"run {run} was abandoned", unchanged=not any(record.ours for record in before.steps))
    links.close()
    return tuple(node for node in nodes if not copies.has_all(node))


def _abandon(desk: Desk, run: str, why: str) -> None:
    desk.journal.record(
        DriverCame(run=run, driver=desk.world.driver, who=desk.world.who),
        Decided(run=run, kind=Decision.ABANDON, step="", who=desk.world.who, why=why),
        RunEnded(run=run, state=RunState.ABANDONED),
    )


@contextmanager
def _carrying(desk: Desk, run: str, direction: Direction) -> Iterator[Carrying]:
    """A carrier with links to the nodes, which knows those that were rebooted since this run last saw them."""
    before = desk.journal.run(run)
    steps = _thawed(before, direction)
    boots = dict(before.boot_ids)
    new_boots: dict[NodeName, NodeSeen] = {}

    generations = dict(before.generations)

    def seen(node: NodeName, hello: Hello, generation: int) -> None:
        event = NodeSeen(run=run, node=node, boot_id=hello.boot_id, generation=generation)
        if boots.setdefault(node, hello.boot_id) == hello.boot_id:
            if hello.generation < generations.get(node, 0):
                links.forgetful.add(node)
            generations[node] = generation
            desk.journal.record(event)
        else:
            new_boots[node] = event  # recorded once everything was looked at again

    former, owner = desk.journal.drivers(), Owner(run=run, driver=desk.world.driver)
    desk.journal.record(DriverCame(run=run, driver=desk.world.driver, who=desk.world.who))
    links = Links(
        cluster=desk.cluster,
        world=desk.world,
        owner=owner,
        former=former,
        seen=seen,
        new_boots=new_boots,
    )
    acting = Acting(run=run, journal=desk.journal, links=links, world=desk.world)
    links.found_running = partial(_see_ended, acting, desk.left_running)
    links.copies = _copies(desk, owner, before, acting.record)
    try:
        if before.boot_ids:
            links.regain = partial(_regain, desk, acting, before)
            _claim_both(links, run)
        yield Carrying(acting=acting, steps=steps, new_boots=new_boots)
    except HamnError:
        _let_go(desk, run, links)
        raise
    else:
        _let_go(desk, run, links)
    finally:
        links.close()


def _regain(desk: Desk, acting: Acting, before: Run, node: NodeName, held: Held) -> None:
    """Refused where others had a free node since, unless a person has seen that; never if the run is done."""
    run, done = acting.run, before.summary.state is RunState.DONE
    if node not in before.boot_ids:  # who had it, had it before
        return
    since = others_since(held, run, {summary.id for summary in desk.journal.runs()}, desk.world.who)
    if not since:
        return
    sentence = f"{node} was in other hands since run {run} had it: {since}"
    if done:
        raise Refused(sentence, hint="Start a planned failover to go back.")
    if since not in desk.seen:
        raise Refused(
            sentence,
            hint=f"See what they changed. To go on with {run} all the same, type it again without --yes and say so; to "
            f"close it, type hamn-flow abandon {run}.",
        )
    acting.record(NodeRegained(run=run, node=node, since=since, who=desk.world.who))


def _claim_both(links: Links, run: str) -> None:
    """Reach both nodes; where another driver holds one, the other is not kept from it either."""
    try:
        links.connect()
    except Busy as refused:
        if not isinstance(refused, StillRunning):
            links.give_up(f"run {run} was refused on the other node", unchanged=True)
        raise


def _copies(desk: Desk, owner: Owner, run: Run, record: Callable[[Event], None]) -> Copies:
    unseen = set(run.summary.unseen)
    story = desk.journal.events(owner.run) if unseen else ()
    adopted = max((event.commits for _, _, event in story if isinstance(event, Adopted)), default=0)
    return Copies(owner=owner, journal=desk.journal, record=record, unseen=unseen, adopted=adopted)


def _let_go(desk: Desk, run: str, links: Links) -> None:
    """At a halt or an end: the copies are brought up to it, and who changes nothing more holds no node."""
    links.flush_copies()
    stands = desk.journal.run(run)
    if stands.summary.state.ended:
        links.give_up(f"run {run} has ended")
    elif not any(record.ours for record in stands.steps):
        links.give_up(f"run {run} waits and has changed nothing", unchanged=True)


def _see_ended(acting: Acting, left: LeftRunning, connection: Connection, running: tuple[Key, ...]) -> None:
    """Before anything is launched: see what an earlier driver left running end, or end it where that was asked for.

    Commands that this run knows are waited for by their steps.
    """
    known = {row.key for row in acting.now().commands if row.ended_at is None}
    cancel = left is LeftRunning.CANCEL
    keys = tuple(key for key in running if cancel or key not in known)
    if not keys:
        return
    acting.record(JobsFound(run=acting.run, node=connection.node, keys=keys))
    for key in keys:
        for signal in ("TERM", "KILL") if cancel else ():
            if connection.ask(key).state is JobState.RUNNING:
                acting.record(CommandCancelled(run=acting.run, key=key, signal=signal))
                connection.cancel(key, signal)
                connection.wait(key, GRACE)
    see_ended(connection, keys, acting.world)


def _note(desk: Desk, *events: Event) -> None:
    """Commit events and show them, where no run is carried: else whoever carries it does, see Acting.record."""
    desk.journal.record(*events)
    for event in events:
        desk.world.watch(event)


def _thawed(run: Run, direction: Direction) -> dict[str, Step]:
    """The run's steps; Changed where one that is still to be carried out, or undone, cannot be built any more.

    A finished one that cannot be built is left out: it is not looked at again.
    """
    steps: dict[str, Step] = {}
    for record in run.steps:
        finished = record.state in SETTLED if direction is Direction.FORWARD else not (record.ours or record.doubted)
        try:
            steps[record.name] = thaw(record.planned)
        except Changed:
            if not finished:
                raise
    return steps


def _refuse_ended(run: Run, verb: str) -> None:
    state = run.summary.state
    if state.ended:
        raise Refused(
            f"run {run.summary.id} is {state.value.replace('_', ' ')}; there is nothing to {verb}",
            hint=f"Type hamn-flow show {run.summary.id} to see what it did.",
        )


def _refuse_other_pair(desk: Desk, run: Run) -> None:
    if run.summary.cluster != desk.cluster.name:
        raise Refused(
            f"run {run.summary.id} belongs to the pair {run.summary.cluster}, not to {desk.cluster.name}",
            hint=f"Say --cluster {run.summary.cluster_path}.",
        )


def _refuse_if_superseded(desk: Desk, run: Run) -> None:
    """A run that is done may be rolled back only while no later one has changed the pair."""
    if run.summary.state is not RunState.DONE:
        return
    for summary in desk.journal.runs():
        if summary.id == run.summary.id:
            return
        if summary.cluster == run.summary.cluster and any(step.ours for step in desk.journal.run(summary.id).steps):
            raise Refused(
                f"run {summary.id} ({summary.procedure}) has changed this pair since",
                hint="Start a planned failover to go back.",
            )


def _refuse_unknown_step(run: Run, step: str) -> None:
    if step not in {record.name for record in run.steps}:
        raise Refused(
            f"run {run.summary.id} has no step {step}", hint=f"Type hamn-flow show {run.summary.id} for its steps."
        )


def _refuse_unsettled(run: Run, to: str) -> None:
    """What a rollback shall keep must have been reached, or it would be said to stand where it never stood."""
    for stage in kept_by(run, to):
        for record in of_stage(run, stage):
            if record.state not in SETTLED:
                raise Refused(
                    f"the run never came to the end of {to}'s stage: {record.name} is {_spoken(record.state)}",
                    hint=f"Name a step before it, or type hamn-flow rollback {run.summary.id} to undo everything.",
                )


def _spoken(state: StepState) -> str:
    return state.value.replace("_", " ")


def _reason_given(why: str) -> str:
    if not why.strip():
        raise Refused("a decision needs a reason", hint="Say --because '...'.")
    return why.strip()
