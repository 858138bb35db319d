"""Procedures run by the real engine on a simulated pair, with a real journal; nothing ever sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from hamn_flow.catalog import Catalog
from hamn_flow.engine.begin import Desk, resume, rollback, start
from hamn_flow.engine.world import World as Outside
from hamn_flow.journal import drive
from hamn_flow.model.pair import Cluster, Policy
from hamn_flow.model.run import Holder, Run, RunState, StepRecord
from hamn_flow.simulator.connection import connector
from hamn_flow.simulator.standard import DatabaseName, standard_cluster, standard_pair
from hamn_flow.simulator.world import World

T = TypeVar("T")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def no_sleep(_seconds: float) -> None:
    """Time stands still."""


@dataclass
class Site:
    """A pair, its cluster file, and the journal of whoever works on it; each call is a driver of its own."""

    folder: Path
    world: World
    cluster: Cluster
    sleep: Callable[[float], None] = no_sleep
    before: dict[str, object] = field(default_factory=dict)

    def start(self, procedure: str, **options: str) -> str:
        self.before = self.world.picture()
        return self._drive(lambda desk: start(desk, procedure, options))

    def resume(self) -> RunState:
        run = self.run().summary.id
        return self._drive(lambda desk: resume(desk, run))

    def rollback(self, *, to: str = "") -> RunState:
        run = self.run().summary.id
        return self._drive(lambda desk: rollback(desk, run, to=to))

    def run(self) -> Run:
        """The newest run."""
        return self._drive(lambda desk: desk.journal.run(desk.journal.runs()[0].id))

    def step(self, name: str) -> StepRecord:
        return self.run().step(name)

    def done(self) -> list[str]:
        """The commands that changed something, in order, as the world had them."""
        return [f"{entry.node}: {entry.text}" for entry in self.world.state.log]

    def allow(self, **policy: object) -> None:
        """Mend cluster.toml's policy."""
        self.cluster = replace(self.cluster, policy=replace(self.cluster.policy, **policy))  # type: ignore[arg-type]

    def _drive(self, act: Callable[[Desk], T]) -> T:
        holder = Holder(pid=1, host="here", user="tester", since=NOON, what="test")
        with drive(self.folder / "journal.db", holder=holder, clock=lambda: NOON) as journal:
            return act(Desk(journal=journal, cluster=self.cluster, catalog=Catalog.load(), world=self._outside()))

    def _outside(self) -> Outside:
        return Outside(
            connect=connector(self.world), who="tester@here", driver="test", clock=lambda: NOON, sleep=self.sleep
        )


def new_site(
    folder: Path, database: DatabaseName = "postgresql", *, arping: tuple[str, str] = ("iputils", "habets")
) -> Site:
    world = standard_pair(database, arping=arping)
    world.sleep = no_sleep
    cluster = replace(standard_cluster(database), policy=Policy(attempts=2, reconnect=0.0))
    return Site(folder=folder, world=world, cluster=cluster)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The standard pair with PostgreSQL: mn1 active, mn2 standby."""
    return new_site(tmp_path)
