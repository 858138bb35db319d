"""How the nodes are held: the lines of `owner`, and the same as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamn_flow.errors import Unreachable
from hamn_flow.model.command import NodeName
from hamn_flow.report.line import Line, Span, Tone, hanging, line, seconds_text
from hamn_flow.transport.connection import Held, Owner

Holding = Mapping[NodeName, Held | Unreachable]


def holding_lines(held: Holding, width: int) -> list[Line]:
    """Each node with its holder and what still runs there."""
    wide = max(len(node) for node in held) + 2
    lines: list[Line] = []
    for node, how in held.items():
        label = line(Span(f"{node:<{wide}}", Tone.HEAD))
        if isinstance(how, Unreachable):
            lines += hanging(label, how.sentence, width, Tone.BAD)
            continue
        since = f", for {seconds_text(how.seconds)}" if Owner.of(how.owner) and how.seconds else ""
        lines += hanging(label, f"{how.spoken}{since}", width)
        for key in how.running:
            lines += hanging(line(" " * wide), f"still runs the command of {key}", width, Tone.WARN)
    return lines


def holding_data(held: Holding) -> dict[str, Any]:
    """The same as plain data; a node that does not answer has an `error`."""
    return {"nodes": [{"node": node, **_data(how)} for node, how in held.items()]}


def _data(how: Held | Unreachable) -> dict[str, Any]:
    if isinstance(how, Unreachable):
        return {"error": how.sentence}
    holder = Owner.of(how.owner)
    return {
        "generation": how.generation,
        "run": holder.run if holder else None,
        "driver": holder.driver if holder else None,
        "seconds": how.seconds,
        "said": how.spoken,
        "running": list(how.running),
    }
