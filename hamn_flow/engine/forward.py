"""Forwards: a step to its goal, and before a run goes on, a look at what was already reached."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import partial

from hamn_flow.engine.act import Acting
from hamn_flow.engine.reach import Way, reach
from hamn_flow.facts.abreast import answers
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import StepSettled
from hamn_flow.model.probe import Finding, Probe, done, todo
from hamn_flow.model.run import Decision, Direction, StepRecord, StepState
from hamn_flow.steps.step import Check, Failure, PersonStep, Step

SETTLED = frozenset({StepState.DONE, StepState.SKIPPED})
OPEN = frozenset({StepState.BEGUN, StepState.IN_DOUBT, StepState.FAILED})


def look_again(acting: Acting, steps: Mapping[str, Step], rebooted: Container[NodeName]) -> None:
    """Every settled step whose goal must still hold is looked at; what fell back is pending again.

    First the end of what others left running is waited for: a way back that was turned round may still be stopping
    what is looked at. What is done only once in a run is taken to be lost by a reboot of its node. What a person
    skipped is left.
    """
    for record in acting.now().steps:
        if record.state in OPEN:
            acting.see_ended(record.name)
    settled = [record for record in acting.now().steps if record.state in SETTLED and record.name in steps]
    asked = [record for record in settled if not _by_person(acting, record)]
    looks = [partial(_still, acting, steps[record.name], record, rebooted) for record in asked]
    for record, found in zip(asked, answers(acting.world.abreast, looks), strict=True):
        step = steps[record.name]
        if found.finding is Finding.UNKNOWN and not acting.decided(Decision.CONFIRM, record.name):
            raise acting.halt(step.name, found.reason, found.hint, unreachable=True)
        if found.finding in {Finding.TODO, Finding.PARTIAL}:
            reason = f"no longer so: {found.reason}"
            acting.record(StepSettled(run=acting.run, step=step.name, state=StepState.PENDING, reason=reason))


def settle(acting: Acting, step: Step) -> None:
    """Bring one step to its goal, or raise a halt; a step that was in doubt is looked at first."""
    acting.stop_if_asked()
    record = acting.step(step.name)
    if record.state in SETTLED:
        return
    nodes = acting.links.nodes
    way = Way(
        step=step,
        direction=Direction.FORWARD,
        objection=lambda: step.objection(nodes),
        commands=lambda: step.apply(nodes),
        look=lambda: step.probe(nodes),
    )
    found = acting.look_at_open(step.name, way.look) if record.state in OPEN else acting.look(way.look)
    if isinstance(step, PersonStep):
        _settle_by_person(acting, step, found)
    elif found.finding is Finding.DONE and not _still_to_do(acting, step, record):
        _found_done(acting, step, record, found)
    elif found.finding is Finding.UNKNOWN:
        _settle_unknown(acting, step, record, found)
    elif isinstance(step, Check):
        reason, hint = step.explain(nodes, Failure(command=None, result=None, probe=found))
        failed = StepSettled(run=acting.run, step=step.name, state=StepState.FAILED, reason=reason)
        raise acting.halt(step.name, reason, hint, failed)
    else:
        reach(acting, way, found)


def _by_person(acting: Acting, record: StepRecord) -> bool:
    return record.state is StepState.SKIPPED and acting.decided(Decision.SKIP, record.name)


def _still(acting: Acting, step: Step, record: StepRecord, rebooted: Container[NodeName]) -> Probe:
    acting.stop_if_asked()
    if step.until_boot and step.node in rebooted:
        return todo(f"{step.node} was rebooted since")
    if step.once:
        found = acting.look(lambda: _answers(acting, step.node))
        if found.finding is Finding.UNKNOWN:
            return found
        return todo(f"{step.node} was rebooted since") if step.node in rebooted else done(record.reason)
    return acting.look(lambda: step.probe(acting.links.nodes)) if step.lasting else done(record.reason)


def _answers(acting: Acting, node: NodeName) -> Probe:
    acting.links.reach(node)
    return done("it answers")


def _still_to_do(acting: Acting, step: Step, record: StepRecord) -> bool:
    """Whether a step that is done once in a run was not yet carried out to its end in this run."""
    if not step.once:
        return False
    if record.direction is Direction.BACK:
        return True  # what ran last was its undo
    ran = acting.commands(step.name, record.intents)
    return record.state not in OPEN or not ran or any(row.status not in step.fine_statuses for row in ran)


def _found_done(acting: Acting, step: Step, record: StepRecord, found: Probe) -> None:
    """The goal is true: ours if an intent of this run that was not undone lies behind, otherwise found so."""
    reason = f"{found.reason}; {found.warning}" if found.warning else found.reason
    if record.doubted and not isinstance(step, Check):
        reason += "; whether this run did it is not known, so a rollback would ask you"
    state = StepState.DONE if record.acted or isinstance(step, Check) else StepState.SKIPPED
    acting.record(StepSettled(run=acting.run, step=step.name, state=state, reason=reason, changed=record.acted))


def _settle_unknown(acting: Acting, step: Step, record: StepRecord, found: Probe) -> None:
    if acting.decided(Decision.CONFIRM, step.name):
        _found_done(acting, step, record, done(f"confirmed by a person; the node said: {found.reason}"))
        return
    if record.acted or record.doubted:
        raise acting.in_doubt(step.name, found.reason, found.hint)
    settled = StepSettled(run=acting.run, step=step.name, state=StepState.PENDING, reason=found.reason)
    raise acting.halt(step.name, found.reason, found.hint, settled, unreachable=True)


def _settle_by_person(acting: Acting, step: PersonStep, found: Probe) -> None:
    confirmed = acting.decided(Decision.CONFIRM, step.name)
    if found.finding is Finding.DONE or (found.finding is Finding.UNKNOWN and confirmed):
        acting.record(StepSettled(run=acting.run, step=step.name, state=StepState.DONE, reason=found.reason))
        return
    hint = f"When it is done, type hamn-flow confirm {step.name} --because '...', then hamn-flow resume {acting.run}."
    overruled = f" (confirmed, but {found.reason})" if confirmed else ""
    raise acting.halt(step.name, f"{step.instruction}{overruled}", hint)
