"""One driver at a time: generations only rise, each has one owner, and a launch never slips past a raise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hamn_flow.errors import StaleDriver
from hamn_flow.model.command import Command, JobState, Key, NodeName
from hamn_flow.transport.connection import Connection, Owner
from tests.transport.conftest import Dial

DRIVERS = 4
RAISES = 15
ROUNDS = 40


def test_each_generation_has_one_winner_however_many_raise_at_once(dial: Dial, base: Path) -> None:
    nodes = [dial() for _ in range(DRIVERS)]

    def raise_often(number: int) -> list[tuple[int, str]]:
        owners = [Owner(run=f"run{turn}", driver=f"driver{number}") for turn in range(RAISES)]
        return [(nodes[number].raise_generation(owner), owner.text) for owner in owners]

    with ThreadPoolExecutor(DRIVERS) as pool:
        won = [each for wins in pool.map(raise_often, range(DRIVERS)) for each in wins]
    assert len({number for number, _ in won}) == DRIVERS * RAISES
    stored = {int(path.parent.name): path.read_text() for path in base.glob("*/gen/*/owner")}
    assert dict(won).items() <= stored.items()
    hello = dial().hello
    assert (hello.generation, hello.owner) == (max(stored), stored[max(stored)])


def test_a_driver_only_gets_greater_numbers(dial: Dial) -> None:
    nodes = [dial(), dial()]
    numbers = [nodes[turn % 2].raise_generation(Owner(run="r", driver=str(turn))) for turn in range(6)]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_a_launch_that_a_raise_overtakes_never_runs_after_it_was_said_not_to(dial: Dial, tmp_path: Path) -> None:
    """Launch and raise at the same time, again and again; what the raiser is told after its raise is final."""
    trace = tmp_path / "trace"
    trace.touch()
    driver, heir = dial(), dial()
    told: dict[str, JobState] = {}
    with ThreadPoolExecutor(1) as pool:
        for turn in range(ROUNDS):
            owner = Owner(run=f"run{turn}", driver="driver")
            generation = driver.raise_generation(owner)
            keys = [f"k{turn}.{number}" for number in range(3)]
            launching = pool.submit(_launch, driver, keys, trace, generation, owner)
            heir.look(Command(node=NodeName("mn1"), argv=("true",)))  # so that they meet halfway
            heir.raise_generation(Owner(run=f"run{turn}", driver="heir"))
            told |= {key: heir.ask(Key(key)).state for key in keys}
            launching.result()
    for key in told:
        assert heir.wait(Key(key), 60).state in {JobState.DONE, JobState.REFUSED, JobState.NONE}
    ran = trace.read_text().split()
    assert len(set(ran)) == len(ran)
    never = {key for key, state in told.items() if state in {JobState.NONE, JobState.REFUSED}}
    assert not never & set(ran)
    assert {key for key, state in told.items() if state is JobState.DONE} <= set(ran)


def _launch(driver: Connection, keys: list[str], trace: Path, generation: int, owner: Owner) -> None:
    for key in keys:
        argv = ("sh", "-c", 'echo "$2" >> "$1"', "sh", str(trace), key)
        try:
            driver.launch(Key(key), Command(node=NodeName("mn1"), argv=argv), generation=generation, owner=owner)
        except StaleDriver:
            continue  # overtaken; the others must be refused as well
