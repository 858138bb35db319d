"""What is looked at in each state: whether a promise is broken, which node is active, and what is in the way."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping

from hamn_flow.catalog import thaw
from hamn_flow.errors import Unreachable
from hamn_flow.facts.node import Node as Seen
from hamn_flow.facts.node import Nodes
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.command import Command, JobState, Key, NodeName, Result
from hamn_flow.model.pair import Cluster
from hamn_flow.model.probe import Finding, Probe, unknown
from hamn_flow.model.run import Direction, StepRecord
from hamn_flow.search.scene import RUN, ByHand, Standing, run_in
from hamn_flow.simulator.digest import digest
from hamn_flow.simulator.invariants import violations
from hamn_flow.simulator.state import KeyedJob, Node, State
from hamn_flow.simulator.world import World

BOOTS = 2  # Node.boots of the standard pair, as long as nothing happens to it
_EARLIER = "SELECT key FROM commands WHERE run = ? AND step = ? AND direction = ? AND text = ? AND key <> ?"
INTRUDER = "alice"  # who holds what is busy


def broken(state: State) -> Iterator[str]:
    """A sentence for each promise about the pair that is broken now, or was since this state's log began."""
    yield from state.violations
    yield from violations(state)
    yield from (f"nobody understands the command {words}" for words in state.unknown)


def active_node(state: State, cluster: Cluster) -> str:
    """The one node that has everything of the role, while the other has nothing of it; empty if there is none."""
    has = {node.name: _has(node, state, cluster) for node in state.nodes.values() if node.powered}
    some = [name for name, parts in has.items() if any(parts.values())]
    return some[0] if len(some) == 1 and all(has[some[0]].values()) else ""


def _has(node: Node, state: State, cluster: Cluster) -> Mapping[str, bool]:
    mounted = {each.mount_point for each in node.mounts if state.shared.get(each.mount_point) == each.file_system}
    units = {unit.daemon for unit in node.units.values() if unit.active}
    daemons = ("xcatd", "postgresql") if cluster.database.data_directory else ("xcatd",)
    return {
        "virtual ip": any(each.address == state.virtual_ip for each in node.addresses),
        **{point: point in mounted for point in state.shared},
        **{daemon: daemon in units for daemon in daemons},
    }


def in_the_way(state: State, by_hand: tuple[ByHand, ...]) -> Iterator[str]:
    """What a person has to clear up before anything can go on."""
    points = {name: point for point, name in state.shared.items()}
    for node in state.nodes.values():
        strangers = [each for each in node.processes.values() if each.user == INTRUDER]
        busy = {points.get(hold.file_system, "") for each in strangers for hold in each.holds}
        yield from (f"{point or 'the root'} is busy on {node.name}" for point in sorted(busy))
        if any(_hangs(job) for job in node.launcher.jobs.values()):
            yield f"a command hangs on {node.name}"
        if any(one.node == node.name for one in _left(state, by_hand)):
            yield f"file systems were mounted on {node.name} by hand"
    if state.strangers:
        yield "another host has the virtual IP"


def _left(state: State, by_hand: tuple[ByHand, ...]) -> Iterator[ByHand]:
    """What is still mounted by hand, and not in use: nobody takes it from below a daemon."""
    for one in _mounted(state, by_hand):
        if not any(unit.started_on for unit in state.nodes[one.node].units.values()):
            yield one


def _mounted(state: State, by_hand: tuple[ByHand, ...]) -> tuple[ByHand, ...]:
    """What is still mounted by hand: a rollback leaves it, as it was not the run that mounted it."""
    mounted = {(node.name, mount.mount_point) for node in state.nodes.values() for mount in node.mounts}
    return tuple(one for one in by_hand if (one.node, one.mount_point) in mounted)


def _hangs(job: KeyedJob) -> bool:
    """Whether it will never end by itself."""
    return job.state is JobState.RUNNING and job.command is None


def cleared_up(state: State, by_hand: tuple[ByHand, ...]) -> None:
    """A person does what `in_the_way` says, and boots what is off."""
    world = World(state)
    for node in state.nodes.values():
        for pid in [pid for pid, each in node.processes.items() if each.user == INTRUDER]:
            del node.processes[pid]
        for job in node.launcher.jobs.values():
            if _hangs(job):
                job.state, job.result = JobState.DONE, Result(status=-9)
        if not node.powered:
            world.boot(node.name)
    for one in _left(state, by_hand):
        world.run(one.node, "umount", one.mount_point)
    state.strangers.clear()


def launch_again(state: State, journal: MemoryJournal, cluster: Cluster, key: Key, command: Command) -> str:
    """Why this command must not be launched now; empty if it may be.

    Its intent must be in the journal. If the step launched it before, that one must have ended, and the effect must
    be absent when the first command of the new intent is launched, as the step's own look finds it where nothing
    disturbs it.
    """
    rows = journal.rows("SELECT step, direction, command FROM commands WHERE key = ?", key)
    if not rows:
        return f"`{command.text}` is launched on {command.node}, and the journal does not know of it"
    step, direction, number = str(rows[0][0]), Direction(str(rows[0][1])), rows[0][2]
    earlier = [Key(str(one)) for (one,) in journal.rows(_EARLIER, RUN, step, direction, command.text, key)]
    if not earlier:
        return ""
    jobs = state.nodes[command.node].launcher.jobs
    if any(one in jobs and jobs[one].state is JobState.RUNNING for one in earlier):
        return f"`{command.text}` of {step} is launched on {command.node} while its first launch still runs"
    record = journal.step(RUN, step)
    if number or thaw(record.planned).once:
        return ""
    if _truth(state, cluster, record, direction).finding is Finding.DONE:
        return f"`{command.text}` of {step} is launched on {command.node} again, though its effect is there"
    return ""


def _truth(state: State, cluster: Cluster, record: StepRecord, direction: Direction) -> Probe:
    """What the step's look finds in a copy of the nodes, where nothing disturbs it."""
    copy: State = pickle.loads(pickle.dumps(state))  # noqa: S301 -- our own
    copy.faults.clear()
    world = World(copy)

    def look(command: Command) -> Result:
        return world.look(command.node, command)

    by_name = {spec.name: Seen(spec=spec, platform=SystemdLinux(node=spec.name), look=look) for spec in cluster.nodes}
    nodes, step = Nodes(cluster=cluster, by_name=by_name), thaw(record.planned)
    try:
        return step.probe(nodes) if direction is Direction.FORWARD else step.reverted(nodes, record.seen)
    except (Unreachable, Unreadable) as error:
        return unknown(error.sentence)


def other_than(state: State, node: NodeName) -> NodeName:
    """The name of the other node."""
    return state.peer_of(state.nodes[node]).name


def standing(cluster: Cluster, state: State, journal: MemoryJournal, by_hand: tuple[ByHand, ...]) -> Standing:
    """What is judged of a scene."""
    run = run_in(journal)
    rebooted = any(node.boots > BOOTS for node in state.nodes.values())
    off = tuple(str(node.name) for node in state.nodes.values() if not node.powered)
    obstacles = tuple(dict.fromkeys(in_the_way(state, by_hand)))
    return Standing(
        state=run.summary.state if run else None,
        forward=run is None or run.summary.direction is Direction.FORWARD,
        step=run.summary.halt.step if run and run.summary.halt else "",
        active=active_node(state, cluster),
        off=off,
        in_the_way=obstacles,
        digest="" if rebooted or obstacles or off or _mounted(state, by_hand) else digest(state),
    )
