"""What a procedure file is made of.

A procedure is a function from the cluster, and what the nodes say of themselves, to an ordered list of
stages. Its file has one `workflow = Workflow(...)`; the first line of its docstring is the title.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hamn_flow.errors import Refused
from hamn_flow.facts.node import Nodes
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster
from hamn_flow.steps.step import Stage


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a procedure is planned from: the pair, its nodes as they are now, and what the person asked for."""

    nodes: Nodes
    run: str
    options: Mapping[str, str] = field(default_factory=dict)
    procedures: Mapping[str, Workflow] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        """The pair and what it shares."""
        return self.nodes.cluster

    def node_named(self, option: str) -> NodeName:
        """The node that an option names; Refused if the pair has no such node or the option is missing."""
        names = [node.name for node in self.cluster.nodes]
        given = self.options.get(option, "")
        for name in names:
            if name == given:
                return name
        said = f"{given!r} is not a node of this pair" if given else f"it is not said which {option}"
        raise Refused(said, hint=f"Say {option}={names[0]} or {option}={names[1]}.")

    def stages_of(self, procedure: str, **options: str) -> list[Stage]:
        """The stages of another procedure, planned for the same site."""
        return list(self.procedures[procedure].stages(replace(self, options=options)))


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A procedure: how its stages are planned, and the options it takes, each with a line of help."""

    stages: Callable[[Site], Sequence[Stage]]
    options: Mapping[str, str] = field(default_factory=dict)
