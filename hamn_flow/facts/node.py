"""Nodes as steps see them: readable, never writable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from hamn_flow.facts.abreast import Abreast, one_by_one
from hamn_flow.facts.asking import Once
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.platform import Platform
from hamn_flow.model.command import Command, NodeName, Result
from hamn_flow.model.pair import Cluster, NodeSpec, Policy

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node: its specification, its platform, a way to look, and one to look side by side."""

    spec: NodeSpec
    platform: Platform
    look: Callable[[Command], Result]
    abreast: Abreast = one_by_one

    @property
    def name(self) -> NodeName:
        """The node's name in cluster.toml."""
        return self.spec.name

    def get(self, fact: Fact[T]) -> T:
        """Ask the node now; nothing is remembered from an earlier look. Unreachable if it does not answer."""
        return fact.parse(self.look(fact.command(self.platform)))

    def at_once(self, *facts: Fact[Any]) -> Node:
        """The same node at this moment, for one question made of several: these are asked now, side by side.

        What is remembered is as old as this call, so that nobody keeps it. What could not be asked is said by `get`.
        """
        now = replace(self, look=Once(self.look))
        now.abreast([partial(now._ask, fact) for fact in facts])  # noqa: SLF001 -- its own class
        return now

    def _ask(self, fact: Fact[Any]) -> None:
        self.look(fact.command(self.platform))


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

    def at_one_moment(self) -> Nodes:
        """The same nodes, each asked each question once: for a plan, which is an estimate, never for a proof."""
        by_name = {name: replace(node, look=Once(node.look)) for name, node in self.by_name.items()}
        return replace(self, by_name=by_name)
