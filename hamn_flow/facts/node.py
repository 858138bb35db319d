"""Nodes as steps see them: readable, never writable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hamn_flow.facts.fact import Fact
from hamn_flow.facts.platform import Platform
from hamn_flow.model.command import Command, NodeName, Result
from hamn_flow.model.pair import Cluster, NodeSpec, Policy

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node: its specification, its platform, and a way to look."""

    spec: NodeSpec
    platform: Platform
    look: Callable[[Command], Result]

    @property
    def name(self) -> NodeName:
        """The node's name in cluster.toml."""
        return self.spec.name

    def get(self, fact: Fact[T]) -> T:
        """Ask the node now; nothing is remembered from an earlier look. Unreachable if it does not answer."""
        return fact.parse(self.look(fact.command(self.platform)))


@dataclass(frozen=True, kw_only=True)
class Nodes(Mapping[NodeName, Node]):
    """Both nodes, by name, with the cluster that they are."""

    cluster: Cluster
    by_name: Mapping[NodeName, Node]

    def __getitem__(self, name: NodeName) -> Node:
        return self.by_name[name]

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    @property
    def policy(self) -> Policy:
        """What the operator may change while a run waits."""
        return self.cluster.policy

    def peer_of(self, name: NodeName) -> Node:
        """The other node."""
        return self[self.cluster.peer_of(name)]
