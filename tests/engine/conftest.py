"""A desk for toy procedures: a real journal, the real launcher on this machine, a clock that stands still."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from hamn_flow.catalog import Catalog, Entry, Site, Workflow
from hamn_flow.engine.begin import Desk
from hamn_flow.engine.world import World
from hamn_flow.journal import drive
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, Database, Engine, FileSystem, NodeSpec, Policy, Service, Ssh, VirtualIp
from hamn_flow.model.run import Holder, Run
from hamn_flow.steps.step import Stage, Step
from hamn_flow.transport.connection import Connection
from hamn_flow.transport.local import connect_local

NODE = NodeName("a")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def cluster(policy: Policy) -> Cluster:
    return Cluster(
        name="toys",
        nodes=(
            NodeSpec(name=NODE, address="192.0.2.1", ssh=Ssh(local=True)),
            NodeSpec(name=NodeName("b"), address="192.0.2.2", ssh=Ssh(local=True)),
        ),
        virtual_ip=VirtualIp(address="192.0.2.9", prefix=24, interface="eth0", host_name="mn"),
        file_systems=(FileSystem(mount_point="/etc/xcat", source="UUID=1"),),
        database=Database(engine=Engine.SQLITE),
        services=(Service(name="xcatd", units=("xcatd",)),),
        policy=policy,
    )


@dataclass
class Bench:
    """Where a toy procedure is run; each call is a driver of its own on the same journal."""

    folder: Path
    stages: Sequence[Stage] = ()
    policy: Policy = field(default_factory=lambda: Policy(attempts=2, first_wait=3.0, reconnect=5.0))
    slept: list[float] = field(default_factory=list)
    stop: Callable[[], bool] = lambda: False
    on_sleep: Callable[[], None] = lambda: None
    boot_ids: dict[NodeName, str] = field(default_factory=dict)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def lines(self, name: str) -> int:
        path = self.folder / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def procedure(self, *stages: Sequence[Step]) -> None:
        self.stages = [Stage(name=f"stage {number}", steps=tuple(steps)) for number, steps in enumerate(stages, 1)]

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        holder = Holder(pid=1, host="here", user="tester", since=NOON, what="test")
        with drive(self.folder / "journal.db", holder=holder, clock=lambda: NOON) as journal:
            yield Desk(journal=journal, cluster=cluster(self.policy), catalog=self._catalog(), world=self._world())

    def run(self, run: str) -> Run:
        with self.desk() as desk:
            return desk.journal.run(run)

    def only_run(self) -> Run:
        with self.desk() as desk:
            (summary,) = desk.journal.runs()
            return desk.journal.run(summary.id)

    def states(self) -> list[str]:
        return [step.state.value for step in self.only_run().steps]

    def _catalog(self) -> Catalog:
        def stages(_site: Site) -> Sequence[Stage]:
            return self.stages

        entry = Entry(name="toy", path=Path("toy.py"), title="Toy", description="", workflow=Workflow(stages=stages))
        return Catalog(entries=(entry,), broken=(), folders=())

    def _world(self) -> World:
        def connect(spec: NodeSpec) -> Connection:
            connection = connect_local(spec, base=str(self.folder / f"node-{spec.name}"))
            boot_id = self.boot_ids.get(spec.name)
            return connection if boot_id is None else cast("Connection", _Booted(connection, boot_id))

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.on_sleep()

        return World(
            connect=connect, who="tester@here", driver="test", clock=lambda: NOON, sleep=sleep, stop_requested=self.stop
        )


class _Booted:
    """A real connection to a node that says it was booted at another time."""

    def __init__(self, connection: Connection, boot_id: str) -> None:
        self._connection = connection
        self.hello = replace(connection.hello, boot_id=boot_id)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def kill_wrapper(bench: Bench) -> None:
    """Kill what watches over the only job that runs on the node: its command runs on, its status is never known.

    A job that is still being prepared lies in a folder whose name begins with %; its command would not run.
    """
    (mark,) = Path(bench.path(f"node-{NODE}")).glob("*/jobs/[!%]*/running.*")
    os.kill(int(mark.name.split(".")[1]), signal.SIGKILL)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path)
