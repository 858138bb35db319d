"""A run's or a plan's rule book as a mermaid diagram: a state for each checkpoint, its steps named in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from hamn_flow.engine.machine import START, Checkpoints


def mermaid(stages: Mapping[str, Sequence[str]], *, at: str = "", no_return: Mapping[str, str] | None = None) -> str:
    """The diagram's text; `stages` has the steps of each, `at` is the present checkpoint.

    `no_return` names the stages that cannot be left backwards, with the reason.
    """
    walls = no_return or {}
    rules = Checkpoints(stages=tuple(stages), at=START)
    names = {name: f"s{number}" for number, name in enumerate((START, *stages))}
    lines = [
        "stateDiagram-v2",
        "    direction TB",
        f"    [*] --> {names[START]}",
        f'    state "{START}" as {names[START]}',
    ]
    for stage, steps in stages.items():
        text = "<br/>".join([f"<b>{_escaped(stage)}</b>", *map(_escaped, steps)])
        lines.append(f'    state "{text}" as {names[stage]}')
    for trigger, source, target in rules.moves:
        if trigger == "retreat" and source in walls:
            continue
        lines.append(f"    {names[source]} --> {names[target]}: {trigger}")
    if stages:
        lines.append(f"    {names[list(stages)[-1]]} --> [*]")
    for stage, reason in walls.items():
        lines += [
            f"    note right of {names[stage]}",
            f"        point of no return: {_escaped(reason)}",
            "    end note",
        ]
    if at in names:
        lines += ["    classDef present fill:#f6c344,color:#000,stroke:#000", f"    class {names[at]} present"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """In one line, and what mermaid would read as its own as HTML has it; its own `#34;` is not decoded in states."""
    return escape(" ".join(text.split()), quote=False).replace('"', "&quot;")
