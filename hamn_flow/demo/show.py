"""The play: a failover that halts and is resumed, and one that is rolled back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

from hamn_flow.demo.stage import Cut, Scene, scene
from hamn_flow.simulator.faults import Fails
from hamn_flow.simulator.invariants import violations
from hamn_flow.simulator.state import Node, State

_BUSY = "/install"
_TO_THE_COUNT = Cut(shown=32, until=r"\d+ of \d+ checks")
_TO_THE_RUN = Cut(shown=1, until="run ")


def run(journal: Path | None = None, say: Callable[[str], None] | None = None) -> int:
    """Play it; 0 if everything went as it should, 1 if not, with what did not."""
    say = say or _print
    begun = monotonic()
    with scene(say, journal) as stage:
        _introduce(stage)
        _halted_and_resumed(stage)
        _rolled_back(stage)
        _look_back(stage)
        state = stage.pair.world.state
        stage.expect(f"every command is understood, not {state.unknown}", holds=not state.unknown)
    if stage.unexpected:
        say("\nThis did not go as it should:\n" + "".join(f"  {each}\n" for each in stage.unexpected))
        return 1
    say(
        f"\nIn {monotonic() - begun:.0f} s: a failover that halted on a busy file system, was resumed, and done;\n"
        "and one that could not go on, and was rolled back. At no time were two nodes active.\n"
    )
    return 0


def _introduce(stage: Scene) -> None:
    stage.say(
        "Two simulated xCAT management nodes, each behind an SSH server of its own on loopback.\n"
        f"  cluster file  {stage.pair.cluster_file}\n"
        f"  journal       {stage.journal}\n"
    )
    _who_is_active(stage, "mn1")
    stage.say("\nWhat would a planned failover do?\n")
    stage.type("plan", "planned-failover", ends=0, cut=_TO_THE_COUNT)


def _halted_and_resumed(stage: Scene) -> None:
    stage.say(f"\nAlice has a shell on mn1 that stands in {_BUSY}. Nobody knows; the failover is started.\n")
    shell = stage.pair.world.hold("mn1", _BUSY, user="alice")
    stage.type("start", "planned-failover", "--yes", ends=3, says=f"{_BUSY} is busy", cut=_TO_THE_RUN)
    stage.say("\nIt has halted: nothing is forced. How does it stand?\n")
    stage.type("status", ends=0, says="waiting")
    stage.say("\nAlice is asked to leave, and does. Go on:\n")
    stage.pair.world.let_go("mn1", shell)
    stage.type("resume", "--yes", ends=0, says="is done", cut=Cut(shown=6, until=r"\d+ steps to do"))
    _who_is_active(stage, "mn2")


def _rolled_back(stage: Scene) -> None:
    world = stage.pair.world
    before = world.digest()
    stage.say("\nNow the other way round. But on mn1 the disk of /install has become unreadable.\n")
    says = "mount: /install: can't read superblock on /dev/sdb2."
    world.fault(Fails(node="mn1", words=("mount",), passes=1, times=0, status=32, errors=says + "\n"))
    stage.type("start", "planned-failover", "--yes", ends=3, says="can't read superblock", cut=_TO_THE_RUN)
    stage.say("\nThe role is on neither node now. mn1 cannot take it, so back to mn2 with it:\n")
    stage.type("rollback", "--yes", ends=0, says="is rolled back", cut=Cut(shown=6, until=r"\d+ steps to do"))
    world.clear_faults()
    _who_is_active(stage, "mn2")
    stage.expect("after the rollback the pair is as it was before", holds=world.digest() == before)


def _look_back(stage: Scene) -> None:
    stage.say("\nBoth runs are in the journal; hamn-flow show RUN tells a run's whole story.\n")
    stage.type("runs", ends=0, says="rolled back")
    stage.type("status", ends=0, says="rolled back")


def _who_is_active(stage: Scene, name: str) -> None:
    """A table of who holds what, straight from the simulated world."""
    state = stage.pair.world.state
    nodes = list(state.nodes.values())
    rows = [("", *(node.name for node in nodes)), *_rows(state, nodes)]
    stage.say("\n" + "".join(f"    {row[0]:<14}{row[1]:<12}{row[2]}\n" for row in rows))
    broken = list(violations(state))
    stage.expect(f"one node alone is active: {', '.join(broken)}", holds=not broken)
    stage.expect(
        f"{name} is active", holds=_holds_address(state, state.nodes[nodes[0].name]) == (nodes[0].name == name)
    )
    stage.expect(f"the disks are with {name}", holds=_mounted(state, _named(nodes, name)) == len(state.shared))


def _rows(state: State, nodes: list[Node]) -> Iterator[tuple[str, ...]]:
    yield ("virtual IP", *("up" if _holds_address(state, node) else "-" for node in nodes))
    yield ("shared disks", *(f"{_mounted(state, node)} mounted" if _mounted(state, node) else "-" for node in nodes))
    for what in ("postgresql@15-main", "xcatd"):
        yield (what.partition("@")[0], *("running" if node.units[f"{what}.service"].active else "-" for node in nodes))


def _named(nodes: list[Node], name: str) -> Node:
    return next(node for node in nodes if node.name == name)


def _holds_address(state: State, node: Node) -> bool:
    return any(address.address == state.virtual_ip for address in node.addresses)


def _mounted(state: State, node: Node) -> int:
    return sum(mount.own and mount.mount_point in state.shared for mount in node.mounts)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
