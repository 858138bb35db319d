"""What is asked of the nodes and of the procedures, changing nothing: plan, check, graph, workflows, version."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

from hamn_flow.catalog import thaw
from hamn_flow.cli import identity
from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.engine.plan import Foreseen, Preview, preview
from hamn_flow.engine.world import World
from hamn_flow.errors import HamnError, Invalid, Refused, Unreachable
from hamn_flow.journal import read
from hamn_flow.model.probe import Finding
from hamn_flow.model.run import Run
from hamn_flow.report import procedures
from hamn_flow.report.diagram import mermaid
from hamn_flow.report.line import line
from hamn_flow.report.preview import checks_first, preview_data, preview_lines, unsatisfied
from hamn_flow.steps.step import Step
from hamn_flow.transport import connect

CHECKED = "planned-failover"


def world() -> World:
    """The world outside, for somebody who only looks."""
    return World(connect=connect, who=identity.who(), driver=identity.driver())


def plan(settings: Settings, procedure: str, options: Mapping[str, str], *, as_json: bool) -> None:
    """What the procedure would do now."""
    paper = Paper.of(as_json=as_json)
    found = preview(world(), settings.cluster(), settings.catalog(), procedure, options)
    paper.result(preview_lines(found, paper.width), preview_data(found))


def check(settings: Settings, *, as_json: bool) -> None:
    """The checks of a planned failover; Refused or Unreachable if one is not satisfied."""
    paper = Paper.of(as_json=as_json)
    found = preview(world(), settings.cluster(), settings.catalog(), CHECKED, {})
    checks = tuple(checks_first(found.steps))
    alone = Preview(procedure="check", title=f"What must be so before {CHECKED}.", run="", stages=(), steps=checks)
    paper.result(preview_lines(alone, paper.width), preview_data(alone), _not_satisfied(checks))


def _not_satisfied(checks: Sequence[Foreseen]) -> HamnError | None:
    failed = unsatisfied(checks)
    if not failed:
        return None
    kind = Unreachable if all(step.finding is Finding.UNKNOWN for step in failed) else Refused
    return kind(
        f"{len(failed)} of {len(checks)} checks are not satisfied",
        hint=f"Mend what is in the way, then type hamn-flow check again; {CHECKED} would stop there.",
    )


def workflows(settings: Settings, *, paths: bool, check: bool, as_json: bool) -> None:
    """The procedures; with `check`, Invalid if a file is broken or a step lacks its title or its undo."""
    paper = Paper.of(as_json=as_json)
    if paths:  # nothing is loaded: a folder that was named by mistake may hold anything
        folders = settings.folders()
        paper.result(procedures.folders_lines(folders), {"folders": [str(folder) for folder in folders]})
        return
    catalog = settings.catalog()
    lines = procedures.procedures_lines(catalog, paper.width)
    if not check:
        paper.result(lines, procedures.procedures_data(catalog))
        return
    broken = tuple(broken.problem for broken in catalog.broken)
    files = {str(entry.path) for entry in catalog.entries}
    classes = tuple(cls for cls in procedures.step_classes() if _belongs(cls, files))
    problems = broken + procedures.step_problems(classes)
    if problems:
        raise Invalid(problems, hint="Mend these files, then type hamn-flow workflows --check again.")
    said = f"{len(catalog.entries)} procedures with {len(classes)} kinds of steps: nothing is missing."
    paper.result([*lines, line(said)], {**procedures.procedures_data(catalog), "kinds_of_steps": len(classes)})


def graph(settings: Settings, what: str, *, as_json: bool) -> None:
    """The diagram of a procedure as it would be planned now, or of a run."""
    paper, catalog = Paper.of(as_json=as_json), settings.catalog()
    if what in catalog.procedures or what in {broken.name for broken in catalog.broken}:
        found = preview(world(), settings.cluster(), catalog, what, {})
        stages = {stage.name: [step.name for step in stage.steps] for stage in found.stages}
        walls = {step.stage: step.irreversible for step in found.steps if step.irreversible}
        text = mermaid(stages, no_return=walls)
    else:
        with read(settings.journal_path) as reader:
            text = _of_run(reader.run(reader.find(what)))
    paper.result([line(each) for each in text.splitlines()], {"mermaid": text})


def version(*, as_json: bool) -> None:
    """The versions that a report of a mistake should name."""
    import sqlite3

    paper = Paper.of(as_json=as_json)
    own, python = _own_version(), sys.version.partition(" ")[0]
    said = f"hamn-flow {own}, Python {python}, SQLite {sqlite3.sqlite_version}"
    paper.result([line(said)], {"hamn_flow": own, "python": python, "sqlite": sqlite3.sqlite_version})


def _belongs(cls: type[Step], files: Collection[str]) -> bool:
    """Whether the class is one of ours, or of a procedure file that was found."""
    module = sys.modules.get(cls.__module__)
    return cls.__module__.startswith("hamn_flow.") or getattr(module, "__file__", "") in files


def _own_version() -> str:
    """As the installed package says, or the checkout that this runs from."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of("hamn-flow")
    except PackageNotFoundError:
        import tomllib

        from hamn_flow.content import folder

        return str(tomllib.loads((folder("state").parent / "pyproject.toml").read_text())["project"]["version"])


def _of_run(run: Run) -> str:
    stages = {
        stage: [step.name for step in group] for stage, group in groupby(run.steps, key=lambda step: step.planned.stage)
    }
    walls = {step.planned.stage: reason for step in run.steps if (reason := thaw(step.planned).irreversible)}
    return mermaid(stages, at=run.summary.checkpoint, no_return=walls)
