"""Twenty commands that do nothing, one after the other, on either node in turn: what a run itself costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hamn_flow.catalog import Site, Workflow
from hamn_flow.facts.node import Nodes
from hamn_flow.facts.platform import Platform
from hamn_flow.model.command import Command, Result
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.steps.step import Stage, Step

STEPS = 20


@dataclass(frozen=True, kw_only=True)
class RunsPrograms:
    """Whether the node runs programs."""

    def command(self, platform: Platform) -> Command:
        """The least of all programs."""
        return platform.run("true")

    def parse(self, result: Result) -> bool:
        """It did, or it did not."""
        return result.status == 0


@dataclass(frozen=True, kw_only=True)
class DoNothing(Step):
    """Do nothing, once in every run."""

    once: ClassVar[bool] = True
    nothing_to_undo: ClassVar[str] = "nothing was done"

    number: int

    @property
    def what(self) -> str:
        """One of many."""
        return f"do_nothing.{self.number}"

    def probe(self, nodes: Nodes) -> Probe:
        """What there is to see of it: a node on which it could be done."""
        return done("the node runs programs") if nodes[self.node].get(RunsPrograms()) else todo("it runs none")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """A command as any other: its key is in the journal before it is sent."""
        yield nodes[self.node].platform.run("true")


def stages(site: Site) -> Sequence[Stage]:
    """Each step is a stage, so that none begins before the last one has ended."""
    names = [node.name for node in site.cluster.nodes]
    steps = [DoNothing(node=names[number % 2], number=number) for number in range(STEPS)]
    return [Stage(name=f"step {step.number}", steps=(step,)) for step in steps]


workflow = Workflow(stages=stages)
