"""The search: from the first scene on, every course from every scene, in waves.

A wave's tasks know what the waves before it found, and nothing of each other: so the same is found however many of
them are carried out at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.run import RunState
from hamn_flow.search.acts import ABANDON, FORWARD, RELEASE, RESUME, ROLLBACK, Act, Case, activate, adopt
from hamn_flow.search.course import Course, Share
from hamn_flow.search.found import Broken, Edge, Found
from hamn_flow.search.judgement import Judgement, Map, judge, lies, stuck
from hamn_flow.search.likeness import rest_likeness
from hamn_flow.search.reached import Reached
from hamn_flow.search.safety import cleared_up, standing
from hamn_flow.search.scene import Scene, Standing
from hamn_flow.search.store import Store
from hamn_flow.search.tasks import Findings, Task, side_by_side

_SHARES = 16  # of a course's positions, each by a task of its own
_COURSES = 64  # by a task at most, where they are short: a process costs as much as a few of them
_TASKS = 4  # in a wave: the fewer, the more each knows of what the others found
_FEW_TASKS = 2  # where the search ends with the first violation


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A course to be followed: from which state, by what a person types, with how many faults left."""

    state: str
    act: Act
    faults: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a search has come: the states it has reached, and which part of this round's courses it has followed."""

    states: int
    done: int
    of: int


Told = Callable[[Progress], None]


