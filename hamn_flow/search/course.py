"""One driver's course from one scene, with all that can go wrong on its way.

At each position the process is forked for each mishap: the child suffers it and goes on to where its driver stops,
or to a state that is known; the parent goes on as if nothing had happened. So what came before is run once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from hamn_flow.engine.world import World as Outside
from hamn_flow.errors import HamnError, LookFailed
from hamn_flow.facts.abreast import one_by_one
from hamn_flow.journal.memory import MOMENT, MemoryJournal
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.events import CommandLaunched, DriverCame, Event, NodeSeen, RunBegun, StepSettled
from hamn_flow.model.pair import NodeSpec
from hamn_flow.model.run import StepState
from hamn_flow.search.acts import RESUME, Act, Case
from hamn_flow.search.found import Broken, Edge, Found
from hamn_flow.search.likeness import journal_likeness, lacking, name_of, nodes_likeness, rest_likeness
from hamn_flow.search.mishaps import Mishap, at_copy, at_job, at_look, between_steps, node_goes
from hamn_flow.search.rivals import Rival, adopting, claim, refused, rivals
from hamn_flow.search.safety import broken, keep_an_open_run, other_than, standing, wrongly_launched
from hamn_flow.search.scene import ByHand, Scene
from hamn_flow.search.tasks import Findings, ended
from hamn_flow.search.watched import WatchedConnection
from hamn_flow.simulator.connection import SimulatedConnection
from hamn_flow.simulator.world import World
from hamn_flow.transport.connection import Owner

_MOST_COMMITS = 3000  # in one course: a driver that goes round in circles is a mistake


class Died(BaseException):
    """The driver is dead: nothing but `finally` still runs."""


class Enough(BaseException):
    """What follows is known, or a promise is broken: this course need not be followed any further."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which positions of a course are followed: each `of`-th from `first` on."""

    first: int = 0
    of: int = 1


