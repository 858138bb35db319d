"""A node that was reached and is lost is sought, whatever it is needed for; but in vain only once.

The node is real. Its clock is the test's: it moves while the driver waits for the next try.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from hamn_flow.engine import links as engine
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import LookFailed, OutcomeUnknown, Unreachable
from hamn_flow.model.command import Command, Job, JobState, Key, Result
from hamn_flow.model.pair import NodeSpec, Policy
from hamn_flow.transport.connection import Connection, Owner
from hamn_flow.transport.local import connect_local
from tests.claiming import claim
from tests.engine.conftest import NODE, cluster

KEY = Key("k")
LOOK, SLEEP = (Command(node=NODE, argv=argv) for argv in (("echo", "here"), ("sleep", "60")))
MINUTE = 60.0  # seconds


@dataclass
class LostInLook:
    """A real connection whose link is lost whenever it is looked by."""

    real: Connection

    def look(self, command: Command) -> Result:
        self.real.close()
        return self.real.look(command)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


@dataclass
class Away:
    """A node that does not answer at the next so many tries."""

    base: str
    refusals: int = 0
    flaps: int = 0  # so many links are lost once something is asked by them
    slept: list[float] = field(default_factory=list)
    tries: int = 0
    made: list[Connection] = field(default_factory=list)

    def connect(self, spec: NodeSpec) -> Connection:
        self.tries += 1
        if self.refusals:
            self.refusals -= 1
            raise Unreachable(f"{spec.name} cannot be reached: Connection refused")
        real = connect_local(spec, base=self.base)
        self.made.append(cast("Connection", LostInLook(real)) if self.flaps else real)
        self.flaps = max(0, self.flaps - 1)
        return self.made[-1]

    def links(self) -> Links:
        world = World(
            connect=self.connect,
            who="tester",
            driver="test",
            monotonic=lambda: sum(self.slept),
            sleep=self.slept.append,
        )
        policy = Policy(reconnect=MINUTE)
        return Links(cluster=cluster(policy), world=world, owner=Owner(run="run", driver="test"))


def found_dead(links: Links, lost: Connection) -> None:
    """Whoever needs the link next finds that it is lost."""
    del links
    lost.close()


def let_go(links: Links, lost: Connection) -> None:
    """A step beside it has found that it is lost."""
    links._drop(lost)


Loss = Callable[[Links, Connection], None]


def look(links: Links, away: Away, lose: Loss) -> Result:
    lose(links, away.made[-1])
    return links.look(LOOK)


def launch(links: Links, away: Away, lose: Loss) -> Job:
    lose(links, away.made[-1])
    return run(links, KEY)


def run(links: Links, key: Key) -> Job:
    """As a step does it."""
    launched = links.launch(key, LOOK)
    return (
        links.attach(NODE, key, MINUTE, lambda _key, _signal: None) if launched else Job(key=key, state=JobState.NONE)
    )


def wait(links: Links, away: Away, lose: Loss) -> Job:
    away.made[-1].launch(KEY, LOOK, generation=1, owner=Owner(run="run", driver="test"))
    lose(links, away.made[-1])
    return links.attach(NODE, KEY, MINUTE, lambda _key, _signal: None)


def cancel(links: Links, away: Away, lose: Loss) -> Job:
    """The link is lost just before TERM is sent."""
    away.made[-1].launch(KEY, SLEEP, generation=1, owner=Owner(run="run", driver="test"))

    def cut(key: Key, signal: str) -> None:
        if (key, signal) == (KEY, "TERM"):
            away.refusals = 5
            lose(links, away.made[-1])

    return links.attach(NODE, KEY, 0.0, cut)


Need = Callable[[Links, Away, Loss], "Result | Job"]
MET: dict[tuple[Need, Loss], Callable[..., object]] = {
    (look, found_dead): lambda met: met.text == "here\n",
    (look, let_go): lambda met: met.text == "here\n",
    (launch, found_dead): lambda met: met.state is JobState.NONE,  # the step asks its objection again
    (launch, let_go): lambda met: met.state is JobState.NONE,
    (wait, found_dead): lambda met: met.result.text == "here\n",
    (wait, let_go): lambda met: met.result.text == "here\n",
    (cancel, found_dead): lambda met: met.result.status == -9,  # TERM was lost with the link
    (cancel, let_go): lambda met: met.result.status == -15,
}


@pytest.mark.parametrize(("need", "lose"), MET)
def test_a_lost_node_is_sought_whatever_it_is_needed_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Need, lose: Loss
) -> None:
    monkeypatch.setattr(engine, "GRACE", 0.5)
    away = Away(base=str(tmp_path))
    links = away.links()
    links.reach(NODE)
    away.refusals = 0 if need is cancel else 5
    assert MET[need, lose](need(links, away, lose))
    links.close()
    assert away.refusals == 0
    assert (away.tries, len(away.made)) == (7, 2)
    assert 0 < sum(away.slept) < MINUTE


@pytest.mark.parametrize("need", [look, launch, wait])
def test_a_dead_node_is_waited_for_once(tmp_path: Path, need: Need) -> None:
    """Or a halt would come as many minutes late as it asks questions; but once it is there it is known again."""
    away = Away(base=str(tmp_path))
    links = away.links()
    links.reach(NODE)
    away.refusals = 1000
    with pytest.raises(Unreachable):
        need(links, away, let_go)
    assert MINUTE <= sum(away.slept) < 1.2 * MINUTE
    assert_tried_once(links, away)
    away.refusals = 0
    assert links.look(LOOK).text == "here\n"
    away.refusals = 5
    assert look(links, away, found_dead).status == 0
    links.close()


def test_a_look_is_repeated_while_links_are_lost_but_not_where_the_node_answers(tmp_path: Path) -> None:
    """That it did not end in time, for one."""
    away = Away(base=str(tmp_path))
    links = away.links()
    with pytest.raises(LookFailed, match="did not end"):
        links.look(Command(node=NODE, argv=("sleep", "60"), deadline=0.2))
    assert (away.tries, away.slept) == (1, [])
    away.flaps = 4
    assert look(links, away, found_dead).status == 0
    links.close()
    assert (away.tries, len(away.made)) == (6, 6)
    assert away.slept == sorted(away.slept)


def test_a_node_that_was_never_reached_is_not_waited_for(tmp_path: Path) -> None:
    """Nor is one after this driver has left: Ctrl-C twice, while steps went on in their threads."""
    away = Away(base=str(tmp_path), refusals=1000)
    links = away.links()
    assert_tried_once(links, away)
    away.refusals = 0
    links.reach(NODE)
    away.slept.clear()
    links.close()
    with pytest.raises(Unreachable, match="let go of a"):
        links.look(LOOK)
    with pytest.raises(OutcomeUnknown, match="let go of a"):
        links.attach(NODE, KEY, MINUTE, lambda _key, _signal: None)
    assert away.slept == []


def test_a_node_with_a_job_of_an_earlier_driver_is_sought(tmp_path: Path) -> None:
    owner = Owner(run="run", driver="earlier")
    earlier = connect_local(cluster(Policy()).node(NODE), base=str(tmp_path))
    earlier.launch(KEY, LOOK, generation=claim(earlier, owner), owner=owner)
    earlier.close()
    away = Away(base=str(tmp_path), refusals=5)
    links = replace(away.links(), former={owner.driver})
    job = links.attach(NODE, KEY, MINUTE, lambda _key, _signal: None)
    links.close()
    assert job.result is not None
    assert job.result.text == "here\n"
    assert 0 < sum(away.slept) < MINUTE


def assert_tried_once(links: Links, away: Away) -> None:
    """A question to a node that does not answer takes no time, nor does a second one, nor a launch."""
    slept = len(away.slept)
    for ask in (lambda: links.look(LOOK), lambda: links.look(LOOK), lambda: launch_at(links)):
        tries = away.tries
        with pytest.raises(Unreachable):
            ask()
        assert away.tries == tries + 1
    assert len(away.slept) == slept


def launch_at(links: Links) -> Job:
    return run(links, Key("another"))
