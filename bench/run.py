"""All figures, one JSON object a line: `python -m bench [FIGURE...]`.

Each is a function of its own name, in the module that says what it measures.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence

FIGURES = {
    "durable_step_ms": "journal",
    "ssh_read_ms": "ssh",
    "ssh_job_ms": "ssh",
    "ssh_read_vs_paramiko": "ssh",
    "cli_help_s": "cli",
    "cli_status_10k_s": "cli",
}


def main(names: Sequence[str] = ()) -> int:
    """Measure and print these figures, all if none is named."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        sys.stderr.write(f"there is no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}\n")
        return 2
    for name in names or FIGURES:
        figure = getattr(importlib.import_module(f"bench.{FIGURES[name]}"), name)()
        sys.stdout.write(json.dumps(figure) + "\n")
        sys.stdout.flush()
    return 0
