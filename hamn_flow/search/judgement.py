"""What a search's states come to: which of them lead nowhere, which wait for a person, and what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hamn_flow.model.run import RunState
from hamn_flow.search.found import Broken, Edge, depth, parents
from hamn_flow.search.scene import Standing

_OFTEN = 4  # a person types the same again so many times: the first resume may only say what to look for


@dataclass(frozen=True, kw_only=True)
class Violation:
    """What is broken, and the shortest way there: what a person typed, the commands, and what went wrong."""

    sentence: str
    trace: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a search of one procedure has come to."""

    procedure: str
    states: int
    edges: int
    depth: int
    violations: tuple[Violation, ...]
    waiting_for_person: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Map:
    """The ways without a fault: from each state without a driver by what is typed, from the others as they go on."""

    edges: Mapping[Edge, None]
    standings: Mapping[str, Standing]
    ways: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, edges: Mapping[Edge, None], standings: Mapping[str, Standing]) -> Map:
        """The first way that was found of each kind."""
        ways: dict[str, dict[str, str]] = {}
        for edge in edges:
            if edge.calm:
                ways.setdefault(edge.source, {}).setdefault(edge.act, edge.target)
        return cls(edges=edges, standings=standings, ways=ways)

    def end(self, state: str, act: str) -> str:
        """The state without a driver that typing this leads to; empty if it is not known."""
        at = self.ways.get(state, {}).get(act, "")
        passed: set[str] = set()
        while at and at not in self.standings and at not in passed:
            passed.add(at)
            at = self.ways.get(at, {}).get("", "")
        return at if at in self.standings else ""

    def gone(self, state: str, goal: RunState) -> str:
        """Where it ends if a person goes on until it is there, or nothing changes any more; empty if that is not known.

        What is one state may have halted on either way: so each time that is typed which leads to the goal.
        """
        for _ in range(_OFTEN):
            following = self.end(state, _typed(self.standings[state], goal))
            if not following or following == state:
                return following
            state = following
            if self.standings[state].state in {RunState.DONE, RunState.ROLLED_BACK}:
                break
        return state

    def undisturbed(self, root: str) -> str:
        """Where a start ends that nothing disturbs, if a person then does what the run asks of them."""
        end = self.end(root, next(self.acts(root), ""))
        return self.gone(end, RunState.DONE) if end and self.standings[end].asks else end

    def acts(self, state: str) -> Iterator[str]:
        """What may be typed there, a person's own deeds left out."""
        return (act for act in self.ways.get(state, {}) if act.startswith("hamn-flow "))

    def leads_to_one(self, *, persons: bool) -> frozenset[str]:
        """The states without a driver from which one active node is reached; `persons`: also by clearing up."""
        backwards: dict[str, list[str]] = {}
        for state in self.standings:
            for act in self.ways.get(state, {}):
                if persons or act.startswith("hamn-flow "):
                    backwards.setdefault(self.end(state, act), []).append(state)
        good = [state for state, at in self.standings.items() if at.active]
        reached = set(good)
        while good:
            for state in backwards.get(good.pop(), ()):
                if state not in reached:
                    reached.add(state)
                    good.append(state)
        return frozenset(reached)


def _typed(at: Standing, goal: RunState) -> str:
    """What a person types to bring a run to this end."""
    if at.forward:
        return "hamn-flow resume" if goal is RunState.DONE else "hamn-flow rollback"
    return "hamn-flow resume --forward" if goal is RunState.DONE else "hamn-flow resume"


def stuck(way: Map) -> tuple[str, ...]:
    """The states without a driver from which nothing that was tried without a fault leads to one active node."""
    good = way.leads_to_one(persons=False)
    return tuple(state for state in way.standings if state not in good)


def lies(way: Map, root: str) -> bool:
    """Whether something is said of a run that is not so, or a run cannot go on though nothing is in its way."""
    return any(True for state in way.standings for _ in _wrong(way, root, state))


def judge(
    procedure: str, way: Map, root: str, broken: Iterable[Broken], states: Iterable[str], *, reached: int, whole: bool
) -> Judgement:
    """The judgement of a search that has reached so many states; `states`: those without a driver that were gone from.

    `whole`: it was not ended before it had followed all, so that where nothing leads on nothing does.
    """
    before = parents(way.edges, root)

    def trace(state: str) -> tuple[str, ...]:
        told: list[str] = []
        while state in before:
            told.append(before[state].text)
            state = before[state].source
        return tuple(text for text in reversed(told) if text)

    violations: dict[str, Violation] = {}
    for one in sorted(broken, key=lambda one: len(trace(one.source))):
        told = (*trace(one.source), one.text)
        violations.setdefault(
            one.sentence, Violation(sentence=one.sentence, trace=tuple(text for text in told if text))
        )
    waiting: set[str] = set()
    alone, helped = way.leads_to_one(persons=False), way.leads_to_one(persons=True)
    for state in states:
        at = way.standings[state]
        for sentence in _wrong(way, root, state):
            violations.setdefault(sentence, Violation(sentence=sentence, trace=trace(state)))
        if whole and state not in helped:
            sentence = f"nothing leads to one active node any more{_at(at)}"
            violations.setdefault(sentence, Violation(sentence=sentence, trace=trace(state)))
        elif whole and state not in alone:
            waiting.add(_reason(at))
        if at.asks and way.end(state, _typed(at, RunState.DONE)) == state:
            waiting.add(f"{at.asks}: a person has to do it before anything can follow")
    return Judgement(
        procedure=procedure,
        states=reached,
        edges=len(way.edges),
        depth=depth(before, root),
        violations=tuple(violations.values()),
        waiting_for_person=tuple(sorted(waiting)),
    )


def _at(at: Standing) -> str:
    return f", at {at.step}" if at.step else ""


def _reason(at: Standing) -> str:
    reasons = (*(f"{node} is off" for node in at.off), *at.in_the_way)
    return f"{at.step or 'between two steps'}: {', '.join(reasons) or 'it is not known how it stands'}"


def _wrong(way: Map, root: str, state: str) -> Iterator[str]:
    """What is said of a run and is not so; and a run that cannot go on though nothing is in its way."""
    standings = way.standings
    at, done = standings[state], standings.get(way.undisturbed(root))
    if at.digest and at.state is RunState.ROLLED_BACK and at.digest != standings[root].digest:
        yield "a run is rolled back, and the pair is not as it was before it"
    if at.digest and at.state is RunState.DONE and done and done.state is RunState.DONE and at.digest != done.digest:
        yield "a run is done, and the pair is not as it is after one that nothing disturbed"
    if at.kept and not at.off and not at.in_the_way:
        for act in (act for act in way.acts(state) if act.startswith("hamn-flow adopt ")):
            end = way.end(state, act)
            if end and standings[end].state is None:
                yield f"nothing is in the way, and {act} does not take the run over"
    if not at.digest or at.state is None:
        return
    for goal in (RunState.DONE, RunState.ROLLED_BACK):
        end = way.gone(state, goal) if _typed(at, goal) in way.ways.get(state, {}) else ""
        if not end or standings[end].state is goal:
            continue
        last = standings[end]
        if not (last.asks if goal is RunState.DONE else last.step in at.doubted):
            yield f"nothing is in the way, and {_typed(at, goal)} does not get to its end" + (
                f": it waits at {last.step}" if last.step else ""
            )
