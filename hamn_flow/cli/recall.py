"""What the journal remembers: status, runs, show. No node is asked and no library but SQLite is loaded."""

from __future__ import annotations

from datetime import datetime

from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.errors import Refused
from hamn_flow.journal import Reader, read
from hamn_flow.model.run import RunSummary
from hamn_flow.report import status as standing
from hamn_flow.report.life import Life, life_of
from hamn_flow.report.line import Line, line


def status(settings: Settings, *, as_json: bool) -> None:
    """The open runs; the newest one if none is open."""
    paper, now = Paper.of(as_json=as_json), datetime.now().astimezone()
    with read(settings.journal_path) as reader:
        holder = reader.holder()
        shown = [reader.run(each.id) for each in reader.runs(open_only=True) or reader.runs(limit=1)]
        lines: list[Line] = standing.idle_driver_lines(shown, holder, now, paper.width)
        for run in shown:
            lines += [*([line()] if lines else []), *standing.status_lines(run, holder, now, paper.width)]
        if not shown:
            lines.append(line(f"There is no run yet in {settings.journal_path}."))
            lines.append(line("Type hamn-flow plan planned-failover to see what one would do."))
        data = {
            "journal": str(settings.journal_path),
            "driver": standing.driver_data(holder),
            "runs": [standing.status_data(run, holder) for run in shown],
        }
    paper.result(lines, data)


def runs(settings: Settings, limit: int, *, as_json: bool) -> None:
    """The newest runs."""
    paper, now = Paper.of(as_json=as_json), datetime.now().astimezone()
    with read(settings.journal_path) as reader:
        rows = [(summary, _life(reader, summary)) for summary in reader.runs(limit=limit)]
    data = {"journal": str(settings.journal_path), "runs": [standing.summary_data(*row) for row in rows]}
    paper.result(standing.runs_lines(rows, now), data)


def show(settings: Settings, given: str, *, as_json: bool) -> None:
    """Everything that was recorded of a run; of the newest one if none is named and none is open."""
    from hamn_flow.report import history, outage

    paper, now = Paper.of(as_json=as_json), datetime.now().astimezone()
    with read(settings.journal_path) as reader:
        newest = reader.runs(open_only=True) or reader.runs(limit=1)
        if not given and not newest:
            raise Refused("there is no run yet", hint="Type hamn-flow plan planned-failover to see what one would do.")
        run = reader.run(reader.find(given) if given else newest[0].id)
        story, holder = reader.events(run.summary.id), reader.holder()
    lines = [
        *standing.status_lines(run, holder, now, paper.width, who=history.who_last(story)),
        line(),
        *history.steps_lines(run, paper.width),
        line(),
        *outage.outage_lines(run, story, now, paper.width),
        line(),
        *history.timeline_lines(run, story, now, paper.width),
    ]
    paper.result(lines, history.show_data(run, story, holder))


def _life(reader: Reader, summary: RunSummary) -> Life:
    """Only a run that has not ended needs a look at its steps and at the lock."""
    return Life(summary.state.value) if summary.state.ended else life_of(reader.run(summary.id), reader.holder())