@dataclass(kw_only=True)
class Search:
    """A search of one case; `jobs` tasks at a time. After each wave it tells how far it has come."""

    case: Case
    jobs: int
    tell: Told
    first: bool = False  # whether it ends with the first violation
    root: str = ""
    reached: Reached = field(default_factory=Reached)
    standings: dict[str, Standing] = field(default_factory=dict)
    broken: dict[Broken, None] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    explored: dict[str, int] = field(default_factory=dict)  # the states whose courses were followed, for so many faults

    @classmethod
    def of(cls, case: Case, scene: Scene, *, jobs: int, tell: Told, first: bool = False) -> Search:
        """A search from this scene on."""
        search = cls(case=case, jobs=jobs, tell=tell, first=first)
        search.root = search._take_scene(scene, 0)
        return search

    def judged(self, faults: int) -> Judgement:
        """The whole search, with at most so many faults, and what it comes to."""
        for number in range(faults + 1):  # what few faults break is found first, and told by the shortest trace
            if not self._over:
                self.explore(number)
        states, whole = tuple(self.standings), not self._over
        if whole:
            self.activate_from(stuck(self._map()))
        return judge(
            self.case.procedure,
            self._map(),
            self.root,
            self.broken,
            states,
            reached=len(self.reached),
            whole=whole,
        )

    def explore(self, faults: int) -> None:
        """Every course from every state that is reached with at most so many faults."""
        explored = self.explored
        self.reached.reach(self.root, faults)
        due = [self.root]
        while due:
            legs: list[Leg] = []
            for state in due:
                explored[state] = self.reached.faults(state)
                legs += [Leg(state=state, act=act, faults=explored[state]) for act in self._acts(state)]
                self._clear_up(state)
            for _ in self._waves(legs):
                if self._over:
                    return
            due = [state for state in self.standings if self.reached.faults(state) > explored.get(state, -1)]

    def activate_from(self, states: Sequence[str]) -> None:
        """What comes of giving up the run and activating either node, without a fault."""
        acts = {state: RELEASE if self.standings[state].state is None else ABANDON for state in states}
        self._follow([Leg(state=state, act=act, faults=0) for state, act in acts.items()])
        way, legs = self._map(), dict[tuple[str, str], Leg]()
        for state, act in acts.items():
            closed = way.end(state, act.text)
            if not closed:  # the course broke off: that is told already
                continue
            scene = self.store.scene(closed)
            nodes = scene.state()
            for node in nodes.nodes.values():
                node.copies.clear()  # a closed run is of no more account
            given_up = self._take_scene(Scene.packed(nodes, MemoryJournal.empty(), scene.by_hand), 0)
            self._take_edge(Edge(source=closed, target=given_up, text="", act="hamn-flow log", calm=True))
            for spec in self.case.cluster.nodes:
                leg = Leg(state=given_up, act=activate(spec.name), faults=0)
                legs[given_up, leg.act.text] = leg
        self._follow(list(legs.values()))

    def _follow(self, legs: Sequence[Leg]) -> None:
        for _ in self._waves(legs):
            pass

    @property
    def _over(self) -> bool:
        return self.first and (bool(self.broken) or lies(self._map(), self.root))

    def _acts(self, state: str) -> Iterator[Act]:
        """What a person may type there."""
        at = self.standings[state]
        if at.kept:
            there = (spec.name for spec in self.case.cluster.nodes if spec.name not in at.off)
            yield from (adopt(node) for node in there)
        elif at.state is None:
            yield self.case.start
        elif at.state is RunState.DONE:
            yield ROLLBACK
        elif not at.state.ended:
            yield RESUME
            yield ROLLBACK if at.forward else FORWARD

    def _clear_up(self, state: str) -> None:
        """The state after a person has cleared up, if there is something to clear up."""
        at = self.standings[state]
        if not (at.off or at.in_the_way):
            return
        target = self._take_scene(cleared_up(self.store.scene(state)), self.reached.faults(state))
        text = "; ".join(
            (*(f"a person boots {node}" for node in at.off), *(f"a person ends that {one}" for one in at.in_the_way))
        )
        self._take_edge(Edge(source=state, target=target, text=text, act=text, calm=True))

    def _waves(self, legs: Sequence[Leg]) -> Iterator[None]:
        """Follow them, wave by wave: long courses, with faults left, by shares of their positions; of others several.

        After each wave its caller may have enough.
        """
        tasks: list[Task] = []
        long = [leg for leg in legs if leg.faults]
        shares = _SHARES if len(long) < _SHARES else 1
        for leg in long:
            tasks += [partial(self._courses, [leg], Share(first=first, of=shares)) for first in range(shares)]
        size = _FEW_TASKS if self.first else _TASKS
        short = [leg for leg in legs if not leg.faults]
        many = min(_COURSES, -(-len(short) // size) or 1)
        tasks += [partial(self._courses, short[at : at + many], Share()) for at in range(0, len(short), many)]
        for at in range(0, len(tasks), size):
            for findings in side_by_side(tasks[at : at + size], self.reached, self.jobs):
                for found in findings.told():
                    self._take(found)
            self.tell(Progress(states=len(self.reached), done=min(at + size, len(tasks)), of=len(tasks)))
            yield

    def _courses(self, legs: Sequence[Leg], share: Share, findings: Findings) -> None:
        """Follow courses one after the other, in a process of their own."""
        for leg in legs:
            scene = self.store.scene(leg.state)
            Course(
                case=self.case,
                scene=scene,
                act=leg.act,
                at=leg.state,
                faults=leg.faults,
                findings=findings,
                share=share,
            ).follow()

    def _take(self, found: Found) -> None:
        """What one process has found."""
        self.store.keep(found)
        for state, faults in found.reached.items():
            self.reached.reach(state, faults)
        self.standings |= {state: at for state, at in found.standings.items() if state not in self.standings}
        self.broken |= found.broken

    def _take_edge(self, edge: Edge) -> None:
        self.store.keep(Found(edges={edge: None}))

    def _take_scene(self, scene: Scene, faults: int) -> str:
        """The state that a scene is, which is reached with so many faults left."""
        state = scene.state()
        with closing(MemoryJournal(scene.saved_journal())) as journal:
            name = rest_likeness(state, journal, scene.by_hand)
            at = standing(self.case.cluster, state, journal, scene.by_hand)
        self._take(Found(reached={name: faults}, scenes={name: scene}, standings={name: at}))
        return name

    def _map(self) -> Map:
        return Map.of(self.store.edges(), self.standings)
