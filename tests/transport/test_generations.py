"""One driver at a time: generations only rise, each has one owner, and a launch never slips past a raise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hamn_flow.errors import StaleDriver
from hamn_flow.model.command import Command, JobState, Key, NodeName
from hamn_flow.transport.connection import Connection, Owner
from tests.claiming import claim
from tests.transport.conftest import UNTIL, Dial

DRIVERS = 4
RAISES = 15
ROUNDS = 40


def test_each_generation_has_one_winner_however_many_raise_at_once(dial: Dial, base: Path) -> None:
    nodes = [dial() for _ in range(DRIVERS)]

    def raise_often(number: int) -> list[tuple[int, str]]:
        owners = [Owner(run=f"run{turn}", driver=f"driver{number}") for turn in range(RAISES)]
        return [(claim(nodes[number], owner), owner.text) for owner in owners]

    with ThreadPoolExecutor(DRIVERS) as pool:
        won = [each for wins in pool.map(raise_often, range(DRIVERS)) for each in wins]
    assert len({number for number, _ in won}) == DRIVERS * RAISES
    stored = {int(path.parent.name): path.read_text() for path in base.glob("*/gen/*/owner")}
    assert dict(won).items() <= stored.items()
    hello = dial().hello
    assert (hello.generation, hello.owner) == (max(stored), stored[max(stored)])


def test_of_many_who_saw_the_same_holder_one_claims_the_node(dial: Dial) -> None:
    """Compare and set: the others are told who it was, and nothing of theirs is stored."""
    nodes = [dial() for _ in range(DRIVERS)]
    with ThreadPoolExecutor(DRIVERS) as pool:
        for turn in range(RAISES):
            over = nodes[0].held()
            owners = [Owner(run=f"run{turn}", driver=f"driver{number}") for number in range(DRIVERS)]
            said = list(pool.map(lambda node, owner: node.claim(owner, over), nodes, owners))  # noqa: B023 - used up
            assert {each.generation for each in said} == {over.generation + 1}
            assert len({each.owner for each in said}) == 1
            assert [said[number].is_by(owner) for number, owner in enumerate(owners)].count(True) == 1


def test_a_claim_tells_what_still_runs(dial: Dial, tmp_path: Path) -> None:
    go = tmp_path / "go"
    first, second = dial(), dial()
    owner = Owner(run="run", driver="first")
    generation = claim(first, owner)
    for key, text in (("run/1%", UNTIL), ("%new.2", UNTIL), ("over", "true")):
        command = Command(node=NodeName("mn1"), argv=("sh", "-c", text, "sh", str(go)))
        first.launch(Key(key), command, generation=generation, owner=owner)
    first.wait(Key("over"), 60)
    held = second.claim(Owner.nobody("released by a person"), first.held())
    assert sorted(held.running) == ["%new.2", "run/1%"]
    assert (Owner.of(held.owner), held.owner) == (None, "- released by a person")
    go.touch()
    for key in held.running:
        second.wait(key, 60)
    assert second.held().running == ()


def test_a_driver_only_gets_greater_numbers(dial: Dial) -> None:
    nodes = [dial(), dial()]
    numbers = [claim(nodes[turn % 2], Owner(run="r", driver=str(turn))) for turn in range(6)]
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
            generation = claim(driver, owner)
            keys = [f"k{turn}.{number}" for number in range(3)]
            launching = pool.submit(_launch, driver, keys, trace, generation, owner)
            heir.look(Command(node=NodeName("mn1"), argv=("true",)))  # so that they meet halfway
            claim(heir, Owner(run=f"run{turn}", driver="heir"))
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
