"""Small steps that change real files through the real launcher, so that the engine is tested on real commands.

Every run of a step's command adds a line to its file: the number of lines is how often it ran.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hamn_flow.facts.node import Nodes
from hamn_flow.facts.platform import Platform
from hamn_flow.model.command import Command, Result
from hamn_flow.model.probe import Probe, done, partial, todo, unknown
from hamn_flow.steps.step import Check, Failure, PersonStep, Step


@dataclass(frozen=True, kw_only=True)
class Lines:
    """How many lines a file has; None if it is not there."""

    path: str

    def command(self, platform: Platform) -> Command:
        return platform.run("cat", self.path)

    def parse(self, result: Result) -> int | None:
        return len(result.text.splitlines()) if result.status == 0 else None


@dataclass(frozen=True, kw_only=True)
class Write(Step):
    """Write a line to a file."""

    path: str

    @property
    def what(self) -> str:
        return f"write.{self.path.rsplit('/', 1)[-1]}"

    def probe(self, nodes: Nodes) -> Probe:
        lines = nodes[self.node].get(Lines(path=self.path))
        return todo("there is no file", seen={"lines": lines}) if lines is None else done(f"{lines} lines")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        del nodes
        yield Command(node=self.node, argv=("tee", "-a", self.path), text_in="written\n")

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        del nodes
        assert seen == {"lines": None}
        yield Command(node=self.node, argv=("rm", self.path))


@dataclass(frozen=True, kw_only=True)
class WriteTwice(Write):
    """Write two lines by two commands."""

    def probe(self, nodes: Nodes) -> Probe:
        lines = nodes[self.node].get(Lines(path=self.path))
        if lines is None:
            return todo("there is no file", seen={"lines": None})
        return done("two lines") if lines == 2 else partial(f"{lines} lines", seen={"lines": lines})

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        yield from super().apply(nodes)
        yield from super().apply(nodes)


@dataclass(frozen=True, kw_only=True)
class Announce(Write):
    """Write a line, once in every run."""

    once: ClassVar[bool] = True
    nothing_to_undo: ClassVar[str] = "a line more does no harm"


@dataclass(frozen=True, kw_only=True)
class Burn(Write):
    """Write a line that nobody can take back."""

    irreversible: ClassVar[str] = "ink does not come off"


@dataclass(frozen=True, kw_only=True)
class WriteWhenFree(Write):
    """Write a line, which fails as long as the folder is not there; a remedy may make it."""

    folder: str
    makes_folder: bool = False

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        del nodes
        yield Command(node=self.node, argv=("tee", "-a", f"{self.folder}/../{self.what}"), text_in="written\n")
        yield Command(node=self.node, argv=("cp", f"{self.folder}/../{self.what}", self.path))

    def remedy(self, nodes: Nodes, failure: Failure) -> Iterator[Command]:
        del nodes
        assert failure.result is not None
        assert failure.result.status != 0
        if self.makes_folder:
            yield Command(node=self.node, argv=("mkdir", f"{self.folder}.not-this"))
            yield Command(node=self.node, argv=("mkdir", self.folder))

    def explain(self, nodes: Nodes, failure: Failure) -> tuple[str, str]:
        del nodes
        assert failure.command is not None
        return f"{self.folder} is not there", f"Type mkdir {self.folder}."


@dataclass(frozen=True, kw_only=True)
class WriteUnless(Write):
    """Write a line, which a file of objections forbids; so is taking it back."""

    objecting: str

    def objection(self, nodes: Nodes) -> str | None:
        return f"{self.objecting} objects" if nodes[self.node].get(Lines(path=self.objecting)) is not None else None

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        return self.objection(nodes)


@dataclass(frozen=True, kw_only=True)
class Silent(Write):
    """Write a line and draw a veil over it, so that nobody can see whether it is there."""

    veil: str

    def probe(self, nodes: Nodes) -> Probe:
        if nodes[self.node].get(Lines(path=self.veil)) is not None:
            return unknown("a veil lies over it")
        return super().probe(nodes)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        yield from super().apply(nodes)
        yield Command(node=self.node, argv=("touch", self.veil))


@dataclass(frozen=True, kw_only=True)
class WriteWhenTold(Write):
    """Write a line as soon as a file says so; another one says that the command runs."""

    runs: str
    go: str

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        del nodes
        yield Command(
            node=self.node, argv=("perl", "-", self.path, self.runs, self.go), text_in=WHEN_TOLD, script="when_told.pl"
        )


WHEN_TOLD = r"""
my ( $path, $runs, $go ) = @ARGV;
sub note { open my $file, '>>', $_[0] or die; print {$file} "written\n"; close $file or die }
note($runs);
for ( 1 .. 600 ) { last if -e $go; select undef, undef, undef, 0.05 }    # half a minute at most
-e $go or die "nobody told it\n";
note($path);
"""


@dataclass(frozen=True, kw_only=True)
class IsThere(Check):
    """A file is there."""

    path: str

    @property
    def what(self) -> str:
        return f"is_there.{self.path.rsplit('/', 1)[-1]}"

    def probe(self, nodes: Nodes) -> Probe:
        found = nodes[self.node].get(Lines(path=self.path))
        return todo(f"{self.path} is missing", hint=f"Type touch {self.path}.") if found is None else done("there")


@dataclass(frozen=True, kw_only=True)
class SwapCable(PersonStep):
    """Swap a cable."""

    path: str
    seen_by_us: bool

    what = "swap_cable"

    @property
    def instruction(self) -> str:
        return "swap the cable between the two drawers"

    def probe(self, nodes: Nodes) -> Probe:
        if not self.seen_by_us:
            return unknown("nobody can see from here which cable is plugged in")
        lines = nodes[self.node].get(Lines(path=self.path))
        return done("the link is up") if lines is not None else todo("the link is down")
