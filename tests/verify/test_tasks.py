"""The processes of a search: what their first one keeps, each of them has to map."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from hamn_flow.search.found import Found
from hamn_flow.search.reached import Reached
from hamn_flow.search.tasks import Findings, side_by_side


class Knot:
    """What only the collector finds."""

    def __init__(self) -> None:
        self.myself = self


@pytest.fixture
def frozen() -> Iterator[None]:
    """The collector as it was before, afterwards; it comes only where it is called."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("frozen")
def test_garbage_is_not_frozen_and_kept_for_each_process_that_is_forked() -> None:
    seen = weakref.ref(Knot())
    assert seen() is not None

    def task(findings: Findings) -> None:
        findings.add(Found(reached={"there" if seen() else "gone": 0}))

    (findings,) = side_by_side([task], Reached(), jobs=1)
    assert [found.reached for found in findings.told()] == [{"gone": 0}]
