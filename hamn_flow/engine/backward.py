"""Back: only what this run changed, last first, each undo looked at before and after."""

from __future__ import annotations

from collections.abc import Callable

from hamn_flow.engine.act import Acting
from hamn_flow.engine.reach import Way, reach
from hamn_flow.errors import Unreachable
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.model.events import StepSettled
from hamn_flow.model.probe import Finding, Probe, done, todo
from hamn_flow.model.run import Decision, Direction, Run, StepRecord, StepState
from hamn_flow.steps.step import Check, Step


def order_of_undo(run: Run) -> tuple[StepRecord, ...]:
    """What is to be undone, or may have to be, last of the plan first.

    By the plan, not by the clock: which of two steps of a stage ended first is chance, and a step that fell back and
    was done again by a resume, or not to its end, still belongs before what was built upon it.
    """
    mine = [record for record in run.steps if record.ours or record.doubted]
    return tuple(sorted(mine, key=lambda record: record.position, reverse=True))


def look_at_open(acting: Acting, step: Step) -> None:
    """Before anything is undone: wait for what an attempt that was cut off has left running, or raise a halt."""
    acting.look_at_open(step.name, _looking_back(acting, step))


def settle_doubt(acting: Acting, step: Step) -> None:
    """A step that a driver before may have carried out, which the copy that was adopted does not say.

    If it is not so, there is nothing to undo. If it is, nobody knows what was before it: a person must see to it.
    """
    harmless = "it changes nothing" if isinstance(step, Check) else step.nothing_to_undo
    found = todo(harmless) if harmless else acting.look(lambda: step.probe(acting.links.nodes))
    if found.finding is Finding.TODO or acting.decided(Decision.CONFIRM, step.name, Direction.BACK):
        reason = found.reason if found.finding is Finding.TODO else "confirmed by a person: nothing of it is this run's"
        acting.record(StepSettled(run=acting.run, step=step.name, state=StepState.PENDING, reason=reason))
        return
    try:
        objection = step.objection_to_undo(acting.links.nodes)
    except (Unreachable, Unreadable) as error:
        objection = error.sentence
    first = f"See first that this is no longer so: {objection}. Then bring" if objection else "Bring"
    raise acting.halt(
        step.name,
        f"it is not known whether this run did it, so it cannot be undone: {found.reason}",
        f"{first} {step.node} to where it was before; then type hamn-flow confirm {step.name} --because '...', and "
        f"hamn-flow rollback {acting.run}.",
        unreachable=True,
    )


def undo(acting: Acting, step: Step) -> None:
    """Bring one step back to what was seen before its first intent, or raise a halt.

    What is already as before is left alone. The way back asks its own objection: to mount again what was
    unmounted is an act like any other.
    """
    acting.stop_if_asked()
    nodes, seen = acting.links.nodes, acting.step(step.name).seen
    way = Way(
        step=step,
        direction=Direction.BACK,
        objection=lambda: step.objection_to_undo(nodes),
        commands=lambda: step.revert(nodes, seen),
        look=_looking_back(acting, step),
    )
    found = acting.look_at_open(step.name, way.look)
    if found.finding is Finding.DONE:
        _undone(acting, step, found.reason)
    elif found.finding is not Finding.UNKNOWN:
        reach(acting, way, found)
    elif acting.decided(Decision.CONFIRM, step.name, Direction.BACK):
        _undone(acting, step, f"confirmed by a person; the node said: {found.reason}")
    else:
        raise acting.halt(step.name, found.reason, found.hint, unreachable=True)


def _looking_back(acting: Acting, step: Step) -> Callable[[], Probe]:
    """Whether it is as before; what need not be undone is."""
    if step.nothing_to_undo:
        return lambda: done(step.nothing_to_undo)
    seen = acting.step(step.name).seen
    return lambda: step.reverted(acting.links.nodes, seen)


def _undone(acting: Acting, step: Step, reason: str) -> None:
    acting.record(StepSettled(run=acting.run, step=step.name, state=StepState.UNDONE, reason=reason))
