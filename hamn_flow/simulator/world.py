"""The world: two nodes, their launchers, and everything that can be done to them from outside.

A look is carried out at once. A job is carried out when it is launched, unless a fault or a pace says otherwise; it
is claimed under its key first, so it runs at most once, and whoever launches must hold the node's generation.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from hamn_flow.errors import LookFailed, StaleDriver, Unreachable
from hamn_flow.journal.chain import SUM
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.simulator import exports, files, machine, network, postgres, storage, units, xcat
from hamn_flow.simulator.digest import digest, picture
from hamn_flow.simulator.faults import (
    DriverKilled,
    Fails,
    Fault,
    Hangs,
    HolderAppears,
    Lies,
    Lingers,
    LinkLost,
    Moment,
    PowerLost,
    Strikes,
)
from hamn_flow.simulator.host import ChangedByLookError, Host, Program, UnknownCommandError, hold_at, spawn
from hamn_flow.simulator.invariants import violations
from hamn_flow.simulator.seconds import taken, usual
from hamn_flow.simulator.state import Executed, KeyedJob, Launcher, Node, Process, State
from hamn_flow.transport.connection import Held, Hello, Kept, Piece

PROGRAMS: Mapping[str, Program] = {
    **storage.PROGRAMS,
    **files.PROGRAMS,
    **network.PROGRAMS,
    **units.PROGRAMS,
    **exports.PROGRAMS,
    **xcat.PROGRAMS,
    **postgres.PROGRAMS,
}

Watch = Callable[[NodeName, Key | None, Command], None]


def words_of(command: Command) -> tuple[str, ...]:
    """A command's words as the simulator and its faults know them: a script's name stands for `perl -`."""
    return (command.script, *command.argv[2:]) if command.script else command.argv


def unwatched(node: NodeName, key: Key | None, command: Command) -> None:
    """The callback that does nothing."""
    del node, key, command


def no_driver() -> None:
    """The driver cannot be killed: it is this very process."""
    message = "a world in the driver's own process cannot kill it; use a callback that raises"
    raise RuntimeError(message)


class LinkCutError(Exception):
    """The link went away in the middle of a command: what was asked may or may not have happened."""


class World:
    """Two nodes and a shared disk. All times in seconds; `state` is plain data, everything else is how it is run.

    `before` and `after` are called around every command (with the key of a job, None for a look) and may raise.
    `pace` makes a job take so many times what it takes on a real system; 0: no time at all. A command that nobody
    understands is noted in `state.unknown` and raises, or, where `lenient`, ends with status 127.
    """

    def __init__(
        self,
        state: State,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        before: Watch = unwatched,
        after: Watch = unwatched,
        kill_driver: Callable[[], None] = no_driver,
        pace: float = 0.0,
        lenient: bool = False,
    ) -> None:
        self.state = state
        self.clock = clock
        self.sleep = sleep
        self.before = before
        self.after = after
        self.kill_driver = kill_driver
        self.pace = pace
        self.lenient = lenient
        self.changed = threading.Condition(threading.RLock())

    # --- for tests and demonstrations -----------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything, to be restored later."""
        with self.changed:
            return pickle.dumps(self.state, pickle.HIGHEST_PROTOCOL)

    def restore(self, snapshot: bytes) -> None:
        """The world as it was; connections made since are as good as new ones."""
        with self.changed:
            self.state = pickle.loads(snapshot)  # noqa: S301 - our own snapshot
            self.changed.notify_all()

    def digest(self) -> str:
        """A name for the state that matters (digest.py says what that is)."""
        with self.changed:
            return digest(self.state)

    def picture(self) -> dict[str, object]:
        """What the digest is made of, to be compared by eye."""
        with self.changed:
            return picture(self.state)

    def fault(self, *faults: Fault) -> None:
        """Put faults into the world."""
        with self.changed:
            self.state.faults += faults

    def clear_faults(self) -> None:
        """Take all faults out; what they did stays."""
        with self.changed:
            self.state.faults.clear()

    def node(self, name: str) -> Node:
        """A node's state."""
        return self.state.nodes[NodeName(name)]

    def power_off(self, name: str) -> None:
        """Cut a node's power."""
        with self.changed:
            machine.power_off(self.state, self.node(name))
            self.changed.notify_all()

    def boot(self, name: str) -> None:
        """Boot a node (again)."""
        with self.changed:
            machine.boot(self.state, self.node(name))
            self.changed.notify_all()

    def lose_link(self, name: str, refusals: int = 0) -> None:
        """Cut all connections to a node; new ones can be made, after so many tries in vain."""
        with self.changed:
            self.node(name).links += 1
            self.node(name).refusals = refusals
            self.changed.notify_all()

    def fill(self, name: str) -> None:
        """Fill the disk on which a node keeps copies of journals; what it keeps of them stays."""
        with self.changed:
            self.node(name).full = True

    def hold(
        self, name: str, path: str, *, kind: str = "cwd", user: str = "alice", command: str = "bash",
        ignores: tuple[str, ...] = (),
    ) -> Process:  # fmt: skip
        """Somebody begins to hold whatever file system answers for a path."""
        with self.changed:
            node = self.node(name)
            hold = hold_at(self.state, node, kind, path)
            unit = "session-1.scope"
            return spawn(node, f"-{command}", user=user, unit=unit, command=command, holds=(hold,), ignores=ignores)

    def let_go(self, name: str, process: Process) -> None:
        """That process ends by itself."""
        with self.changed:
            self.node(name).processes.pop(process.pid, None)

    def run(self, node: str, *words: str, environment: Iterable[tuple[str, str]] = ()) -> Result:
        """A person's own command on a node: no key, no fault, not in the log."""
        with self.changed:
            script = words[0] if words[0].endswith(".pl") else ""
            argv = ("perl", "-", *words[1:]) if script else words
            command = Command(node=NodeName(node), argv=argv, script=script, environment=tuple(environment))
            return self._carry_out(self.node(node), command, job=True)

    # --- for connections --------------------------------------------------------------------------------------

    def greet(self, name: NodeName) -> Hello:
        """What a node says first; Unreachable if it is off."""
        with self.changed:
            node = self._reached(name)
            if node.refusals:
                node.refusals -= 1
                message = f"{name} cannot be reached: Connection refused"
                raise Unreachable(message)
            launcher = node.launcher
            return Hello(boot_id=node.boot_id, generation=launcher.generation, owner=launcher.owner, user_id=0)

    def look(self, name: NodeName, command: Command) -> Result:
        """Carry out a command that only reads."""
        with self.changed:
            node = self._reached(name)
            self.state.looks += 1
            self.before(name, None, command)
            struck = self._struck(node, command, job=False)
            for fault in struck:
                self._strike(node, fault, at=(Moment.BEFORE, Moment.DURING))
                if isinstance(fault, Hangs):
                    message = f"{command.text} did not end on {name} within {command.deadline:g} s"
                    raise LookFailed(message)
            result = _said_instead(struck) or self._carry_out(node, command, job=False)
            for fault in struck:
                self._strike(node, fault, at=(Moment.AFTER,))
            self.after(name, None, command)
            return result

    def held(self, name: NodeName) -> Held:
        """How a node is held, with the jobs that run on it."""
        with self.changed:
            launcher = self._reached(name).launcher
            running = tuple(key for key, job in launcher.jobs.items() if job.state is JobState.RUNNING)
            return Held(generation=launcher.generation, owner=launcher.owner, running=running)

    def claim(self, name: NodeName, owner: str, *, generation: int, holder: str) -> Held:
        """The node's next generation for this owner, if the present one and its holder are these."""
        with self.changed:
            launcher = self._reached(name).launcher
            if (launcher.generation, launcher.owner) == (generation, holder):
                launcher.generation += 1
                launcher.owner = owner
            return self.held(name)

    def keep(self, name: NodeName, copy: str, piece: Piece) -> Kept:
        """Append to a copy that has so many bytes; how it is then. StaleDriver if another holds the node.

        LookFailed where there is no room for it; what was kept before is set aside then.
        """
        with self.changed:
            node = self._reached(name)
            copies, launcher = node.copies, node.launcher
            if piece.text and (launcher.generation, launcher.owner) != (piece.generation, piece.owner):
                raise self.stale(name)
            if piece.text and len(copies.get(copy, b"")) == piece.at:
                if node.full:
                    _put_aside(copies, copy)
                    message = "cannot write: No space left on device"
                    raise LookFailed(message)
                copies[copy] = copies.get(copy, b"") + piece.text
            kept = copies.get(copy, b"")
            return Kept(size=len(kept), end=kept[-SUM - 1 :])

    def copies(self, name: NodeName) -> dict[str, bytes]:
        """The copies that a node keeps, to be changed as well."""
        with self.changed:
            return self._reached(name).copies

    def set_aside(self, name: NodeName, copy: str, *, generation: int, owner: str) -> Kept:
        """Give a copy another name. StaleDriver if another holds the node."""
        with self.changed:
            node = self._reached(name)
            copies, launcher = node.copies, node.launcher
            if (launcher.generation, launcher.owner) != (generation, owner):
                raise self.stale(name)
            _put_aside(copies, copy)
            return Kept(size=0)

    def launch(self, name: NodeName, key: Key, command: Command, *, generation: int, owner: str) -> bool:
        """Claim the key, then look at the generation, then run; False if the key was used before."""
        with self.changed:
            node = self._reached(name)
            launcher = node.launcher
            if key in launcher.jobs:
                return False
            if (launcher.generation, launcher.owner) != (generation, owner):
                launcher.jobs[key] = KeyedJob(JobState.REFUSED)
                raise self.stale(name)
            self.state.jobs += 1
            self.before(name, key, command)
            struck = self._struck(node, command, job=True)
            for fault in struck:
                self._strike(node, fault, at=(Moment.BEFORE,))
            job = launcher.jobs[key] = KeyedJob(JobState.RUNNING, command=command)
            self._begin(node, key, job, struck)
            for fault in struck:
                self._strike(node, fault, at=(Moment.DURING, Moment.AFTER))
            self.after(name, key, command)
            return True

    def stale(self, name: NodeName) -> StaleDriver:
        """The refusal of a launch under a generation that is not the node's."""
        return self.held(name).refusal(name)

    def ask(self, name: NodeName, key: Key) -> Job:
        """What became of a key."""
        with self.changed:
            job = self._reached(name).launcher.jobs.get(key)
            if job is None:
                return Job(key=key, state=JobState.NONE)
            return Job(key=key, state=job.state, result=job.result)

    def wait(self, name: NodeName, key: Key) -> Job:
        """The same; a job that only waits to be waited for ends now."""
        with self.changed:
            launcher = self._reached(name).launcher
            job = launcher.jobs.get(key)
            if job is not None and job.awaited is not None and job.awaited <= launcher.generation:
                self.finish(name, key)
            return self.ask(name, key)

    def finish(self, name: str, key: Key) -> None:
        """Let a running job take effect and end; nothing happens if it does not run any more."""
        with self.changed:
            node = self.node(name)
            job = node.launcher.jobs.get(key)
            if job is not None and job.state is JobState.RUNNING and job.command is not None and node.powered:
                self._end(node, key, job, self._carry_out(node, job.command, job=True))

    def cancel(self, name: NodeName, key: Key, signal: str) -> bool:
        """TERM or KILL a job's process group; False if it did not run."""
        with self.changed:
            node = self._reached(name)
            job = node.launcher.jobs.get(key)
            if job is None or job.state is not JobState.RUNNING:
                return False
            self._end(node, key, job, Result(status={"TERM": -15, "KILL": -9}[signal]))
            return True

    # --- how a command is carried out ---------------------------------------------------------------------------

    def _reached(self, name: NodeName) -> Node:
        node = self.state.nodes[name]
        if not node.powered:
            message = f"{name} does not answer"
            raise Unreachable(message)
        return node

    def _begin(self, node: Node, key: Key, job: KeyedJob, struck: list[Fault]) -> None:
        """Run a claimed job, or leave it running."""
        command = job.command
        if command is None:
            return
        if any(isinstance(fault, Hangs) for fault in struck):
            job.command = None
            self._record(node, key, command, None)
        elif any(isinstance(fault, LinkLost | DriverKilled) and fault.moment is Moment.DURING for fault in struck):
            job.awaited = node.launcher.generation
        elif lingers := [fault for fault in struck if isinstance(fault, Lingers)]:
            job.awaited = node.launcher.generation + 1 if lingers[0].outlives else None
        else:
            said = _said_instead(struck)
            if said is None and self.pace > 0:
                timer = threading.Timer(self.pace * usual(words_of(command)), self.finish, (node.name, key))
                timer.daemon = True
                timer.start()
            else:
                self._end(node, key, job, said or self._carry_out(node, command, job=True))

    def _end(self, node: Node, key: Key, job: KeyedJob, result: Result) -> None:
        if job.command is not None:
            self._record(node, key, job.command, result.status)
        job.state, job.result, job.command, job.awaited = JobState.DONE, result, None, None
        self.changed.notify_all()

    def _record(self, node: Node, key: Key, command: Command, status: int | None) -> None:
        entry = Executed(node=node.name, key=key, argv=words_of(command), text=command.text, status=status)
        self.state.log.append(entry)
        self.state.violations += (f"after {command.text} on {node.name}: {what}" for what in violations(self.state))

    def _carry_out(self, node: Node, command: Command, *, job: bool) -> Result:
        units.go_on(self.state, node)
        program, *words = words_of(command)
        host = Host(
            state=self.state,
            node=node,
            program=program,
            words=tuple(words),
            environment=dict(command.environment),
            job=job,
            clock=self.clock,
        )
        try:
            if program not in PROGRAMS or (command.text_in and not command.script):
                raise host.unknown()
            result = PROGRAMS[program](host)
        except (UnknownCommandError, ChangedByLookError) as error:
            self.state.unknown.append(str(error))
            if not self.lenient:
                raise
            result = Result(status=127, errors=f"simulator: not understood: {error}\n".encode())
        return replace(result, seconds=taken(words_of(command), result))

    # --- faults -------------------------------------------------------------------------------------------------

    def _struck(self, node: Node, command: Command, *, job: bool) -> list[Fault]:
        """The faults that strike this command; each is used up by one."""
        if not self.state.faults:
            return []
        words = words_of(command)
        struck: list[Fault] = []
        left: list[Fault] = []
        for fault in self.state.faults:
            fits = fault.strikes is Strikes.BOTH or (fault.strikes is Strikes.JOBS) == job
            if not (fits and fault.node in {"", node.name} and words[: len(fault.words)] == fault.words):
                left.append(fault)
            elif fault.passes:
                left.append(replace(fault, passes=fault.passes - 1))
            else:
                struck.append(fault)
                if fault.times != 1:
                    left.append(replace(fault, times=max(fault.times - 1, 0)))
        self.state.faults = left
        return struck

    def _strike(self, node: Node, fault: Fault, *, at: tuple[Moment, ...]) -> None:
        """What a fault does to the world around the command."""
        match fault:
            case HolderAppears() if Moment.BEFORE in at:
                self.hold(
                    node.name, fault.path, kind=fault.kind, user=fault.user, command=fault.command,
                    ignores=fault.ignores,
                )  # fmt: skip
            case LinkLost(moment=moment, refusals=refusals) if moment in at:
                self.lose_link(node.name, refusals)
                message = f"the link to {node.name} was lost"
                raise LinkCutError(message)
            case PowerLost(moment=moment) if moment in at:
                self.power_off(node.name)
                message = f"{node.name} does not answer any more"
                raise LinkCutError(message)
            case DriverKilled(moment=moment) if moment in at:
                self.lose_link(node.name)
                self.kill_driver()
                message = "the driver was killed"
                raise LinkCutError(message)
            case _:
                return


def _put_aside(copies: dict[str, bytes], copy: str) -> None:
    if copy in copies:
        copies[f"{copy}.aside{sum(each.startswith(copy) for each in copies)}"] = copies.pop(copy)


def _said_instead(struck: list[Fault]) -> Result | None:
    """What a command says that does nothing."""
    for fault in struck:
        if isinstance(fault, Fails):
            return Result(status=fault.status, output=fault.output.encode(), errors=fault.errors.encode())
        if isinstance(fault, Lies):
            return Result(status=0, output=fault.output.encode())
    return None


def forget_jobs(node: Node) -> None:
    """What wiping /run does: the launcher knows no key and no generation."""
    node.launcher = Launcher()
