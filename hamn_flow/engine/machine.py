"""The rule book of a run: one `transitions` machine with a state for each checkpoint.

It says what may follow what and is the source of the diagram. The engine does the work, commits, then fires;
no work and no saving happens in a callback (an exception there would leave the machine in the new state).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from transitions import Machine

START = "start"


@dataclass(kw_only=True, eq=False)
class Checkpoints:
    """Where a run stands; `advance` and `retreat` move by one stage and obey the guards.

    `settled` says that all steps of a stage are; `undone` that none of them is this run's any more; `no_return` is
    the reason why the stage cannot be left backwards, or empty.
    """

    stages: Sequence[str]
    at: str
    settled: Callable[[str], bool] = lambda _stage: True
    undone: Callable[[str], bool] = lambda _stage: True
    no_return: Callable[[str], str] = lambda _stage: ""
    state: str = field(init=False, default=START)

    def __post_init__(self) -> None:
        self._machine = Machine(
            model=self,
            states=[START, *self.stages],
            initial=self.at,
            auto_transitions=False,
            queued=False,
            ignore_invalid_triggers=False,
        )
        for before, after in pairwise([START, *self.stages]):
            self._machine.add_transition("advance", before, after, conditions=[_guard(self.settled, after)])
            self._machine.add_transition(
                "retreat", after, before, conditions=[_guard(self.undone, after), _no_wall(self.no_return, after)]
            )

    @property
    def following(self) -> str | None:
        """The stage after the present checkpoint; None at the end."""
        names = [START, *self.stages]
        place = names.index(self.state) + 1
        return names[place] if place < len(names) else None

    @property
    def moves(self) -> tuple[tuple[str, str, str], ...]:
        """Every move that there is, as trigger, from, to: what a diagram of the rule book is drawn from."""
        return tuple(
            (trigger, transition.source, transition.dest)
            for trigger, event in self._machine.events.items()
            for transitions in event.transitions.values()
            for transition in transitions
            if transition.dest is not None  # an internal transition, of which there is none
        )

    def move(self, trigger: str) -> str:
        """Fire and say where the run stands now; AssertionError where the rule book refuses, for that is a bug."""
        before = self.state
        self._machine.events[trigger].trigger(self)
        if self.state == before:
            raise AssertionError(f"the rule book refuses {trigger} at checkpoint {before}")
        return self.state


def _guard(holds: Callable[[str], bool], stage: str) -> Callable[[], bool]:
    return lambda: holds(stage)


def _no_wall(reason: Callable[[str], str], stage: str) -> Callable[[], bool]:
    return lambda: not reason(stage)
