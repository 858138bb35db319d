"""The simulator does what the conformance table says, and every row leaves the world as it found it."""

from __future__ import annotations

import pytest

from tests.conformance.row import Row, carry_out
from tests.conformance.table import TABLE
from tests.conformance.targets import Simulated, scene_of, there


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in TABLE.items()])
def test_the_simulator_conforms(row: Row) -> None:
    if row.only_real:
        pytest.skip(row.only_real)
    target = Simulated()
    with scene_of(row.scene)(target):
        before = target.world.picture()
        carry_out(row, there(target, row.node))
        assert target.world.picture() == before
    assert [each for each in target.world.state.violations if not row.violates or row.violates not in each] == []
