"""The rule book: what may follow what, for every stage and every answer of the guards."""

from __future__ import annotations

import pytest

from hamn_flow.engine.machine import START, Checkpoints

STAGES = ("checks", "stop", "unmount")


def test_a_run_goes_stage_by_stage_to_its_end_and_back() -> None:
    checkpoints = Checkpoints(stages=STAGES, at=START)
    forward = [checkpoints.move("advance") for _ in STAGES]
    assert forward == list(STAGES)
    assert checkpoints.following is None
    assert [checkpoints.move("retreat") for _ in STAGES] == ["stop", "checks", START]


@pytest.mark.parametrize("place", range(len(STAGES)))
def test_no_stage_is_entered_unsettled_nor_left_backwards_with_something_to_undo(place: int) -> None:
    at = (START, *STAGES)[place]
    stage = STAGES[place]
    waiting = Checkpoints(stages=STAGES, at=at, settled=lambda name: name != stage)
    with pytest.raises(AssertionError, match="the rule book refuses advance"):
        waiting.move("advance")
    assert waiting.state == at
    for guards in ({"undone": lambda name: name != stage}, {"no_return": lambda name: "mkfs" * (name == stage)}):
        wall = Checkpoints(stages=STAGES, at=stage, **guards)
        with pytest.raises(AssertionError, match="the rule book refuses retreat"):
            wall.move("retreat")
        assert wall.state == stage


def test_there_is_no_back_door_into_a_stage() -> None:
    checkpoints = Checkpoints(stages=STAGES, at=START)
    assert not [name for name in dir(checkpoints) if name.startswith("to_")]
