"""Nodes as steps see them: readable, never writable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Lock
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

    def at_one_moment(self) -> Nodes:
        """The same nodes, each asked each question once: for a plan, which is an estimate, never for a proof."""
        by_name = {name: replace(node, look=_Once(node.look)) for name, node in self.by_name.items()}
        return replace(self, by_name=by_name)


class _Once:
    """A look that remembers what was answered, a failure included; who asks meanwhile waits for the same answer."""

    def __init__(self, look: Callable[[Command], Result]) -> None:
        self._look = look
        self._answers: dict[Command, Future[Result]] = {}
        self._turn = Lock()

    def __call__(self, command: Command) -> Result:
        with self._turn:
            asked = command in self._answers
            answer = self._answers.setdefault(command, Future())
        if not asked:
            try:
                answer.set_result(self._look(command))
            except BaseException as error:  # noqa: BLE001 -- raised below, and to all who wait
                answer.set_exception(error)
        return answer.result()
