"""Two real hosts do what the conformance table says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hamn_flow.lab.place import Lab
from tests.conformance.real import Real
from tests.conformance.row import Row, Scene, carry_out
from tests.conformance.table import TABLE
from tests.conformance.targets import scene_of, there

pytestmark = pytest.mark.lab


class Stage:
    """The hosts in the scene of the row before; the next row's is set only where it is another one."""

    def __init__(self, target: Real) -> None:
        self.target = target
        self._scene = Scene.ACTIVE
        self._set = ExitStack()

    def show(self, scene: Scene) -> None:
        if scene is not self._scene:
            self._set.close()
            self._scene = scene
            self._set.enter_context(scene_of(scene)(self.target))

    def close(self) -> None:
        self._set.close()
        self.target.close()


@pytest.fixture(scope="module")
def stage(lab: Lab) -> Iterator[Stage]:
    stage = Stage(Real(lab))
    yield stage
    stage.close()


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in TABLE.items()])
def test_real_hosts_conform(row: Row, stage: Stage) -> None:
    if row.only_simulated:
        pytest.skip(row.only_simulated)
    stage.show(row.scene)
    carry_out(row, there(stage.target, row.node))
