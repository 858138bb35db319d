"""What a resume or a rollback of a run would do now: its steps looked at, changing nothing."""

from __future__ import annotations

from functools import partial

from hamn_flow.catalog import thaw
from hamn_flow.engine.backward import order_of_undo
from hamn_flow.engine.carry import kept_by
from hamn_flow.engine.forward import SETTLED
from hamn_flow.engine.links import Links
from hamn_flow.engine.plan import Foreseen, foresee
from hamn_flow.engine.world import World
from hamn_flow.errors import Unreachable
from hamn_flow.facts.abreast import answers
from hamn_flow.facts.node import Nodes
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.model.pair import Cluster
from hamn_flow.model.probe import Finding, unknown
from hamn_flow.model.run import Run, StepRecord
from hamn_flow.steps.step import Check, Step


def to_go_on(world: World, cluster: Cluster, run: Run) -> tuple[Foreseen, ...]:
    """The steps that are not settled yet, as a plan would show them."""
    links = Links(cluster=cluster, world=world)
    try:
        nodes = links.nodes.at_one_moment()
        left = [record for record in run.steps if record.state not in SETTLED]
        return foresee(((record.planned.stage, thaw(record.planned)) for record in left), nodes, world.abreast)
    finally:
        links.close()


def to_undo(world: World, cluster: Cluster, run: Run, to: str = "") -> tuple[Foreseen, ...]:
    """What a rollback would undo or ask about, in its order, and by which commands; `to` keeps that step's stage."""
    kept = kept_by(run, to)
    links = Links(cluster=cluster, world=world)
    try:
        nodes = links.nodes.at_one_moment()
        due = [(record, thaw(record.planned)) for record in order_of_undo(run) if record.planned.stage not in kept]
        looks = [partial(_undo if record.ours else _ask, step, record, nodes) for record, step in due]
        return tuple(one for one in answers(world.abreast, looks) if one is not None)
    finally:
        links.close()


def _ask(step: Step, record: StepRecord, nodes: Nodes) -> Foreseen | None:
    """A step of which nobody knows whether the run did it; None where there is nothing to ask."""
    try:
        found = step.probe(nodes)
    except (Unreachable, Unreadable) as error:
        found = unknown(error.sentence, hint=error.hint)
    if found.finding is Finding.TODO or step.nothing_to_undo or isinstance(step, Check):
        return None
    return Foreseen(
        stage=record.planned.stage,
        name=step.name,
        node=step.node,
        title=f"Undo: {step.title}",
        kind="person",
        finding=Finding.UNKNOWN,
        reason=f"it is not known whether this run did it, so you will be asked: {found.reason}",
        hint=found.hint,
        warning="",
        commands=(),
        irreversible=step.irreversible,
    )


def _undo(step: Step, record: StepRecord, nodes: Nodes) -> Foreseen:
    seen = record.seen
    commands: tuple[str, ...] = ()
    try:
        found = step.reverted(nodes, seen)
        if found.finding is not Finding.DONE and not step.nothing_to_undo:
            commands = tuple(command.text for command in step.revert(nodes, seen))
    except (Unreachable, Unreadable) as error:
        found = unknown(error.sentence, hint=error.hint)
    left = step.nothing_to_undo or found.finding is Finding.DONE
    return Foreseen(
        stage=record.planned.stage,
        name=step.name,
        node=step.node,
        title=f"Undo: {step.title}",
        kind="left" if step.nothing_to_undo else "step",
        finding=Finding.DONE if left else found.finding,
        reason=step.nothing_to_undo or found.reason,
        hint=found.hint,
        warning="",
        commands=commands,
        irreversible=step.irreversible,
    )
