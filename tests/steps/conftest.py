"""A simulated pair for steps: looked at and acted on without an engine between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from hamn_flow.catalog import Catalog, Site
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.model.command import Command, Key, NodeName, Result
from hamn_flow.model.pair import Cluster, NodeSpec
from hamn_flow.model.probe import Finding
from hamn_flow.simulator.connection import SimulatedConnection, connector
from hamn_flow.simulator.standard import DatabaseName, standard_cluster, standard_pair
from hamn_flow.simulator.world import World
from hamn_flow.steps.step import Check, Stage, Step
from hamn_flow.transport.connection import Owner
from tests.claiming import claim

MN1, MN2 = NodeName("mn1"), NodeName("mn2")
ME = Owner(run="test", driver="test")


@dataclass
class Pair:
    """Two nodes of a world: as steps see them, and a hand that carries out what they yield."""

    world: World
    cluster: Cluster
    keys: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    @property
    def nodes(self) -> Nodes:
        by_name = {spec.name: self._node(spec) for spec in self.cluster.nodes}
        return Nodes(cluster=self.cluster, by_name=by_name)

    def _node(self, spec: NodeSpec) -> Node:
        def look(command: Command) -> Result:
            return self._connection(spec).look(command)

        return Node(spec=spec, platform=SystemdLinux(node=spec.name), look=look)

    def _connection(self, spec: NodeSpec) -> SimulatedConnection:
        return connector(self.world)(spec)

    def carry_out(self, commands: Iterable[Command]) -> list[str]:
        """Run commands as jobs, as an engine would; their texts with the node before them."""
        texts = []
        for command in commands:
            connection = self._connection(self.cluster.node(command.node))
            generation = claim(connection, ME)
            connection.launch(Key(f"k{next(self.keys)}"), command, generation=generation, owner=ME)
            texts.append(f"{command.node}: {command.text}")
        return texts

    def reach(self, step: Step) -> list[str]:
        """Bring a step to its goal, with no objection; the commands that it took."""
        found = step.probe(self.nodes)
        if found.finding is Finding.DONE and not step.once:
            return []
        assert not isinstance(step, Check), f"{step.name}: {found.reason}"
        assert step.objection(self.nodes) is None
        texts = self.carry_out(step.apply(self.nodes))
        found = step.probe(self.nodes)
        assert found.finding is Finding.DONE, f"{step.name}: {found.reason}"
        return texts

    def stages(self, procedure: str, **options: str) -> list[Stage]:
        """The plan of a procedure for the world as it is now."""
        catalog = Catalog.load()
        site = Site(nodes=self.nodes, run="r1", options=options, procedures=catalog.procedures)
        return [stage for stage in catalog.find(procedure).workflow.stages(site) if stage.steps]

    def steps(self, procedure: str, **options: str) -> list[Step]:
        return [step for stage in self.stages(procedure, **options) for step in stage.steps]

    def go_through(self, procedure: str, *, until: str = "", **options: str) -> list[tuple[Step, list[str]]]:
        """Bring the steps of a procedure to their goals in order, up to the named one (left out)."""
        gone: list[tuple[Step, list[str]]] = []
        for step in self.steps(procedure, **options):
            if step.name == until:
                return gone
            gone.append((step, self.reach(step)))
        assert not until, f"{procedure} has no step {until}"
        return gone

    def step(self, procedure: str, name: str, **options: str) -> Step:
        return {step.name: step for step in self.steps(procedure, **options)}[name]

    def with_policy(self, **policy: object) -> Pair:
        cluster = replace(self.cluster, policy=replace(self.cluster.policy, **policy))  # type: ignore[arg-type]
        return Pair(world=self.world, cluster=cluster, keys=self.keys)


MakePair = Callable[..., Pair]


def new_pair(database: DatabaseName = "postgresql", *, arping: tuple[str, str] = ("iputils", "habets")) -> Pair:
    world = standard_pair(database, arping=arping)
    return Pair(world=world, cluster=standard_cluster(database))


@pytest.fixture
def pair() -> Pair:
    """The standard pair with PostgreSQL: mn1 active, mn2 standby."""
    return new_pair()
