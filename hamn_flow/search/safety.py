"""What is looked at in each state: whether a promise is broken, which node is active, and what is in the way."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import closing

from hamn_flow.catalog import thaw
from hamn_flow.engine.adopt import is_open
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
from hamn_flow.search.likeness import BOOTS, replayed, run_kept
from hamn_flow.search.scene import ByHand, Scene, Standing, asked, run_in
from hamn_flow.simulator.digest import digest
from hamn_flow.simulator.invariants import violations
from hamn_flow.simulator.state import KeyedJob, Node, State
from hamn_flow.simulator.world import World
from hamn_flow.steps.file_systems import Unmount

_EARLIER = "SELECT key FROM commands WHERE step = ? AND direction = ? AND text = ? AND key <> ?"
INTRUDER = "alice"  # who holds what is busy


def broken(state: State) -> Iterator[str]:
    """A sentence for each promise about the pair that is broken now, or was since this state's log began."""
    yield from state.violations
    yield from violations(state)
    for mount_point, name in state.shared.items():
        for node in state.nodes.values():
            if name in node.lingering:  # nobody else unmounts anything lazily here
                yield f"{mount_point} was unmounted lazily on {node.name} and is written to unseen"
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
    """What a person has to clear up before anything can go on; `by_hand`: what nobody counts on of what was done so."""
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
    """What is still mounted by hand, and not in use: nobody takes it from below a daemon, or one that is started."""
    for one in _mounted(state, by_hand):
        node = state.nodes[one.node]
        at_work = any(job.state is JobState.RUNNING and not _hangs(job) for job in node.launcher.jobs.values())
        if not at_work and not any(unit.started_on for unit in node.units.values()):
            yield one


def _mounted(state: State, by_hand: tuple[ByHand, ...]) -> tuple[ByHand, ...]:
    """What is still mounted by hand: a rollback leaves it, as it was not the run that mounted it."""
    mounted = {(node.name, mount.mount_point) for node in state.nodes.values() for mount in node.mounts}
    return tuple(one for one in by_hand if (one.node, one.mount_point) in mounted)


def _hangs(job: KeyedJob) -> bool:
    """Whether it will never end by itself."""
    return job.state is JobState.RUNNING and job.command is None


def uncounted(state: State, journal: MemoryJournal, by_hand: tuple[ByHand, ...]) -> tuple[ByHand, ...]:
    """Without what the run unmounts itself: a rollback finds that mounted as it was, and counts on it."""
    if not by_hand:
        return ()
    runs = [run for one in (journal, *_kept(state)) if (run := run_in(one))]
    steps = [thaw(record.planned) for run in runs[:1] for record in run.steps]
    its_own = {(step.node, step.file_system.mount_point) for step in steps if isinstance(step, Unmount)}
    return tuple(one for one in by_hand if (one.node, one.mount_point) not in its_own)


def _kept(state: State) -> Iterator[MemoryJournal]:
    """What the nodes keep of the last run."""
    if run := run_kept(state):
        yield from (replayed(run, node.copies.get(run, b""))[1] for node in state.nodes.values())


def cleared_up(scene: Scene) -> Scene:
    """What a person makes of a scene who does away with all that is `in_the_way`, and boots what is off."""
    state, saved = scene.state(), scene.saved_journal()
    with closing(MemoryJournal(saved)) as journal:
        left = tuple(_left(state, uncounted(state, journal, scene.by_hand)))
    world = World(state)
    for node in state.nodes.values():
        for pid in [pid for pid, each in node.processes.items() if each.user == INTRUDER]:
            del node.processes[pid]
        for job in node.launcher.jobs.values():
            if _hangs(job):
                job.state, job.result = JobState.DONE, Result(status=-9)
        if not node.powered:
            world.boot(node.name)
    for one in left:
        world.run(one.node, "umount", one.mount_point)
    state.strangers.clear()
    return Scene.packed(state, saved, _mounted(state, scene.by_hand))


def wrongly_launched(
    state: State, journal: MemoryJournal, cluster: Cluster, key: Key, command: Command
) -> Iterator[str]:
    """Why this command must not be launched now.

    Its intent must be in the journal, and nothing may run there that the journal does not know. If its step launched it
    before, that one must have ended, and the effect must be absent when the first command of the new intent is
    launched, as the step's own look finds it where nothing disturbs it.
    """
    known = {Key(str(one)) for (one,) in journal.rows("SELECT key FROM commands")}
    jobs = state.nodes[command.node].launcher.jobs
    running = {one for one, job in jobs.items() if job.state is JobState.RUNNING}
    launched = f"`{command.text}` is launched on {command.node}"
    if key not in known:
        yield f"{launched}, and the journal does not know of it"
        return
    if not running <= known:
        yield f"{launched} while a command still runs that the journal does not know"
    ((step, way, number),) = journal.rows("SELECT step, direction, command FROM commands WHERE key = ?", key)
    earlier = [Key(str(one)) for (one,) in journal.rows(_EARLIER, step, way, command.text, key)]
    if running.intersection(earlier):
        yield f"{launched} by {step} while its first launch still runs"
    record = journal.step(journal.runs()[0].id, step)
    if not earlier or number or thaw(record.planned).once:
        return
    if _truth(state, cluster, record, Direction(way)).finding is Finding.DONE:
        yield f"{launched} by {step} again, though its effect is there"


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
    obstacles = tuple(dict.fromkeys(in_the_way(state, uncounted(state, journal, by_hand))))
    return Standing(
        state=run.summary.state if run else None,
        kept=run is None and keep_an_open_run(state),
        forward=run is None or run.summary.direction is Direction.FORWARD,
        step=run.summary.halt.step if run and run.summary.halt else "",
        asks=asked(run) if run else "",
        active=active_node(state, cluster),
        off=off,
        in_the_way=obstacles,
        doubted=frozenset(step.name for step in run.steps if step.doubted) if run else frozenset(),
        digest="" if rebooted or obstacles or off or _mounted(state, by_hand) else digest(state),
    )


def keep_an_open_run(state: State) -> bool:
    """Whether a machine whose journal has nothing could adopt a run."""
    run = run_kept(state)
    copies = [replayed(run, node.copies.get(run, b""))[0] for node in state.nodes.values()] if run else []
    return any(is_open(copy.commits) for copy in copies)
