"""A run whose machine is gone: taken over by the copies on the nodes; and copies compared with their journal."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

from hamn_flow.cli.drive import at_desk, carry, show_steps
from hamn_flow.cli.look import world
from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.engine import adopt as adoption
from hamn_flow.engine import ahead, begin
from hamn_flow.engine import audit as auditing
from hamn_flow.engine.claim import LeftRunning
from hamn_flow.errors import JournalUnusable, Refused
from hamn_flow.journal import read
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster
from hamn_flow.model.run import Direction, Run
from hamn_flow.report.copies import audit_data, audit_lines, kept_lines, trouble_of
from hamn_flow.report.holding import holding_lines
from hamn_flow.report.line import Span, Tone, line
from hamn_flow.report.status import status_data, status_lines


def adopt(settings: Settings, given: str, run: str, left: LeftRunning, *, stay: bool, yes: bool, as_json: bool) -> None:
    """Show the run as its newest copy has it, ask, take it over, and go on with it."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    cluster = settings.cluster()
    node = _node(cluster, given)
    found = adoption.look_for(world(), cluster, node, run)
    _, newest = found.newest()
    adoption.refuse_other_pair(cluster, newest)
    with closing(MemoryJournal.replayed(found.run, newest.commits)) as copy:
        before = copy.run(found.run)
    paper.tell([*holding_lines(found.held, paper.width), *kept_lines(found, cluster, paper.width), line()])
    if not yes:
        _show(paper, cluster, before)
        paper.ask(f"Take run {found.run} over? If its driver still lives, the nodes refuse it from then on.")
    with at_desk(settings, f"adopt {found.run}", left) as desk:
        taken = adoption.take_over(desk, node, found)
        if stay or taken.summary.state.ended:
            paper.result(
                [*status_lines(taken, None, datetime.now().astimezone(), paper.width)],
                {"run": status_data(taken, None)},
            )
        else:
            carry(paper, desk, found.run, lambda watched: begin.resume(watched, found.run), taken)


def audit(settings: Settings, given: str, *, as_json: bool) -> None:
    """Compare; JournalUnusable if the journal or a copy is not whole, or if they part; Unreachable if none answers."""
    paper = Paper.of(as_json=as_json)
    with read(settings.journal_path) as reader:
        newest = reader.runs(open_only=True) or reader.runs(limit=1)
        if not given and not newest:
            raise Refused("there is no run yet", hint="Type hamn-flow plan planned-failover to see what one would do.")
        run = reader.find(given) if given else newest[0].id
        found = auditing.audit(world(), settings.cluster(), reader, run)
    now, trouble = datetime.now().astimezone(), trouble_of(found)
    hint = f"Nothing was changed. hamn-flow show {run} tells what this journal has."
    wrong = JournalUnusable(trouble, hint=hint) if trouble else found.silent()
    paper.result(audit_lines(found, now, paper.width), audit_data(found), wrong)


def _node(cluster: Cluster, given: str) -> NodeName:
    for spec in cluster.nodes:
        if spec.name == given:
            return spec.name
    names = " or ".join(spec.name for spec in cluster.nodes)
    raise Refused(f"{given} is no node of this pair", hint=f"Name {names}.")


def _show(paper: Paper, cluster: Cluster, run: Run) -> None:
    paper.tell([*status_lines(run, None, datetime.now().astimezone(), paper.width), line()])
    if run.summary.state.ended:
        return
    if run.summary.direction is Direction.BACK:
        show_steps(paper, "left to undo, last first:", ahead.to_undo(world(), cluster, run, run.summary.back_to))
    else:
        show_steps(paper, "left to do:", ahead.to_go_on(world(), cluster, run))
    if run.summary.halt is not None:
        paper.tell([line(Span("It halted there; it goes on as after hamn-flow resume.", Tone.DIM)), line()])
