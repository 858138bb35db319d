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
        self._begin_what_may()
        return tuple(self._failed)

    def _begin_what_may(self) -> None:
        with self._turn:
            may = [
                stage for stage in self.after if stage not in self._begun and self._over.issuperset(self.after[stage])
            ]
            begun = [] if self._failed else may
            self._begun.update(begun)
        for error in self.abreast([partial(self._take, stage) for stage in begun]):
            if error is not None:
                raise error

    def _take(self, stage: str) -> None:
        try:
            self.settle(stage)
        except Exception as error:  # noqa: BLE001 -- handed to who waits for all
            with self._turn:
                self._failed.append(error)
            return
        with self._turn:
            self._over.add(stage)
        self._begin_what_may()