@dataclass(kw_only=True)
class Course:
    """A driver's course from a scene; `at` is the state that it came from."""

    case: Case
    scene: Scene
    act: Act
    at: str
    faults: int
    findings: Findings
    share: Share = field(default_factory=Share)
    found: Found = field(default_factory=Found)
    world: World = field(init=False)
    journal: MemoryJournal = field(init=False)
    by_hand: tuple[ByHand, ...] = field(init=False)
    error: HamnError | None = None  # what the driver ends with, if it stops before its end
    _links: dict[NodeName, SimulatedConnection | None] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _said: list[str] = field(default_factory=list)
    _begun: bool = False
    _launching: bool = False  # a node that goes then is one that goes at the command
    _struck: bool = False  # by a fault since the last state
    _driver: str = ""
    _launched: str = ""  # the key of its last command
    _unkept: set[NodeName] = field(default_factory=set)  # where a copy could not be kept, since the last command
    _typed: str = ""
    _position: int = 0
    _commits: int = 0
    _seconds: float = 0.0
    _forked: bool = False
    _rival: Rival | None = None  # the machine that took over, or is about to
    _successor: MemoryJournal | None = None  # its journal
    _taken: frozenset[NodeName] = frozenset()  # nodes that it has claimed
    _deeds: int = 0
    _nodes: tuple[tuple[object, ...], str] = ((), "")
    _looked: set[tuple[str, ...]] = field(default_factory=set)  # since the last commit: at which node, by what

    def __post_init__(self) -> None:
        self.world = World(self.scene.state(), clock=lambda: 0.0, sleep=self._sleep)
        self.journal = MemoryJournal(self.scene.saved_journal(), self.committed)
        self.by_hand = self.scene.by_hand
        self._typed = self.act.text
        self._said = [self.act.text]

    def follow(self) -> None:
        """Take the course to its end, and tell what was found on the way. A child does not return from here."""
        with suppress(Enough):
            try:
                self._stop(self._driven())
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is a mistake of the program
                self._broken(f"the program has a mistake: {type(error).__name__}: {error}")
        self.findings.add(self.found)
        if self._forked:
            os._exit(0)

    # --- what the driver does ---------------------------------------------------------------------------------

    def _driven(self) -> str:
        """Let it do what was typed; why it stops, if it does before its end."""
        outside = self._outside(self.journal)
        self._driver = outside.driver
        try:
            self.act.do(self.case.desk(self.journal, outside))
        except Died:
            return "the driver dies"
        except HamnError as error:
            self.error = error
            return f"it halts: {error.sentence}"
        return ""

    def look(self, command: Command) -> None:
        """The driver is about to look."""
        if self._rival is not None or not self.faults:
            return
        node = command.node
        mishaps = [
            *(node_goes(node) if self._first(node) and not self._launching else ()),
            *(at_look(command) if self._first(node, command.text) else ()),
        ]
        for mishap in mishaps:
            if self._suffers(f"{mishap.text}, before `{command.text}` on {command.node}"):
                mishap.before(self.world)
                return

    def at_copy(self, journal: MemoryJournal, node: NodeName, deed: str) -> LookFailed | None:
        """The driver with this journal is about to claim a node, or to do that with a copy; why it cannot be done."""
        if self._rival is not None or not self.faults or journal is not self.journal or not self._first(node, deed):
            return None
        for mishap in at_copy(node, deed):
            if self._suffers(f"{mishap.text}, at a {deed}"):
                mishap.before(self.world)
                if mishap.fails:
                    self._unkept.add(node)
                    return LookFailed(mishap.text)
                return None
        return None

    def _first(self, *what: str) -> bool:
        """Whether this is the first such look since the last commit: another one would find the same."""
        new = what not in self._looked
        self._looked.add(what)
        return new

    def launch(self, journal: MemoryJournal, key: Key, command: Command) -> Callable[[], None]:
        """The driver with this journal is about to launch; what is to be called once it has."""
        mishap = self._mishap(key, command) or Mishap(text="")
        before = self.world.state.jobs
        wrong = tuple(wrongly_launched(self.world.state, journal, self.case.cluster, key, command))
        mishap.before(self.world)

        def launched() -> None:
            mishap.after(self.world)
            if self.world.state.jobs > before:
                self._reached(journal, key, command, wrong)
            for sentence in broken(self.world.state):
                self._broken(sentence)
            if self._rival is None and self.faults and self._mine():
                self._leave("the driver dies after it")
            if mishap.fatal:
                raise Died

        return launched

    def _mishap(self, key: Key, command: Command) -> Mishap | None:
        """What goes wrong in this process; None in the one that goes on undisturbed."""
        if self._rival is not None or not self.faults:
            return None
        self._refuses_a_stranger(command)
        said = f"{command.node}: {command.text}"
        for mishap in at_job(key, command, other_than(self.world.state, command.node)):
            if self._suffers(f"{mishap.text}, at `{said}`"):
                return mishap
        for rival in rivals(self.world.state):
            if self._suffers(f"before `{said}` {rival.text}"):
                self._comes(rival)
                return None
        return None

    def _reached(self, journal: MemoryJournal, key: Key, command: Command, wrong: tuple[str, ...]) -> None:
        """A command has reached its node; why it ought not to have been launched."""
        self._said.append(f"{command.node}: {command.text}")
        for sentence in wrong:
            self._broken(sentence)
        if journal is self.journal and command.node in self._taken:
            self._broken("a driver has launched a command after another one took the node over")
        run = journal.runs()[0].id
        if command.node not in self._unkept and not self._keeps(command.node, run, key):
            self._broken(f"`{command.text}` is launched on {command.node}, and no journal there knows of it")
        other = other_than(self.world.state, command.node)
        if journal is self.journal:
            if other not in self._unkept and self._is_there(other) and not self._keeps(other, run, self._launched):
                self._broken(f"the copy on {other} is more than one step behind")
            self._launched = key
            self._unkept.clear()  # all of it is sent again with the next command

    def _keeps(self, node: NodeName, run: str, key: str) -> bool:
        """Whether a node's own copy of the run knows of that command."""
        return key.encode() in self.world.node(node).copies.get(run, b"")

    def committed(self, events: tuple[Event, ...]) -> None:
        """The driver has committed these."""
        if self._rival is not None or all(isinstance(one, NodeSeen | DriverCame) for one in events):
            return  # a driver that came, or a node that was seen again, is nothing new
        self._commits += 1
        if self._commits > _MOST_COMMITS:
            self._broken("the driver goes round in circles")
        self._failed |= {one.step for one in events if isinstance(one, StepSettled) and one.state is StepState.FAILED}
        self._arrive(events)
        if not self.faults:
            return
        if self._mine():
            self._leave("the driver dies")
        if any(isinstance(one, StepSettled) for one in events):
            for meddling in between_steps(self.world):
                if self._suffers(meddling.text):
                    meddling.deed(self.world)
                    for one in meddling.by_hand:
                        where, name = self.world.node(one.node), self.world.state.shared[one.mount_point]
                        source = f"/dev/{where.disks[name].kernel_name}"
                        self.world.run(one.node, "mount", "-t", "ext4", "-o", "rw", source, one.mount_point)
                    self.by_hand += meddling.by_hand
                    return

    # --- states and edges -------------------------------------------------------------------------------------

    def _arrive(self, events: tuple[Event, ...]) -> None:
        """At the state after a commit."""
        last = [(type(one).__name__, getattr(one, "step", ""), getattr(one, "node", "")) for one in events]
        self._launching = any(isinstance(one, CommandLaunched) for one in events)
        self._begun |= any(isinstance(one, RunBegun) for one in events)
        typed = "" if self._begun else self.act.text  # from then on the journal says which way it goes
        faults = [str(one) for one in self.world.state.faults]
        driver = [typed, self._linked(), lacking(self.world.state, self.journal), sorted(self._failed), last, faults]
        state = name_of("at work", self._nodes_likeness(), self._journal_likeness(), driver)
        self._edge(state)
        if self.findings.reached.faults(state) >= self.faults:
            raise Enough
        self._reach(state, self.faults if self.share.of == 1 else self.faults - 1)  # others follow the rest of it
        self.at, self._said, self._struck, self._typed = state, [], False, ""
        self._looked.clear()

    def _journal_likeness(self) -> str:
        return journal_likeness(self.journal, self.world.state, at_rest=False)

    def _nodes_likeness(self) -> str:
        state = self.world.state
        due = [
            unit.id
            for node in state.nodes.values()
            for unit in node.units.values()
            if unit.settling or unit.restart_due
        ]
        changes = (state.jobs, len(state.log), self._deeds, due)
        if self._nodes[0] != changes:  # looks alone change nothing else
            self._nodes = changes, nodes_likeness(state, self.by_hand)
        return self._nodes[1]

    def _linked(self) -> list[tuple[str, bool, bool, bool]]:
        """Of each link: whether it is there, was tried in vain, and whether its node could not keep what came last."""
        return [
            (name, self._is_there(name), link is None, name in self._unkept)
            for name, link in sorted(self._links.items())
        ]

    def _is_there(self, node: NodeName) -> bool:
        """Whether the first driver's link to a node is made, and alive."""
        link, now = self._links.get(node), self.world.node(node)
        return link is not None and now.powered and link.link == now.links

    def _leave(self, text: str) -> None:
        """The state that a driver leaves that dies here."""
        with self._fault():
            self._reach_scene(self.journal, text)
            self._lose_machine(f"{text}, and its machine is gone")

    def _stop(self, text: str) -> None:
        """The state in which the course ends."""
        if text:
            self._said.append(text)
        if self._rival is not None:
            self._goes_on(self._rival)
        self._reach_scene(self._successor or self.journal, "")
        if self._rival is None and self.faults:
            with self._fault():
                self._lose_machine("its machine is gone")

    @contextmanager
    def _fault(self) -> Iterator[None]:
        """What is reached by one fault more."""
        struck, self._struck = self._struck, True
        self.faults -= 1
        yield
        self.faults += 1
        self._struck = struck

    def _lose_machine(self, text: str) -> None:
        """The driver's journal is gone with its machine; what is left of the run is what the nodes keep."""
        if keep_an_open_run(self.world.state):
            self._reach_scene(MemoryJournal(MemoryJournal.empty()), text)

    def _reach_scene(self, journal: MemoryJournal, text: str) -> None:
        for sentence in broken(self.world.state):
            self._broken_quietly(sentence)
            return
        state = rest_likeness(self.world.state, journal, self.by_hand)
        self._edge(state, text)
        known = self.findings.reached.faults(state)
        if known < self.faults:
            self._reach(state, self.faults)
        if known >= 0:
            return
        scene = Scene.packed(self.world.state, journal.saved(), self.by_hand)
        self.found.scenes[state] = scene
        self.found.standings[state] = standing(self.case.cluster, self.world.state, journal, self.by_hand)

    def _reach(self, state: str, faults: int) -> None:
        self.findings.reached.reach(state, faults)
        self.found.reach(state, faults)

    def _edge(self, target: str, text: str = "") -> None:
        said = "; ".join((*self._said, text) if text else self._said)
        edge = Edge(source=self.at, target=target, text=said, act=self._typed, calm=not self._struck)
        self.found.edges[edge] = None

    def _broken(self, sentence: str) -> None:
        self._broken_quietly(sentence)
        raise Enough

    def _broken_quietly(self, sentence: str) -> None:
        self.found.broken[Broken(source=self.at, text="; ".join(self._said), sentence=sentence)] = None

    # --- mishaps ----------------------------------------------------------------------------------------------

    def _mine(self) -> bool:
        """Whether the next position is one that is followed here."""
        self._position += 1
        return self._position % self.share.of == self.share.first

    def _suffers(self, text: str) -> bool:
        """Fork; True in the child, which suffers it. The parent waits for what the child finds."""
        if not self._mine():
            return False
        child = os.fork()
        if child:
            ended(child)
            return False
        self.found, self._forked = Found(), True
        self.share, self.faults, self._struck = Share(), self.faults - 1, True
        self._deeds += 1
        self._said.append(text)
        return True

    def _refuses_a_stranger(self, command: Command) -> None:
        """While this driver holds the node, one with a run of its own is refused."""
        nodes = self.world.state.nodes.values()
        owner = Owner.of(self.world.node(command.node).launcher.owner)
        if owner and owner.driver == self._driver and not any(node.refusals for node in nodes):
            journal = MemoryJournal(MemoryJournal.empty())
            if not refused(self.case.desk(journal, self._outside(journal)), self.case):
                self._broken("a driver with a run of its own is not refused, though another one holds the node")

    def _comes(self, rival: Rival) -> None:
        """Another machine takes the run over, as far as that is done before this driver goes on."""
        self._rival = rival
        if rival.claims:
            run = self.journal.runs()[0].id
            claim(self.case, rival.claims, run, self._outside(self.journal))
            self._taken = frozenset({rival.claims})
            return
        if rival.lost:
            for name in self.world.state.nodes:
                self.world.lose_link(name)
        self._adopt()
        self._taken = frozenset(name for name, node in self.world.state.nodes.items() if node.powered)
        if rival.act and self._successor:
            try:
                rival.act.do(self.case.desk(self._successor, self._outside(self._successor)))
            except HamnError as error:
                self._said.append(f"it halts: {error.sentence}")
            for sentence in broken(self.world.state):
                self._broken(sentence)
        self._said.append("the first one goes on")

    def _goes_on(self, rival: Rival) -> None:
        """What comes once the first driver has stopped: its machine is not told that the run was taken over."""
        if rival.claims:
            self._said.append("the other machine goes on")
            self._adopt()
        elif rival.act and self._successor:
            self._said.append(f"on the first machine, a person types {RESUME.text}")
            with suppress(HamnError):
                RESUME.do(self.case.desk(self.journal, self._outside(self.journal)))

    def _adopt(self) -> None:
        """Another machine, whose journal is empty, adopts the run."""
        journal = MemoryJournal(MemoryJournal.empty())
        act = adopting(self.world.state)
        try:
            act.do(self.case.desk(journal, self._outside(journal)))
        except HamnError as error:
            if not self.journal.runs()[0].state.ended:  # one that came to its end meanwhile need not be
                self._broken_quietly(f"a run that has launched something cannot be adopted: {error.sentence}")
        else:
            self._successor = journal

    def _outside(self, journal: MemoryJournal) -> Outside:
        """The world around the driver with this journal."""
        nodes = self.world.state.nodes.values()
        # Other than that of whoever held a node since it booted: that one had raised a generation.
        name = f"{sum(node.boots for node in nodes)}x{sum(node.launcher.generation for node in nodes)}"
        return Outside(
            connect=partial(self._connect, journal),
            who="somebody",
            driver=f"driver{name}",
            clock=lambda: MOMENT,
            monotonic=lambda: self._seconds,
            sleep=self._sleep,
            abreast=one_by_one,
            new_run_id=lambda: f"run{name}",
        )

    def _connect(self, journal: MemoryJournal, spec: NodeSpec) -> SimulatedConnection:
        links = self._links if journal is self.journal else {}
        links[spec.name] = None
        hello = self.world.greet(spec.name)
        link = self.world.node(spec.name).links
        made = WatchedConnection(world=self.world, node=spec.name, hello=hello, link=link, course=self, journal=journal)
        links[spec.name] = made
        return made

    def _sleep(self, seconds: float) -> None:
        self._seconds += seconds
