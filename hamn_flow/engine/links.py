"""The links of one driver to both nodes: looks, keyed jobs, and finding a node again.

A node that was reached and is lost is sought for as long as the policy says, whatever it is needed for: a look, a
launch, or the end of a job. One that was never reached, or sought in vain, is tried once at a time, so that a dead
host is waited for only once. A look is repeated. A job may not be: the generation is raised first, and only then the
key is asked for. Steps that run side by side share one link to each node; who finds it lost first makes the new
one, and the others take that.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock, RLock
from typing import Protocol, TypeVar

from tenacity import Retrying, retry_if_exception, wait_exponential

from hamn_flow.engine.claim import claimed, refuse_held, with_those_before
from hamn_flow.engine.copies import Copies
from hamn_flow.engine.world import World
from hamn_flow.errors import Busy, LookFailed, OutcomeUnknown, Rebooted, Unreachable
from hamn_flow.facts.asking import Together
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.journal.chain import Copy
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.model.pair import Cluster
from hamn_flow.transport.connection import Connection, Held, Hello, Owner

Answer = TypeVar("Answer")

GRACE = 10.0  # seconds between TERM and KILL, and after KILL
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries to hear of a command, each twice the last one


class Cancelling(Protocol):
    """Told before a job is sent a signal, so that the journal knows first."""

    def __call__(self, key: Key, signal: str) -> None:
        """The key's job is about to be sent that signal."""
        ...


def _away(error: BaseException) -> bool:
    """A node that answers that a look failed is there; one that was rebooted is not what it was when it was lost."""
    return isinstance(error, Unreachable) and not isinstance(error, LookFailed | Rebooted)


def _lost(node: NodeName, error: Unreachable) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the link to {node} was lost while a command was under way: {error.sentence}",
        hint=f"See that {node} can be reached, then type hamn-flow resume.",
    )


