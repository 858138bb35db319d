"""Claiming a node: who may take it from whom, and what an earlier driver has left running on it.

A node is claimed over the holder that was seen, and no other (compare and set). A driver may take a node that nobody
holds, that it holds itself, or that a former driver of its own journal holds: that one is dead, as this one has the
journal's lock. Whoever else holds it may be alive on another machine; a person decides (`adopt`, `release`). Nor does a
run go on by itself where others had a free node since (`others_since`): they may have changed anything.
"""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum

from hamn_flow.engine.world import World
from hamn_flow.errors import Busy, Interrupted
from hamn_flow.model.command import JobState, Key, NodeName
from hamn_flow.transport.connection import Connection, Held, Owner

LONGEST_WAIT = 600.0  # seconds for what an earlier driver has left running: its own deadline is not known
SLICE = 1.0  # seconds of that wait between two looks whether the person wants to stop
_BEFORE_THAT = "; before that: "
TRIES = 5  # of a claim, while this driver's own requests of a link that was lost still come in


class StillRunning(Busy):
    """What an earlier driver has left running has not ended in time."""


class LeftRunning(StrEnum):
    """What is done about commands that an earlier driver has left running and this run knows nothing of."""

    WAIT = "wait"
    CANCEL = "cancel"


def claimed(connection: Connection, owner: Owner, former: Container[str], *, holding: int) -> Held:
    """Claim a node; how it is held then.

    `holding` is the generation that this driver held there before, 0 if it never did. Busy if another driver holds the
    node, or was faster; StaleDriver if one took it from us.
    """
    over = connection.hello.held
    for _ in range(TRIES):
        refuse_held(connection.node, over, owner, former, holding=holding)
        now = connection.claim(owner, over)
        if now.is_by(owner) and now.generation > over.generation:
            return now
        over = now
    raise Busy(f"others claim {connection.node} at the same time", hint="Type hamn-flow owner to see who has it.")


def refuse_held(node: NodeName, held: Held, owner: Owner, former: Container[str], *, holding: int = 0) -> None:
    """Busy, or StaleDriver where this driver held the node before, unless it is this driver's to take."""
    if held.generation == 0 or held.is_by(owner):
        return
    holder = Owner.of(held.owner)
    if holding:
        raise held.refusal(node)
    if holder is None or holder.driver in former:
        return
    sentence = f"{node} is held by another driver: {held.spoken}"
    if holder.run == owner.run:
        raise Busy(
            f"run {owner.run} was taken over by another driver, which holds {node}: {held.spoken}",
            hint=f"Go on with it where that driver is; if it is gone for good, type hamn-flow adopt {node} on a "
            f"journal that has not this run. To close it in this journal, type hamn-flow abandon {owner.run}.",
        )
    raise Busy(
        sentence,
        hint=f"If that driver is gone for good, type hamn-flow adopt {node} to go on with its run from here, or "
        f"hamn-flow release {node} --because '...' to give the node up.",
    )


def others_since(held: Held, run: str, runs: Container[str], who: str) -> str:
    """Who gave up a free node last, as the node says it; empty if that was one of these runs, or this person.

    What a driver gives up begins with its run, what a person does with who released it (`Links.give_up`, `release`).
    Another run that changed nothing does not count, but who had the node before it.
    """
    if not held.owner or Owner.of(held.owner) is not None:
        return ""
    last, _, before = held.spoken.partition(_BEFORE_THAT)
    said = before if before and not last.startswith(f"run {run} ") else last
    word, _, rest = said.partition(" ")
    ours = (word == "run" and rest.partition(" ")[0] in runs) or said.startswith(f"released by {who}:")
    return "" if ours else said


def with_those_before(why: str, before: str) -> str:
    """What a driver gives a node up with that it has not changed: others who had it before are still told of."""
    said = before.rpartition(_BEFORE_THAT)[2]
    return why if not said or said.split()[:2] == why.split()[:2] else f"{why}{_BEFORE_THAT}{said}"


def see_ended(connection: Connection, keys: tuple[Key, ...], world: World) -> None:
    """Wait until these jobs have ended; Busy if they do not in time, Interrupted if the person wants to stop."""
    until = world.monotonic() + LONGEST_WAIT
    for key in keys:
        while (job := connection.wait(key, SLICE)).state is JobState.RUNNING:
            if world.stop_requested():
                raise Interrupted("stopped while waiting for a command of an earlier driver", hint="Type it again.")
            if world.monotonic() >= until:
                raise StillRunning(
                    f"a command of an earlier driver still runs on {connection.node} (job {job.key})",
                    hint=f"Look on {connection.node} what it is (ps ax). When it has ended, type the same again; or "
                    "say --cancel as well, to end it.",
                )
