"""What can go wrong at a command, and between two steps: each as something done before it and something after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hamn_flow.model.command import Command, JobState, Key, NodeName, Result
from hamn_flow.search.safety import INTRUDER
from hamn_flow.search.scene import ByHand
from hamn_flow.simulator.faults import Fails, Hangs, Lies, LinkLost, Moment, PowerLost, Strikes
from hamn_flow.simulator.world import World, words_of

Deed = Callable[[World], None]
FOR_GOOD = 1_000_000  # tries to make a link, all in vain


def nothing(world: World) -> None:
    """Do nothing."""
    del world


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """One thing that goes wrong; `fatal`: the driver dies of it; `fails`: its node answers no more than that."""

    text: str
    before: Deed = nothing
    after: Deed = nothing
    fatal: bool = False
    fails: bool = False


def at_look(command: Command) -> Iterator[Mishap]:
    """What a look itself can come to."""
    node, look = command.node, Strikes.LOOKS
    yield Mishap(
        text=f"`{command.text}` fails on {node}",
        before=lambda world: world.fault(Fails(node=node, strikes=look, errors="something went wrong")),
    )
    yield Mishap(
        text=f"`{command.text}` hangs on {node}", before=lambda world: world.fault(Hangs(node=node, strikes=look))
    )


def node_goes(node: NodeName) -> Iterator[Mishap]:
    """A node or its link goes: at whichever look after a commit, it is found gone from then on."""
    yield Mishap(text=f"the link to {node} is lost", before=lambda world: world.lose_link(node))
    yield Mishap(text=f"the link to {node} is lost for good", before=lambda world: world.lose_link(node, FOR_GOOD))
    yield Mishap(text=f"{node} loses its power", before=lambda world: world.power_off(node))
    yield Mishap(text=f"{node} boots", before=lambda world: world.boot(node))


_COPYING = {"keep": "the copy could not be written: no space left on device", "fetch": "the copy could not be read"}


def at_copy(node: NodeName, deed: str) -> Iterator[Mishap]:
    """What a claim can come to, and what is done with a copy."""
    yield Mishap(text=f"the link to {node} is lost", before=lambda world: world.lose_link(node))
    if deed in _COPYING:
        yield Mishap(text=f"{node}: {_COPYING[deed]}", fails=True)


def at_job(key: Key, command: Command, other: NodeName) -> Iterator[Mishap]:
    """Before, during and after a command that changes something."""
    yield from _links(command)
    yield from _ends(key, command)
    yield from _powers(command, other)
    if command.argv[0] == "umount":
        yield Mishap(
            text=f"somebody works in {command.argv[-1]} on {command.node}",
            before=lambda world: _hold(world, command),
        )


def _links(command: Command) -> Iterator[Mishap]:
    node = command.node
    during = LinkLost(node=node, moment=Moment.DURING)
    yield Mishap(
        text=f"the driver dies while `{command.text}` runs", before=lambda world: world.fault(during), fatal=True
    )
    for moment in Moment:
        lost = LinkLost(node=node, moment=moment)
        yield Mishap(text=f"the link to {node} is lost {moment} the command", before=_faulty(lost))
        if moment is not Moment.DURING:
            gone = replace(lost, refusals=FOR_GOOD)
            yield Mishap(text=f"the link to {node} is lost for good {moment} the command", before=_faulty(gone))


def _faulty(fault: LinkLost | Fails | Lies | Hangs | PowerLost) -> Deed:
    return lambda world: world.fault(fault)


def _ends(key: Key, command: Command) -> Iterator[Mishap]:
    node, words, text = command.node, words_of(command), command.text
    fails = Fails(node=node, words=words, errors="something went wrong")
    lies = Lies(node=node, words=words)
    yield Mishap(text=f"`{text}` fails", before=_faulty(fails))
    yield Mishap(text=f"`{text}` fails each time", before=_faulty(replace(fails, times=0)))
    yield Mishap(text=f"`{text}` does nothing and says that it did", before=_faulty(lies))
    yield Mishap(text=f"`{text}` does nothing each time and says that it did", before=_faulty(replace(lies, times=0)))
    yield Mishap(text=f"`{text}` does it and says that it failed", after=_ended(node, key, failed=True))
    yield Mishap(text=f"`{text}` hangs", before=_faulty(Hangs(node=node, words=words)))
    yield Mishap(text=f"`{text}` does it and its end is lost", after=_ended(node, key, failed=False))
    yield Mishap(
        text=f"`{text}` does nothing and its end is lost",
        before=_faulty(lies),
        after=_ended(node, key, failed=False),
    )


def _ended(node: NodeName, key: Key, *, failed: bool) -> Deed:
    def end(world: World) -> None:
        job = world.node(node).launcher.jobs.get(key)
        if job is not None and job.state is JobState.DONE:
            job.state = JobState.DONE if failed else JobState.LOST
            job.result = Result(status=1, errors=b"something went wrong\n") if failed else None

    return end


def _powers(command: Command, other: NodeName) -> Iterator[Mishap]:
    node = command.node
    for moment in (Moment.BEFORE, Moment.AFTER):
        yield Mishap(
            text=f"{node} loses its power {moment} the command", before=_faulty(PowerLost(node=node, moment=moment))
        )
    yield Mishap(text=f"{node} boots after the command", after=lambda world: world.boot(node))
    yield Mishap(text=f"{other} loses its power before the command", before=lambda world: world.power_off(other))


def _hold(world: World, command: Command) -> None:
    world.hold(command.node, command.argv[-1], user=INTRUDER)


@dataclass(frozen=True, kw_only=True)
class Meddling:
    """What somebody does past hamn-flow between two steps."""

    text: str
    by_hand: tuple[ByHand, ...] = ()
    deed: Deed = nothing


def between_steps(world: World) -> Iterator[Meddling]:
    """Shared file systems that are mounted nowhere are mounted by hand; another host takes a free virtual IP."""
    state = world.state
    taken = {mount.file_system for node in state.nodes.values() for mount in node.mounts}
    free = [point for point, name in state.shared.items() if name not in taken]
    for node in state.nodes.values():
        if free and node.powered:
            by_hand = tuple(ByHand(node=node.name, mount_point=point) for point in free)
            yield Meddling(text=f"somebody mounts {', '.join(free)} on {node.name} by hand", by_hand=by_hand)
    if state.at(state.virtual_ip) is None and not state.strangers:
        yield Meddling(
            text=f"another host takes {state.virtual_ip}",
            deed=lambda world: world.state.strangers.add(world.state.virtual_ip),
        )
