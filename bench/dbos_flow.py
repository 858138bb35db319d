"""DBOS on SQLite, in a process of its own: `python -m bench.dbos_flow VERB FOLDER`, by its own environment's Python.

start FOLDER     a workflow of one step, which runs the command of that folder (see awaited.py)
recover FOLDER   open the same file, as DBOS says that one does after a crash, and wait for that workflow
steps FOLDER     for each number that is read, a workflow of so many steps that do nothing; the seconds it took
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from dbos import DBOS, SetWorkflowID

from bench.awaited import Awaited

WORKFLOW = "failover"


def run_command(folder: str) -> None:
    """A step: a command that lives on when who started it dies, as one on another host does."""
    subprocess.run(Awaited(folder=Path(folder)).argv, start_new_session=True, check=True, timeout=60)  # noqa: S603 - ours


def do_nothing() -> None:
    """A step."""


# Called, not written as decorators, which mypy would have typed: DBOS is not installed where mypy is.
command_step, empty_step = DBOS.step()(run_command), DBOS.step()(do_nothing)


def failover(folder: str) -> None:
    """A workflow of one step."""
    command_step(folder)


def nothings(steps: int) -> float:
    """A workflow of many steps; the seconds they took."""
    begun = time.perf_counter()
    for _ in range(steps):
        empty_step()
    return time.perf_counter() - begun


def main(verb: str, folder: str) -> None:
    """Open the file in that folder and do what is told."""
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{folder}/dbos.db", "log_level": "ERROR"})
    flow, many = DBOS.workflow()(failover), DBOS.workflow()(nothings)
    DBOS.launch()
    print("open", flush=True)
    match verb:
        case "start":
            with SetWorkflowID(WORKFLOW):
                flow(folder)
        case "recover":
            DBOS.retrieve_workflow(WORKFLOW).get_result()
        case _:
            for line in sys.stdin:
                print(many(int(line)), flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
