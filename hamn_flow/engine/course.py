"""The course of a run's stages: each begins when those that it comes after are settled, beside all others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from hamn_flow.facts.abreast import Abreast


@dataclass(kw_only=True)
class Course:
    """Stages in the order of the plan, each with those of them that it comes after.

    Once one has failed, no other begins; those under way go on to their end.
    """

    after: Mapping[str, Collection[str]]
    settle: Callable[[str], None]
    abreast: Abreast
    _begun: set[str] = field(default_factory=set)
    _over: set[str] = field(default_factory=set)
    _failed: list[Exception] = field(default_factory=list)
    _turn: Lock = field(default_factory=Lock, repr=False)

    def run(self) -> tuple[Exception, ...]:
        """Take them all; what stopped some. What is no Exception (the driver dies) is raised."""
        self._take_all(self._next())
        return tuple(self._failed)

    def _take_all(self, stages: list[str]) -> None:
        """Each by a thread of its own, with what may begin thereafter; a row of stages by the same one."""
        while len(stages) == 1:
            stages = self._take(stages[0])
        for error in self.abreast([partial(self._take_from, stage) for stage in stages]):
            if error is not None:
                raise error

    def _take_from(self, stage: str) -> None:
        self._take_all([stage])

    def _take(self, stage: str) -> list[str]:
        """Settle one; which may begin now."""
        try:
            self.settle(stage)
        except Exception as error:  # noqa: BLE001 -- handed to who waits for all
            with self._turn:
                self._failed.append(error)
            return []
        return self._next(stage)

    def _next(self, over: str | None = None) -> list[str]:
        """Which stages may begin, and from now on have; none once one has failed."""
        with self._turn:
            self._over.update([over] if over else [])
            may = [one for one in self.after if one not in self._begun and self._over.issuperset(self.after[one])]
            begun = [] if self._failed else may
            self._begun.update(begun)
        return begun
