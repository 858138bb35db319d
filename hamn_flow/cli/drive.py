"""What changes the pair: start, resume, rollback. Each shows what it will do, asks, does it, and says how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from hamn_flow.cli import identity
from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings, the_run
from hamn_flow.cli.stopping import Stop
from hamn_flow.cli.watching import Watch, watching
from hamn_flow.engine import ahead, begin
from hamn_flow.engine.begin import Desk
from hamn_flow.engine.claim import LeftRunning
from hamn_flow.engine.outage import knock_by_tcp
from hamn_flow.engine.plan import Foreseen, preview
from hamn_flow.engine.world import World
from hamn_flow.errors import HamnError
from hamn_flow.journal import drive, read, refuse_on
from hamn_flow.model.events import Event
from hamn_flow.model.run import Direction, Run
from hamn_flow.report.history import outcome_line
from hamn_flow.report.line import Span, Tone, hanging, line
from hamn_flow.report.preview import preview_lines, steps_lines, summary_lines, unsatisfied
from hamn_flow.report.status import status_data, status_lines
from hamn_flow.steps.step import Stage
from hamn_flow.transport import connect


def left_running(cancel: bool) -> LeftRunning:  # noqa: FBT001 - a flag of the command line
    """What `--cancel` says about commands that an earlier driver left running."""
    return LeftRunning.CANCEL if cancel else LeftRunning.WAIT


def start(
    settings: Settings, procedure: str, options: Mapping[str, str], left: LeftRunning, *, yes: bool, as_json: bool
) -> None:
    """Show the plan, ask, carry it out; with `yes` it is neither shown nor asked for."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    with at_desk(settings, f"start {procedure}") as at:
        begin.may_start(at)
        run = at.world.new_run_id()  # what is shown is keyed by the run as what is done
        desk = replace(at, world=replace(at.world, new_run_id=lambda: run), left_running=left)
        stages: Sequence[Stage] = () if yes else _agreed(paper, desk, procedure, options)
        carry(paper, desk, run, lambda watched: begin.start(watched, procedure, options, stages))


def _agreed(paper: Paper, desk: Desk, procedure: str, options: Mapping[str, str]) -> Sequence[Stage]:
    """The plan that a person has seen and said yes to."""
    plan = preview(desk.world, desk.cluster, desk.catalog, procedure, options)
    paper.tell([*preview_lines(plan, paper.width), line()])
    question = f"Start {procedure} on the pair {desk.cluster.name}?"
    if unsatisfied(plan.steps):
        question = f"{procedure} will stop at what is in the way. Start it all the same?"
    paper.ask(question)
    return plan.stages


def resume(settings: Settings, given: str, left: LeftRunning, *, forward: bool, yes: bool, as_json: bool) -> None:
    """Show what is left to do, or to undo, ask, go on; with `yes` go on at once."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    run = _named(settings, given)
    with at_desk(settings, f"resume {run}", left) as at:
        desk, before = at, begin.may_resume(at, run)
        if not yes and before.summary.direction is Direction.BACK and not forward:
            _show_undoing(paper, desk, before, before.summary.back_to)
            desk = _agreed_to_go_on(paper, at, run, f"Go on rolling back run {run}?")
        elif not yes:
            to_do = ahead.to_go_on(desk.world, desk.cluster, before)
            settled = len(before.steps) - len(to_do)
            said = f"run {run}: {settled} steps are settled and will be looked at again; left to do:"
            show_steps(paper, said, to_do)
            desk = _agreed_to_go_on(paper, at, run, f"Resume run {run} ({before.summary.procedure})?")
        carry(paper, desk, run, lambda watched: begin.resume(watched, run, forward=forward), before)


def rollback(settings: Settings, given: str, left: LeftRunning, *, to: str, yes: bool, as_json: bool) -> None:
    """Show what would be undone, ask, undo it; with `yes` undo it at once."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    run = _named(settings, given)
    with at_desk(settings, f"rollback {run}", left) as at:
        desk, before = at, begin.may_roll_back(at, run, to=to)
        if not yes:
            _show_undoing(paper, desk, before, to)
            desk = _agreed_to_go_on(paper, at, run, f"Roll back run {run} ({before.summary.procedure})?")
        carry(paper, desk, run, lambda watched: begin.rollback(watched, run, to=to), before)


def _agreed_to_go_on(paper: Paper, desk: Desk, run: str, question: str) -> Desk:
    """Ask, and tell before who had the nodes meanwhile: who says yes has seen that."""
    others = begin.had_by_others(desk, run)
    for node, since in others.items():
        label = line(Span(f"{node} was in other hands meanwhile: ", Tone.WARN))
        paper.tell([*hanging(label, since, paper.width), line()])
    paper.ask(question)
    return replace(desk, seen=frozenset(others.values()))


@contextmanager
def at_desk(settings: Settings, what: str, left: LeftRunning = LeftRunning.WAIT) -> Iterator[Desk]:
    """The journal in our hands, with all that a driver needs.

    Refused if the journal lies on a shared file system, Busy if another driver lives.
    """
    cluster, catalog = settings.cluster(), settings.catalog()
    path = settings.journal_path
    refuse_on(path, tuple(shared.mount_point for shared in cluster.file_systems))
    world = World(connect=connect, who=identity.who(), driver=identity.driver(), clock=utc_now, knock=knock_by_tcp)
    with drive(path, holder=identity.holder(what, utc_now()), clock=utc_now) as journal:
        yield Desk(journal=journal, cluster=cluster, catalog=catalog, world=world, left_running=left)


def utc_now() -> datetime:
    """The time for the journal."""
    return datetime.now(UTC)


def _named(settings: Settings, given: str) -> str:
    with read(settings.journal_path) as reader:
        return the_run(reader, given, cluster="" if given else settings.cluster().name)


def carry(paper: Paper, desk: Desk, run: str, engine: Callable[[Desk], object], before: Run | None = None) -> None:
    """Let the engine go, tell what happens, and say how it ended; what ends it early is raised."""
    begun = monotonic()
    steps = tuple(step.planned for step in before.steps) if before else ()
    stop = Stop()
    with stop.on_ctrl_c(), watching(paper, utc_now, steps) as watch:
        world = replace(desk.world, sleep=stop.sleep, stop_requested=stop.requested, watch=_while_read(watch, stop))
        try:
            engine(replace(desk, world=world))
        except HamnError as error:
            error.run = run
            raise
    after, now = desk.journal.run(run), datetime.now().astimezone()
    if paper.as_json:
        paper.json({"run": status_data(after, None)})
    elif after.summary.state.ended:
        paper.tell([line(), outcome_line(after, monotonic() - begun, now)])
    else:
        paper.tell([line(), *status_lines(after, None, now, paper.width)])


def _while_read(watch: Watch, stop: Stop) -> Watch:
    """Tell each event as long as somebody reads; when the reader is gone, the run stops as for Ctrl-C."""

    def tell(event: Event) -> None:
        try:
            watch(event)
        except OSError:
            stop.ask()

    return tell


def _show_undoing(paper: Paper, desk: Desk, run: Run, to: str) -> None:
    said = f"run {run.summary.id}: to be undone, last first{f', as far as the stage of {to}' if to else ''}:"
    show_steps(paper, said, ahead.to_undo(desk.world, desk.cluster, run, to))


def show_steps(paper: Paper, said: str, steps: Sequence[Foreseen]) -> None:
    """What would be done, under a heading."""
    head = line(Span(said, Tone.HEAD))
    paper.tell([head, *steps_lines(steps, paper.width), line(), *summary_lines(steps, paper.width), line()])
