"""The benchmark's two experiments, a few rounds of each: a second process, and a real kill -9, while a command runs.

The crash matrix beside this kills a driver of the simulated pair; here the journal, the launcher and the command are
real, and the driver that comes second finds the command at work.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.double_runs import Round, killed, second_process


@pytest.mark.parametrize("experiment", [second_process, killed])
def test_a_command_that_still_runs_is_not_run_again(tmp_path: Path, experiment: Round) -> None:
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert experiment(folder) == 1
