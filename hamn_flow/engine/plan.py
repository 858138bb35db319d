"""What would be done now: the plan of a procedure with a look at each step's goal, changing nothing.

It is an estimate: a step late in the plan is looked at before the earlier ones have changed the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from hamn_flow.catalog import Catalog, Site
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import Invalid, Refused, Unreachable
from hamn_flow.facts.abreast import Abreast, answers
from hamn_flow.facts.node import Nodes
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster
from hamn_flow.model.probe import Finding, Probe, unknown
from hamn_flow.steps.step import Check, Failure, PersonStep, Stage, Step


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """A step of a plan: what a look says of its goal now, and the commands that would be run."""

    stage: str
    name: str
    node: NodeName
    title: str
    kind: str  # "check", "step", "person", or "left" for what a rollback leaves as it is
    finding: Finding
    reason: str
    hint: str
    warning: str
    commands: tuple[str, ...]
    irreversible: str

    @property
    def will_change(self) -> bool:
        """Whether the step would run a command."""
        return bool(self.commands)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A plan with what is true now."""

    procedure: str
    title: str
    run: str
    stages: tuple[Stage, ...]
    steps: tuple[Foreseen, ...]

    @property
    def problems(self) -> tuple[Foreseen, ...]:
        """The checks before the first act that are not satisfied; later ones need what is done before them."""
        first = takewhile(lambda step: step.kind == "check", self.steps)
        return tuple(step for step in first if step.finding is not Finding.DONE)


def stages_for(
    catalog: Catalog, procedure: str, options: Mapping[str, str], nodes: Nodes, run: str
) -> tuple[Stage, ...]:
    """The stages of a procedure, planned from what the nodes say now; every mistake in it at once."""
    entry = catalog.find(procedure)
    unknown_options = sorted(set(options) - set(entry.workflow.options))
    if unknown_options:
        known = ", ".join(entry.workflow.options) or "none"
        raise Refused(
            f"{procedure} has no option {', '.join(unknown_options)}", hint=f"The options of {procedure}: {known}."
        )
    site = Site(nodes=nodes, run=run, options=dict(options), procedures=catalog.procedures)
    stages = tuple(entry.workflow.stages(site))
    problems = _problems(str(entry.path), stages)
    if problems:
        raise Invalid(problems, hint="Mend the procedure's file.")
    return _without_empty(stages)


def preview(world: World, cluster: Cluster, catalog: Catalog, procedure: str, options: Mapping[str, str]) -> Preview:
    """Plan a procedure and look at each step; nothing is changed and no driver is displaced."""
    links = Links(cluster=cluster, world=world)
    try:
        links.connect()
        nodes = links.nodes.at_one_moment()
        run = world.new_run_id()
        stages = stages_for(catalog, procedure, options, nodes, run)
        steps = foresee(((stage.name, step) for stage in stages for step in stage.steps), nodes, world.abreast)
        return Preview(procedure=procedure, title=catalog.find(procedure).title, run=run, stages=stages, steps=steps)
    finally:
        links.close()


def foresee(steps: Iterable[tuple[str, Step]], nodes: Nodes, abreast: Abreast) -> tuple[Foreseen, ...]:
    """Look at steps, each given with its stage's name, in their order.

    A check that stands behind a change is left for its turn: what it asks for is not so yet, and asking may leave
    traces (on a node without the shared disks, tabdump makes the tables that it does not find).
    """
    planned = list(steps)
    leading = len(list(takewhile(lambda one: isinstance(one[1], Check), planned)))
    now = [number for number, (_, step) in enumerate(planned) if number < leading or not isinstance(step, Check)]
    looks = [partial(_foreseen_now, *planned[number], nodes) for number in now]
    seen = dict(zip(now, answers(abreast, looks), strict=True))
    foreseen: list[Foreseen] = []
    for number, (stage, step) in enumerate(planned):
        if number in seen:
            foreseen.append(seen[number])
        elif any(one.will_change for one in foreseen):
            found = unknown("it is looked at when its turn comes")
            foreseen.append(_foreseen(step, stage, found, nodes))
        else:
            foreseen.append(_foreseen_now(stage, step, nodes))
    return tuple(foreseen)


def _foreseen_now(stage: str, step: Step, nodes: Nodes) -> Foreseen:
    return _foreseen(step, stage, _look(step, nodes), nodes)


def _foreseen(step: Step, stage: str, found: Probe, nodes: Nodes) -> Foreseen:
    """What a look found, with the step's commands, which are only counted out here."""
    reason, hint = found.reason, found.hint
    is_check = isinstance(step, Check)
    if is_check and found.finding in {Finding.TODO, Finding.PARTIAL}:
        reason, hint = step.explain(nodes, Failure(command=None, result=None, probe=found))
    acts = step.once or found.finding is not Finding.DONE
    try:
        commands = tuple(command.text for command in step.apply(nodes)) if acts else ()
    except (Unreachable, Unreadable) as error:
        commands, reason = (), f"{reason}; {error.sentence}"
    return Foreseen(
        stage=stage,
        name=step.name,
        node=step.node,
        title=step.title,
        kind="check" if is_check else "person" if isinstance(step, PersonStep) else "step",
        finding=found.finding,
        reason=reason,
        hint=hint,
        warning=found.warning,
        commands=commands,
        irreversible=step.irreversible,
    )


def _look(step: Step, nodes: Nodes) -> Probe:
    try:
        return step.probe(nodes)
    except (Unreachable, Unreadable) as error:
        return unknown(error.sentence, hint=error.hint)


def _problems(path: str, stages: tuple[Stage, ...]) -> tuple[str, ...]:
    stage_names = [stage.name for stage in stages]
    step_names = [step.name for stage in stages for step in stage.steps]
    untitled = [step.name for stage in stages for step in stage.steps if not step.title]
    return (
        *(f"{path}:1: two stages are named {name}" for name in _twice(stage_names)),
        *(f"{path}:1: two steps are named {name}" for name in _twice(step_names)),
        *(f"{path}:1: the class of step {name} has no docstring, so it has no title" for name in untitled),
        *(
            f"{path}:1: stage {name} comes after {other}, which is no stage before it"
            for name, other in _astray(stages)
        ),
        *(f"{path}:1: no stage may be named start" for name in stage_names if name == "start"),
    )


def _without_empty(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages that have steps; what comes after an empty one comes after what that one came after.

    What is named twice, as it lies behind another name, is named once.
    """
    kept: list[Stage] = []
    stands_for: dict[str, list[str]] = {}  # by a stage's name: itself, or if it is empty those before it
    behind: dict[str, set[str]] = {}
    for stage in stages:
        names = tuple(stands_for) if stage.after is None else stage.after
        named = dict.fromkeys(one for name in names for one in stands_for[name])
        last = [one for one in named if not any(one in behind[other] for other in named)]
        if stage.steps:
            kept.append(stage if stage.after is None else replace(stage, after=tuple(last)))
        stands_for[stage.name] = [stage.name] if stage.steps else last
        behind[stage.name] = set(last).union(*(behind[one] for one in last))
    return tuple(kept)


def _astray(stages: tuple[Stage, ...]) -> Iterator[tuple[str, str]]:
    """Stages that are to come after what is not before them."""
    before: set[str] = set()
    for stage in stages:
        yield from ((stage.name, name) for name in stage.after or () if name not in before)
        before.add(stage.name)


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
