"""All figures, one JSON object a line: `python -m bench [FIGURE...]`.

Each is a function of its own name, in the module that says what it measures; those that are measured in one go are one
function's.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

FIGURES = {
    "durable_step_ms": "journal.durable_step_ms",
    "ssh_read_ms": "ssh.ssh_read_ms",
    "ssh_job_ms": "ssh.ssh_job_ms",
    "ssh_read_vs_paramiko": "ssh.ssh_read_vs_paramiko",
    "cli_help_s": "cli.cli_help_s",
    "cli_status_10k_s": "cli.cli_status_10k_s",
    "double_runs": "double_runs.double_runs",
    "double_runs_dbos": "double_runs.double_runs_dbos",
    "steps_per_s_vs_dbos": "durable.durable",
    "engine_steps_per_s_vs_dbos": "durable.durable",
    "runbook_20_s": "runbook.runbook",
    "runbook_20_vs_ansible": "runbook.runbook",
    "runbook_20_vs_pyinfra": "runbook.runbook",
}


def main(names: Sequence[str] = ()) -> int:
    """Measure and print these figures, all if none is named."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        sys.stderr.write(f"there is no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}\n")
        return 2
    wanted = names or tuple(FIGURES)
    for measure in dict.fromkeys(FIGURES[name] for name in wanted):
        for figure in _measured(measure):
            if figure["name"] in wanted:
                sys.stdout.write(json.dumps(figure) + "\n")
        sys.stdout.flush()
    return 0


def _measured(measure: str) -> list[dict[str, Any]]:
    module, _, function = measure.partition(".")
    measured = getattr(importlib.import_module(f"bench.{module}"), function)()
    return measured if isinstance(measured, list) else [measured]
