"""One driver's course from one scene, with all that can go wrong on its way.

At each position the process is forked for each mishap: the child suffers it and goes on to where its driver stops,
or to a state that is known; the parent goes on as if nothing had happened. So what came before is run once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from hamn_flow.engine.world import World as Outside
from hamn_flow.errors import HamnError
from hamn_flow.facts.abreast import one_by_one
from hamn_flow.journal.memory import MOMENT, MemoryJournal
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.model.events import CommandLaunched, DriverCame, Event, NodeSeen, RunBegun, StepSettled
from hamn_flow.model.pair import NodeSpec
from hamn_flow.model.run import StepState
from hamn_flow.search.acts import RESUME, ROLLBACK, Act, Case
from hamn_flow.search.found import Broken, Edge, Found
from hamn_flow.search.likeness import journal_likeness, name_of, nodes_likeness
from hamn_flow.search.mishaps import Mishap, at_job, at_look, between_steps, node_goes
from hamn_flow.search.safety import broken, launch_again, other_than, standing
from hamn_flow.search.scene import RUN, ByHand, Scene
from hamn_flow.search.tasks import received, send
from hamn_flow.simulator.connection import SimulatedConnection, connector
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


@dataclass
class WatchedConnection(SimulatedConnection):
    """A connection whose commands are told to the course before they are sent."""

    course: Course

    def look(self, command: Command) -> Result:
        """Look, after what may go wrong."""
        self.course.look(command)
        return super().look(command)

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        """Launch, between what may go wrong before it and after it."""
        launched = self.course.launch(key, command)
        try:
            super().launch(key, command, generation=generation, owner=owner)
        finally:
            launched()

    def wait(self, key: Key, seconds: float) -> Job:
        """What has not ended by itself does not end meanwhile: all the seconds pass at once."""
        self._live()
        job = self.world.wait(self.node, key)
        if job.state is JobState.RUNNING and seconds > 0:
            self.world.sleep(seconds)
            job = self.world.wait(self.node, key)
        return job


@dataclass(kw_only=True)
class Course:
    """A driver's course from a scene; `at` is the state that it came from, `known` what need not be followed again."""

    case: Case
    scene: Scene
    act: Act
    at: str
    faults: int
    known: Found
    share: Share = field(default_factory=Share)
    found: Found = field(default_factory=Found)
    world: World = field(init=False)
    journal: MemoryJournal = field(init=False)
    by_hand: tuple[ByHand, ...] = field(init=False)
    _links: dict[NodeName, SimulatedConnection | None] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _said: list[str] = field(default_factory=list)
    _known: tuple[Found, ...] = ()  # with what this process's parents have found
    _begun: bool = False
    _launching: bool = False  # a node that goes then is one that goes at the command
    _struck: bool = False  # by a fault since the last state
    _typed: str = ""
    _position: int = 0
    _commits: int = 0
    _seconds: float = 0.0
    _report_to: int | None = None
    _successor: MemoryJournal | None = None  # of the driver that took over
    _jobs_then: int = 0
    _deeds: int = 0
    _nodes: tuple[tuple[object, ...], str] = ((), "")
    _looked: set[tuple[str, ...]] = field(default_factory=set)  # since the last commit: at which node, by what

    def __post_init__(self) -> None:
        self.world = World(self.scene.state(), clock=lambda: 0.0, sleep=self._sleep)
        self.journal = MemoryJournal(self.scene.saved_journal(), self.committed)
        self.by_hand = self.scene.by_hand
        self._known = (self.known,)
        self._typed = self.act.text
        self._said = [self.act.text]

    def follow(self) -> Found:
        """Take the course to its end; what was found on the way. A child does not return from here."""
        try:
            self.act.do(self.case.desk(self.journal, self._outside("first", self._connect)))
        except Died:
            self._stop("the driver dies")
        except Enough:
            pass
        except HamnError as error:
            self._stop(f"it halts: {error.sentence}")
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is a mistake of the program
            self._broken(f"the program has a mistake: {type(error).__name__}: {error}")
        else:
            self._stop("")
        if self._report_to is not None:
            send(self._report_to, self.found)
            os._exit(0)
        return self.found

    # --- what the driver does ---------------------------------------------------------------------------------

    def look(self, command: Command) -> None:
        """The driver is about to look."""
        if self._successor is not None or not self.faults:
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

    def _first(self, *what: str) -> bool:
        """Whether this is the first such look since the last commit: another one would find the same."""
        new = what not in self._looked
        self._looked.add(what)
        return new

    def launch(self, key: Key, command: Command) -> Callable[[], None]:
        """The driver is about to launch; what is to be called once it has."""
        before = self.world.state.jobs
        mishap = self._mishap(key, command) or Mishap(text="")
        if self._successor is None:
            wrong = launch_again(self.world.state, self.journal, self.case.cluster, key, command)
            if wrong:
                self._broken(wrong)
        mishap.before(self.world)

        def launched() -> None:
            mishap.after(self.world)
            self._launched(command, reached_node=self.world.state.jobs > before)
            if mishap.fatal:
                raise Died

        return launched

    def _mishap(self, key: Key, command: Command) -> Mishap | None:
        """What goes wrong in this process; None in the one that goes on undisturbed."""
        if self._successor is not None or not self.faults:
            return None
        said = f"{command.node}: {command.text}"
        for mishap in at_job(key, command, other_than(self.world.state, command.node)):
            if self._suffers(f"{mishap.text}, at `{said}`"):
                return mishap
        for act in (RESUME, ROLLBACK):
            if self._suffers(f"before `{said}` another driver takes over: {act.text}"):
                self._take_over(act)
                return None
        return None

    def _launched(self, command: Command, *, reached_node: bool) -> None:
        if reached_node:
            self._said.append(f"{command.node}: {command.text}")
        for sentence in broken(self.world.state):
            self._broken(sentence)
        if self._successor is None and self.faults and self._mine():
            self._leave("the driver dies after it")

    def committed(self, events: tuple[Event, ...]) -> None:
        """The driver has committed these."""
        if self._successor is not None or all(isinstance(one, NodeSeen | DriverCame) for one in events):
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
        driver = [typed, self._linked(), sorted(self._failed), last, [str(one) for one in self.world.state.faults]]
        state = name_of("at work", *self._likeness(self.journal, at_rest=False), driver)
        self._edge(state)
        if any(found.reached.get(state, -1) >= self.faults for found in (*self._known, self.found)):
            raise Enough
        self.found.reach(state, self.faults if self.share.of == 1 else self.faults - 1)  # others follow the rest of it
        self.at, self._said, self._struck, self._typed = state, [], False, ""
        self._looked.clear()

    def _likeness(self, journal: MemoryJournal, *, at_rest: bool) -> tuple[str, str]:
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
        return self._nodes[1], journal_likeness(journal, state, at_rest=at_rest)

    def _linked(self) -> list[tuple[str, bool, bool]]:
        """What the driver knows of its links: whether each is there, and was tried in vain."""
        nodes = self.world.state.nodes
        return [
            (name, link is not None and nodes[name].powered and link.link == nodes[name].links, link is None)
            for name, link in sorted(self._links.items())
        ]

    def _leave(self, text: str) -> None:
        """The state that a driver leaves that dies here."""
        self.faults -= 1
        struck, self._struck = self._struck, True
        self._reach_scene(self.journal, text)
        self.faults += 1
        self._struck = struck

    def _stop(self, text: str) -> None:
        """The state in which the course ends."""
        if self._successor is not None and self.world.state.jobs > self._jobs_then:
            self._broken_quietly("a driver has launched a command after another one took the nodes over")
            return
        if text:
            self._said.append(text)
        self._reach_scene(self._successor or self.journal, "")

    def _reach_scene(self, journal: MemoryJournal, text: str) -> None:
        for sentence in broken(self.world.state):
            self._broken_quietly(sentence)
            return
        state = name_of("at rest", *self._likeness(journal, at_rest=True))
        self._edge(state, text)
        self.found.reach(state, self.faults)
        if any(state in found.standings for found in (*self._known, self.found)):
            return
        scene = Scene.packed(self.world.state, journal.saved(), self.by_hand)
        self.found.scenes[state] = scene
        self.found.standings[state] = standing(self.case.cluster, self.world.state, journal, self.by_hand)

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
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            self.found.take(received(reading))
            os.waitpid(child, 0)
            return False
        os.close(reading)
        self._known += (self.found,)
        self.found = Found()
        self.share, self.faults, self._struck = Share(), self.faults - 1, True
        self._report_to = writing
        self._deeds += 1
        self._said.append(text)
        return True

    def _take_over(self, act: Act) -> None:
        """Another machine has a copy of the journal, takes the nodes over and carries the run on to its end."""
        self._successor = MemoryJournal(self.journal.saved())
        try:
            act.do(self.case.desk(self._successor, self._outside("second", connector(self.world))))
        except HamnError as error:
            self._said.append(f"it halts: {error.sentence}")
        for sentence in broken(self.world.state):
            self._broken(sentence)
        self._jobs_then = self.world.state.jobs
        self._said.append("the first one goes on")

    def _outside(self, driver: str, connect: Callable[[NodeSpec], SimulatedConnection]) -> Outside:
        return Outside(
            connect=connect,
            who="somebody",
            driver=driver,
            clock=lambda: MOMENT,
            monotonic=lambda: self._seconds,
            sleep=self._sleep,
            abreast=one_by_one,
            keeps_copies=False,  # another machine has a copy all the same: see _take_over
            new_run_id=lambda: RUN,
        )

    def _connect(self, spec: NodeSpec) -> SimulatedConnection:
        self._links[spec.name] = None
        hello = self.world.greet(spec.name)
        link = self.world.node(spec.name).links
        made = WatchedConnection(world=self.world, node=spec.name, hello=hello, link=link, course=self)
        self._links[spec.name] = made
        return made

    def _sleep(self, seconds: float) -> None:
        self._seconds += seconds
