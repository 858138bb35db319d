"""The procedures that were found, and what is wrong with those that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hamn_flow.catalog import Catalog
from hamn_flow.report.line import Line, Span, Tone, hanging, line
from hamn_flow.steps.step import Check, PersonStep, Step


def procedures_lines(catalog: Catalog, width: int) -> list[Line]:
    """Each procedure with its title and options, then the files that are broken."""
    wide = max((len(entry.name) for entry in catalog.entries), default=0) + 2
    lines: list[Line] = []
    for entry in catalog.entries:
        lines += hanging(line(Span(f"{entry.name:<{wide}}", Tone.HEAD)), entry.title, width)
        for name, text in entry.workflow.options.items():
            lines += hanging(line(" " * wide, Span(f"{name}=  ", Tone.DIM)), text, width, Tone.DIM)
    for broken in catalog.broken:
        lines += hanging(line(Span(f"{'broken':<{wide}}", Tone.BAD)), broken.problem, width)
    return lines


def folders_lines(folders: Iterable[Path]) -> list[Line]:
    """The folders in the order in which they are searched; the nearest wins."""
    return [line(str(folder) if folder.is_dir() else f"{folder} (not there)") for folder in folders]


def procedures_data(catalog: Catalog) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "procedures": [
            {
                "name": entry.name,
                "title": entry.title,
                "path": str(entry.path),
                "options": dict(entry.workflow.options),
            }
            for entry in catalog.entries
        ],
        "broken": [
            {"name": broken.name, "path": str(broken.path), "problem": broken.problem} for broken in catalog.broken
        ],
        "folders": [str(folder) for folder in catalog.folders],
    }


def step_problems(classes: Iterable[type[Step]]) -> tuple[str, ...]:
    """What is missing from classes of steps: a title, or an undo and the reason why there is none."""
    problems: list[str] = []
    for cls in classes:
        name = f"{cls.__module__}:{cls.__qualname__}"
        written = (cls.__doc__ or "").strip()
        if not written or written.startswith(f"{cls.__name__}("):  # what dataclass writes where nobody did
            problems.append(f"{name}: it has no docstring, so its steps have no title")
        acts = cls.apply is not Step.apply and not issubclass(cls, (Check, PersonStep))
        if acts and cls.revert is Step.revert and not (cls.irreversible or cls.nothing_to_undo):
            problems.append(f"{name}: it has no undo (revert), and does not say why (irreversible, nothing_to_undo)")
    return tuple(problems)


def step_classes(of: type[Step] = Step) -> tuple[type[Step], ...]:
    """All classes of steps that are loaded, those apart whose name begins with an underscore."""
    found = [cls for sub in of.__subclasses__() for cls in (sub, *step_classes(sub))]
    return tuple(dict.fromkeys(cls for cls in found if not cls.__name__.startswith("_")))
