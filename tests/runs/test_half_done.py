"""Rolling back what was cut off in the middle of a stage: in the order of the plan, however far each step had come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from hamn_flow.engine.begin import resume, rollback, start
from hamn_flow.facts.abreast import Abreast, one_by_one
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.run import RunState, StepState
from hamn_flow.simulator.world import unwatched
from tests.runs.conftest import Pair
from tests.runs.test_safety import PROCEDURE, Killed, always, halted, mount_points, only_postgresql


def latter_first(works: Sequence[Callable[[], None]]) -> tuple[BaseException | None, ...]:
    """One after the other as the plan has it; but where two may begin, the latter first: so do unmounts and masks."""
    return one_by_one(works[::-1])[::-1] if len(works) == 2 else one_by_one(works)


def killed_after(pair: Pair, words: tuple[str, ...], carry_on: Callable[[Abreast], object], abreast: Abreast) -> None:
    """The driver dies as soon as a job has taken effect that begins with these words."""

    def kill(_node: NodeName, key: Key | None, command: Command) -> None:
        if key and command.argv[: len(words)] == words:
            raise Killed

    pair.world.after = kill
    with pytest.raises(Killed):
        carry_on(abreast)
    pair.world.after = unwatched


@only_postgresql
def test_an_early_step_that_fell_back_is_undone_after_what_was_built_upon_it(pair: Pair) -> None:
    """httpd was off; it was started while the run waited, and the driver died as it stopped it."""
    before = pair.world.picture()
    assert pair.world.run("mn1", "systemctl", "stop", "apache2").status == 0
    run = halted(pair, always("mn2", "systemctl", "start", "xcatd"))
    assert pair.last_run().step("mn1.stop.httpd").state is StepState.SKIPPED
    assert pair.world.run("mn1", "systemctl", "unmask", "--runtime", "apache2").status == 0
    assert pair.world.run("mn1", "systemctl", "start", "apache2").status == 0

    def resumed(abreast: Abreast) -> None:
        with pair.desk() as desk:
            resume(replace(desk, world=replace(desk.world, abreast=abreast)), run)

    killed_after(pair, ("systemctl", "stop", "apache2"), resumed, one_by_one)
    assert pair.last_run().step("mn1.stop.httpd").state is StepState.BEGUN
    with pair.desk() as desk:
        assert rollback(desk, run) is RunState.ROLLED_BACK
    assert pair.world.picture() == before
    pair.assert_safe()


@only_postgresql
def test_nothing_may_start_again_before_all_is_mounted(pair: Pair) -> None:
    """The unmounts have ended, the masks beside them have not when the driver dies."""
    before = pair.world.picture()
    masking = ("systemctl", "mask", "--runtime", "nfs-server")

    def begun(abreast: Abreast) -> None:
        with pair.desk() as desk:
            start(replace(desk, world=replace(desk.world, abreast=abreast)), PROCEDURE, {})

    killed_after(pair, masking, begun, latter_first)
    assert "/var/lib/postgresql" not in mount_points(pair, "mn1")
    run, done = pair.last_run().summary.id, len(pair.world.state.log)
    with pair.desk() as desk:
        assert rollback(desk, run) is RunState.ROLLED_BACK
    undone = [entry.text.split()[0:2] for entry in pair.world.state.log[done:]]
    assert max(place for place, words in enumerate(undone) if words[0] == "mount") < undone.index(
        ["systemctl", "unmask"]
    )
    assert pair.world.picture() == before
    pair.assert_safe()