@dataclass
class Links:
    """Connections made when first needed. Without an owner they only look and no generation is raised."""

    cluster: Cluster
    world: World
    owner: Owner | None = None
    former: Container[str] = frozenset()  # drivers that a node may be taken from (claim.py)
    new_boots: Container[NodeName] = frozenset()  # nodes that were booted since the run last saw them
    known_boots: dict[NodeName, str] = field(default_factory=dict)
    seen: Callable[[NodeName, Hello, int], None] = lambda _node, _hello, _generation: None
    copies: Copies | None = None
    regain: Callable[[NodeName, Held], None] = lambda _node, _held: None  # before a free node is claimed again
    forgetful: set[NodeName] = field(default_factory=set)  # nodes that have lost what they knew of jobs, in one boot
    found_running: Callable[[Connection, tuple[Key, ...]], None] = lambda _connection, _keys: None
    _open: dict[NodeName, tuple[Connection, int]] = field(default_factory=dict)
    _changing: Lock = field(default_factory=Lock, repr=False)  # held while that is changed, never for long
    _known: set[NodeName] = field(default_factory=set)  # reached once, and not sought in vain since
    _held: dict[NodeName, int] = field(default_factory=dict)
    _free: dict[NodeName, str] = field(default_factory=dict)  # what free nodes said before they were claimed
    _quiet: set[NodeName] = field(default_factory=set)  # where nothing of an earlier driver runs any more
    _turns: dict[NodeName, RLock] = field(init=False)
    _tries: dict[NodeName, int] = field(init=False)
    _failed: dict[NodeName, Unreachable] = field(default_factory=dict)  # what the last try came to, if to nothing
    _closed: bool = False
    _together: Together = field(init=False)

    def __post_init__(self) -> None:
        self._together = Together(self._look)
        self._turns = {spec.name: RLock() for spec in self.cluster.nodes}
        self._tries = {spec.name: 0 for spec in self.cluster.nodes}

    @property
    def nodes(self) -> Nodes:
        """Both nodes as steps see them."""
        by_name = {
            spec.name: Node(
                spec=spec, platform=SystemdLinux(node=spec.name), look=self.look, abreast=self.world.abreast
            )
            for spec in self.cluster.nodes
        }
        return Nodes(cluster=self.cluster, by_name=by_name)

    def connect(self) -> None:
        """Reach both nodes now, side by side; one that does not answer is found out when it is needed."""
        reached = self.world.abreast([partial(self.reach, spec.name) for spec in self.cluster.nodes])
        for error in reached:
            if error is not None and not isinstance(error, Unreachable):
                raise error

    def reach(self, node: NodeName) -> None:
        """Reach a node, if it is not: by this a boot is noticed. Unreachable if it does not answer."""
        self._connection(node)

    def look(self, command: Command) -> Result:
        """Run a command that only reads; Unreachable if the node is not there, or is lost and not found again in time.

        Steps that ask the same side by side share a look that began after all of them had asked.
        """
        return self._together(command)

    def _look(self, command: Command) -> Result:
        return self._sought(command.node, partial(self._looked, command))

    def _looked(self, command: Command) -> Result:
        connection, _ = self._connection(command.node)
        try:
            return connection.look(command)
        except Unreachable as error:
            if _away(error):
                self._drop(connection)
            raise

    def launch(self, key: Key, command: Command) -> bool:
        """Launch a job; False if the link was lost before: it is made again, but what was seen may not be so any more.

        True where the launch was sent, whether or not it arrived: `attach` knows. Unreachable if the node cannot be
        found for it; StaleDriver if another driver took over, and then it is certain that nothing was launched.
        """
        if self.owner is None:
            raise AssertionError("a job needs an owner")
        held = self._open.get(command.node)
        if held is None:
            self._sought(command.node, partial(self._connection, command.node))
            return False
        connection, generation = held
        if self.copies:
            for lost in self.copies.send(connection, self._others(command.node)):
                self._drop(lost)
        try:
            connection.launch(key, command, generation=generation, owner=self.owner)
        except Unreachable:
            self._drop(connection)
        if self.copies:
            self.copies.heard(connection)
        return True

    def attach(self, node: NodeName, key: Key, deadline: float, cancelling: Cancelling) -> Job:
        """Wait for the job's end, over lost links; past its deadline its process group is sent TERM, then KILL.

        The deadline is multiplied by the policy's factor. The answer is done, or never launched (none, unstarted,
        refused), or lost. After a lost link a key of which the node knows nothing is answered as none, which is final;
        but as lost where the node is forgetful. OutcomeUnknown if the node is not found again in time; StaleDriver if
        another driver took over meanwhile.
        """
        job = self._wait(node, key, deadline * self.cluster.policy.deadline_factor)
        if job.state is JobState.NONE and node in self.forgetful:
            return replace(job, state=JobState.LOST)
        for signal in ("TERM", "KILL"):
            if job.state is not JobState.RUNNING:
                return job
            cancelling(key, signal)
            self._cancel(node, key, signal)
            job = self._wait(node, key, GRACE)
        if job.state is JobState.RUNNING:
            raise OutcomeUnknown(
                f"a command on {node} hangs and cannot be ended (job {key})",
                hint=f"Look on {node} which process that is (ps ax), end it, then type hamn-flow resume.",
            )
        return job

    def refuse_held(self, owner: Owner, former: Container[str]) -> None:
        """Busy if a node that was reached is held by a driver whom this owner may not take it from."""
        for node, (connection, _) in self._open.items():
            refuse_held(node, connection.hello.held, owner, former)

    def hand_over(self) -> dict[NodeName, Connection]:
        """The links that there are, to whoever goes on with them; they are not closed with these."""
        self._closed = True
        with self._changing:
            made = {node: connection for node, (connection, _) in self._open.items()}
            self._open.clear()
        return made

    def held(self) -> dict[NodeName, Held | Unreachable]:
        """How each node is held, or why it does not answer."""
        self.connect()
        found: dict[NodeName, Held | Unreachable] = {}
        for node in self._turns:
            try:
                found[node] = self._connection(node)[0].held()
            except Unreachable as error:
                found[node] = error
        return found

    @property
    def reached(self) -> tuple[NodeName, ...]:
        """The nodes that there is a link to."""
        return tuple(node for node in self._turns if node in self._open)

    def runs_kept_on(self, node: NodeName) -> tuple[str, ...]:
        """The runs of whose journal a node keeps a copy."""
        return self._connection(node)[0].copies()

    def copy_on(self, node: NodeName, run: str) -> Copy:
        """A node's copy of a run's journal."""
        return Copy.read(run, self._connection(node)[0].fetch(run))

    def release(self, node: NodeName, seen: Held, why: str) -> None:
        """Let a node be held by nobody, over the holder that was seen; Busy if another has claimed it meanwhile."""
        owner = Owner.nobody(why)
        now = self._connection(node)[0].claim(owner, seen)
        if not now.is_by(owner):
            raise Busy(
                f"{node} was claimed meanwhile: {now.spoken}", hint="Type hamn-flow owner to see how it is held now."
            )

    def give_up(self, why: str, *, unchanged: bool = False) -> None:
        """Let the nodes that this driver holds be held by nobody; one that does not answer stays as it is.

        `unchanged`: nothing was done on them, so they go on to say who had them before.
        """
        if self.owner is None:
            return
        for node, (connection, generation) in list(self._open.items()):
            said = with_those_before(why, self._free.get(node, "")) if unchanged else why
            with suppress(Unreachable):
                connection.claim(Owner.nobody(said), Held(generation=generation, owner=self.owner.text))
            self._held.pop(node, None)

    def close(self) -> None:
        """Let go of all links, at once and for good; jobs go on. Who still tries to connect does not claim the node."""
        self._closed = True
        for node in self._turns:
            with self._changing:
                held = self._open.pop(node, None)
            if held:
                held[0].close()

    def flush_copies(self) -> None:
        """Bring the copies on the nodes that are reached up to the journal."""
        if self.copies:
            self.copies.flush([connection for connection, _ in self._open.values()])

    def _others(self, acting: NodeName) -> list[Connection]:
        """The links to the other nodes; one that is not there is noted."""
        others: list[Connection] = []
        for node in self._turns:
            held = self._open.get(node)
            if held is not None and node != acting:
                others.append(held[0])
            elif held is None and self.copies:
                self.copies.missed(node, "it does not answer")
        return others

    def _cancel(self, node: NodeName, key: Key, signal: str) -> None:
        connection = self._again(node)
        try:
            connection.cancel(key, signal)
        except Unreachable:  # whether it was sent is seen by what becomes of the job
            self._drop(connection)

    def _wait(self, node: NodeName, key: Key, seconds: float) -> Job:
        """Ask until it ends or so many seconds have passed; OutcomeUnknown if no answer comes for as long as that.

        To it comes the time that a lost node is sought. A node that answers, but cannot say, has not lost its link.
        """
        until = self.world.monotonic() + seconds
        pause = SHORTEST_PAUSE
        while True:
            connection = self._again(node)
            try:
                return connection.wait(key, max(0.0, until - self.world.monotonic()))
            except OutcomeUnknown as error:
                unknown = error
            except Unreachable as error:
                self._drop(connection)
                unknown = _lost(node, error)
            if self.world.monotonic() >= until + self.cluster.policy.reconnect:
                raise unknown
            self.world.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _again(self, node: NodeName) -> Connection:
        """A link to a node on which a job was launched; OutcomeUnknown if it stays away."""
        self._known.add(node)
        try:
            return self._sought(node, partial(self._connection, node))[0]
        except Rebooted:
            raise
        except Unreachable as error:
            raise _lost(node, error) from error

    def _sought(self, node: NodeName, act: Callable[[], Answer]) -> Answer:
        """Do what needs a link to a node, again for as long as the policy says if it is lost; once, if it is not known.

        Only what may be repeated.
        """
        until = self.world.monotonic() + self.cluster.policy.reconnect
        retrying = Retrying(
            stop=lambda _state: self.world.monotonic() >= until or node not in self._known or self._closed,
            wait=wait_exponential(multiplier=SHORTEST_PAUSE, max=LONGEST_PAUSE),
            retry=retry_if_exception(_away),
            sleep=self.world.sleep,
            reraise=True,
        )
        try:
            return retrying(act)
        except Unreachable as error:
            if _away(error):
                self._known.discard(node)
            raise

    def _connection(self, node: NodeName) -> tuple[Connection, int]:
        tries = self._tries[node]
        with self._turns[node]:
            held = self._open.get(node)
            if held is None:
                failed = self._failed.get(node)
                if failed is not None and self._tries[node] != tries:  # tried while we waited for our turn
                    raise type(failed)(failed.sentence, hint=failed.hint) from failed
                held = self._tried(node)
            return held

    def _tried(self, node: NodeName) -> tuple[Connection, int]:
        try:
            held = self._connected(node)
        except Unreachable as error:
            self._failed[node] = error
            raise
        finally:
            self._tries[node] += 1
        with self._changing:
            self._open[node] = held
        self._failed.pop(node, None)
        self._known.add(node)
        return held

    def _connected(self, node: NodeName) -> tuple[Connection, int]:
        connection = self.world.connect(self.cluster.node(node))
        try:
            return connection, self._taken(connection)
        except BaseException:
            connection.close()
            raise

    def _taken(self, connection: Connection) -> int:
        """The generation at which a new link is ours to use."""
        node, boot_id = connection.node, connection.hello.boot_id
        if self._closed:
            raise Unreachable(f"this driver has let go of {node}")
        if self.known_boots.setdefault(node, boot_id) != boot_id:
            raise Rebooted(
                f"{node} was rebooted while the run was under way",
                hint="Type hamn-flow resume: it looks at everything again.",
            )
        if self.owner is None:
            return connection.hello.generation
        if self.copies:
            self.copies.look(connection)
        if node not in self._held:
            before = connection.hello.held
            self.regain(node, before)
            if before.owner and Owner.of(before.owner) is None:
                self._free[node] = before.spoken
        held = claimed(connection, self.owner, self.former, holding=self._held.get(node, 0))
        self._held[node] = held.generation
        self.seen(node, connection.hello, held.generation)
        if node not in self._quiet:
            self.found_running(connection, held.running)
            self._quiet.add(node)
        if self.copies:
            self.copies.bring(connection, held.generation)
        return held.generation

    def _drop(self, lost: Connection) -> None:
        """Let go of a link that was lost, unless another step has already put a new one in its place.

        It takes no turn: who has that may seek the node for minutes, and a command on the other one comes by here.
        """
        with self._changing:
            held = self._open.get(lost.node)
            if held and held[0] is lost:
                del self._open[lost.node]
        lost.close()
