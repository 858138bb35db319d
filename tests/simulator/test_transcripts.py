"""The simulator says what a real xCAT 2.19.0 said, and has the same tables as the lab's stand-ins."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hamn_flow.model.command import Result
from hamn_flow.simulator import World, standard_pair
from hamn_flow.simulator.host import UnknownCommandError
from hamn_flow.simulator.tables import NOT_DUMPED, TABLE_NAMES, columns
from tests.lab.transcript import Transcript, transcripts

PERL = Path(__file__).parents[2] / "hamn_flow" / "lab" / "stand_ins" / "root" / "opt" / "xcat" / "lib" / "perl"
NOT_SIMULATED = {"lsdef", "chdef", "stat"}  # what only people type

# Where each state is found: the pair's tables, and the node.
STATES = {
    "active": ("postgresql", "mn1"),
    "services": ("postgresql", "mn1"),
    "sqlite": ("sqlite", "mn1"),
    "stopped": ("postgresql", "mn2"),
    "system": ("postgresql", "mn2"),
}


CASES = [
    pytest.param(database, node, said, id=f"{state}: {name}")
    for state, (database, node) in STATES.items()
    for name, said in transcripts(state).items()
]


def run(world: World, node: str, said: Transcript) -> Result:
    return world.run(node, *said.argv, environment=[("XCATBYPASS", "1")] if said.bypass else [])


@pytest.mark.parametrize(("database", "node", "said"), CASES)
def test_it_says_the_same(database: str, node: str, said: Transcript) -> None:
    world = standard_pair("sqlite" if database == "sqlite" else "postgresql")
    if said.argv[0] in NOT_SIMULATED:
        with pytest.raises(UnknownCommandError):
            run(world, node, said)
        return
    said.check(node, run(world, node, said))


def test_it_has_the_same_tables() -> None:
    program = 'print map { join(",", $_, LabXcat::Schema::columns($_)) . "\\n" } LabXcat::Schema::tables()'
    words = ["perl", f"-I{PERL}", "-MLabXcat::Schema", "-e", program]
    printed = subprocess.run(words, capture_output=True, check=True, text=True, timeout=30).stdout
    assert printed.splitlines() == [",".join((name, *columns(name))) for name in TABLE_NAMES]
    assert len(TABLE_NAMES) - len(NOT_DUMPED) == 71
