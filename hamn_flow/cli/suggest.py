"""What the shell offers at TAB: procedures, runs, steps. Where they cannot be read, it offers nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from hamn_flow.cli.settings import Settings
from hamn_flow.errors import HamnError

_RUNS = 20


def procedures(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The procedures' names with their titles."""
    return _offered(((entry.name, entry.title) for entry in _settings(ctx).catalog().entries), incomplete)


def runs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The newest runs with their procedures and states."""
    from hamn_flow.journal import read

    try:
        with read(_settings(ctx).journal_path) as reader:
            found = [(run.id, f"{run.procedure}, {run.state}") for run in reader.runs(limit=_RUNS)]
    except HamnError:
        return []
    return _offered(found, incomplete)


def steps(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The steps of the run that is named, or of the newest one."""
    from hamn_flow.journal import read

    try:
        with read(_settings(ctx).journal_path) as reader:
            named = ctx.params.get("run")
            run = reader.run(reader.find(named) if named else reader.runs(limit=1)[0].id)
    except (HamnError, IndexError):
        return []
    return _offered(((step.name, step.planned.title) for step in run.steps), incomplete)


def _settings(ctx: typer.Context) -> Settings:
    """While completing, no command is run: the options before it are only parsed."""
    given = ctx.find_root().params
    journal, folders = given.get("journal"), given.get("workflows")
    return Settings(
        journal=Path(journal) if journal else None, workflows=tuple(Path(folder) for folder in folders or ())
    )


def _offered(found: Iterable[tuple[str, str]], incomplete: str) -> list[tuple[str, str]]:
    return [(name, text) for name, text in found if name.startswith(incomplete)]
