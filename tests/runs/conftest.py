"""Whole procedures on the simulated pair, in this process: the engine, the steps and the journal are the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hamn_flow.catalog import Catalog
from hamn_flow.engine.begin import Desk
from hamn_flow.engine.world import World as Outside
from hamn_flow.journal import drive
from hamn_flow.model.pair import OnBusy
from hamn_flow.model.run import Holder, Run
from hamn_flow.simulator import World, connector, standard_cluster, standard_pair
from hamn_flow.simulator.standard import DatabaseName

CATALOG = Catalog.load()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Pair:
    """A simulated pair with a journal; each desk is a driver of its own."""

    folder: Path
    database: DatabaseName
    world: World
    on_busy: OnBusy = OnBusy.WAIT
    features: Mapping[str, object] = field(default_factory=dict)
    on_sleep: Callable[[], None] = lambda: None
    reconnect: float = 5.0  # seconds

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        cluster = standard_cluster(self.database)
        cluster = replace(
            cluster,
            policy=replace(cluster.policy, on_busy=self.on_busy, reconnect=self.reconnect),
            features=replace(cluster.features, **self.features),  # type: ignore[arg-type]
        )
        outside = Outside(
            connect=connector(self.world), who="tester@here", driver="test", sleep=lambda _seconds: self.on_sleep()
        )
        holder = Holder(pid=1, host="here", user="tester", since=now(), what="test")
        with drive(self.folder / "journal.db", holder=holder, clock=now) as journal:
            yield Desk(journal=journal, cluster=cluster, catalog=CATALOG, world=outside)

    def last_run(self) -> Run:
        with self.desk() as desk:
            return desk.journal.run(desk.journal.runs(limit=1)[0].id)

    def assert_safe(self) -> None:
        """No invariant was broken, every command was understood, and no key ran twice."""
        assert not self.world.state.violations
        assert not self.world.state.unknown
        keys = [line.key for line in self.world.state.log if line.key]
        assert len(keys) == len(set(keys))


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> DatabaseName:
    name: DatabaseName = request.param
    return name


@pytest.fixture
def pair(tmp_path: Path, database: DatabaseName) -> Pair:
    world = standard_pair(database)
    world.sleep = lambda _seconds: None
    return Pair(folder=tmp_path, database=database, world=world)
