"""What a person decides about a run: confirm, skip, abandon; recorded with who, when and why."""

from __future__ import annotations

from hamn_flow.cli.drive import at_desk
from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings, the_run
from hamn_flow.engine import begin
from hamn_flow.engine.begin import Desk
from hamn_flow.errors import Refused
from hamn_flow.journal import read
from hamn_flow.model.run import Run
from hamn_flow.report.line import Span, Tone, line
from hamn_flow.report.status import status_data


def confirm(settings: Settings, given: str, step: str, because: str, *, as_json: bool) -> None:
    """Record that a step is so."""
    paper = Paper.of(as_json=as_json)
    run = _named(settings, given)
    with at_desk(settings, f"confirm {run}") as desk:
        begin.confirm(desk, run, step, because)
        _said(
            paper,
            desk.journal.run(run),
            f"It is noted that {step} is so; it counts where a look cannot say. Type hamn-flow resume {run}.",
        )


def skip(settings: Settings, given: str, step: str, because: str, *, yes: bool, as_json: bool) -> None:
    """Show the step, ask, let it out."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    run = _named(settings, given)
    with at_desk(settings, f"skip {run}") as desk:
        before = begin.may_resume(desk, run)
        record = next((record for record in before.steps if record.name == step), None)
        if record is None:
            raise Refused(f"run {run} has no step {step}", hint=f"Type hamn-flow show {run} for its steps.")
        said = record.reason or "not begun yet"
        paper.tell([line(Span(step, Tone.HEAD), f": {record.planned.title}"), line(f"  {record.state}: {said}")])
        paper.ask(f"Go on without it? Run {run} will take it as settled, and nothing more is done for it.", yes=yes)
        begin.skip(desk, run, step, because)
        _said(paper, desk.journal.run(run), f"{step} is skipped. Type hamn-flow resume {run} to go on.")


def abandon(settings: Settings, given: str, because: str, *, yes: bool, as_json: bool) -> None:
    """Show what the run changed, ask, close it."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    run = _named(settings, given)
    with at_desk(settings, f"abandon {run}") as desk:
        before = begin.may_resume(desk, run)
        _show_what_stays(paper, desk, before)
        paper.ask(f"Close run {run} as it is? It can neither be resumed nor rolled back afterwards.", yes=yes)
        untold = begin.abandon(desk, run, because)
        said = f"run {run} is abandoned; the nodes are as it left them."
        if untold:
            said += f" {' and '.join(untold)} could not be told, and may still keep it as open or be held for it: "
            said += f"see hamn-flow audit {run} and hamn-flow owner."
        _said(paper, desk.journal.run(run), said)


def _show_what_stays(paper: Paper, desk: Desk, run: Run) -> None:
    from hamn_flow.engine.backward import order_of_undo

    changed = order_of_undo(run)
    paper.tell([line(f"run {run.summary.id} on {desk.cluster.name}: {len(changed)} changed steps stay as they are")])
    paper.tell([line(f"  {record.name}  {record.state}: {record.reason}") for record in changed])


def _named(settings: Settings, given: str) -> str:
    with read(settings.journal_path) as reader:
        return the_run(reader, given, cluster="" if given else settings.cluster().name)


def _said(paper: Paper, run: Run, words: str) -> None:
    paper.result([line(words)], {"run": status_data(run, None)})
