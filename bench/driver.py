"""One driver's life, in a process of its own: a run of one step, on a node that is this very machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.awaited import Awaited
from hamn_flow.catalog import Catalog, Entry, Site, Workflow
from hamn_flow.engine.begin import Desk, resume, start
from hamn_flow.engine.world import World
from hamn_flow.errors import HamnError
from hamn_flow.facts.node import Nodes
from hamn_flow.facts.platform import Platform
from hamn_flow.journal import drive
from hamn_flow.model.command import Command, Result
from hamn_flow.model.pair import NodeSpec, Ssh
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.model.run import Holder
from hamn_flow.simulator import standard_cluster
from hamn_flow.steps.step import Stage, Step
from hamn_flow.transport.connection import Connection
from hamn_flow.transport.local import connect_local

RUN = "double"


@dataclass(frozen=True, kw_only=True)
class IsThere:
    """Whether a file is there."""

    path: str

    def command(self, platform: Platform) -> Command:
        """The look."""
        return platform.run("test", "-e", self.path)

    def parse(self, result: Result) -> bool:
        """Its answer."""
        return result.status == 0


@dataclass(frozen=True, kw_only=True)
class RunCommand(Step):
    """Run the command that waits until it is told to end."""

    folder: str

    what = "run_command"

    def probe(self, nodes: Nodes) -> Probe:
        """Its effect is there once it has ended: until then nothing shows that it runs."""
        there = nodes[self.node].get(IsThere(path=str(Awaited(folder=Path(self.folder)).done)))
        return done("it is done") if there else todo("it is not done")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """The command, as DBOS's step runs it."""
        del nodes
        yield Command(node=self.node, argv=Awaited(folder=Path(self.folder)).argv)


def live(verb: str, folder: Path) -> None:
    """Start the run or resume it; end as the command line would."""
    cluster = standard_cluster()
    first, second = (replace(spec, ssh=Ssh(local=True)) for spec in cluster.nodes)

    def connect(spec: NodeSpec) -> Connection:
        return connect_local(spec, base=str(folder / spec.name))

    def stages(_site: Site) -> tuple[Stage]:
        return (Stage(name="only", steps=(RunCommand(node=first.name, folder=str(folder)),)),)

    entry = Entry(name="one", path=Path("one.py"), title="One", description="", workflow=Workflow(stages=stages))
    world = World(connect=connect, who="bench", driver=f"bench {os.getpid()}", new_run_id=lambda: RUN)
    holder = Holder(pid=os.getpid(), host="here", user="bench", since=datetime.now(UTC), what=verb)
    try:
        with drive(journal_of(folder), holder=holder, clock=lambda: datetime.now(UTC)) as journal:
            catalog = Catalog(entries=(entry,), broken=(), folders=())
            desk = Desk(journal=journal, cluster=replace(cluster, nodes=(first, second)), catalog=catalog, world=world)
            if verb == "start":
                start(desk, "one", {})
            else:
                resume(desk, RUN)
    except HamnError as error:
        sys.exit(error.exit_status)


def journal_of(folder: Path) -> Path:
    """Where the run is kept."""
    return folder / "journal.db"
