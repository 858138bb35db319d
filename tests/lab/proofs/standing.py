"""Standing probes: what must be true of the two hosts at every moment, looked at all the time beside a failover.

All from outside of hamn-flow. From the kernel: the mount tables, the addresses and the listeners of both hosts, and
which file systems it keeps alive for each, wherever they are mounted, also after a lazy unmount. From the bridge: who
answers ARP for the virtual IP.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Self

from hamn_flow.lab import control, disk, network
from hamn_flow.lab.place import CONTROL, FILE_SYSTEMS, NODES, VIRTUAL_IP, Lab
from tests.lab.proofs.pair import SHARED, XCATD_PORT, has_address, listens, mounted

_PAUSE = 0.02  # seconds between two looks
_OTHERS = ("the virtual IP", "xcatd")  # what a host has of the role beside the file systems
_SUPERBLOCKS = Path("/sys/fs/ext4")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a host has of the role."""

    mounted: frozenset[str] = frozenset()
    addressed: bool = False
    serving: bool = False  # whether xcatd's port is open
    alive: frozenset[str] = frozenset()  # the file systems whose superblock lives

    @classmethod
    def of(cls, lab: Lab, node: str) -> Self:
        """Now."""
        superblocks = {each.mount_point: _SUPERBLOCKS / disk.partition(lab, node, each).name for each in FILE_SYSTEMS}
        return cls(
            mounted=mounted(lab, node),
            addressed=has_address(lab, node),
            serving=listens(lab, node, XCATD_PORT),
            alive=frozenset(point for point, path in superblocks.items() if path.exists()),
        )

    @property
    def held(self) -> frozenset[str]:
        """All of it, in words."""
        flags = zip(_OTHERS, (self.addressed, self.serving), strict=True)
        return (
            self.mounted | {f"a superblock of {point}" for point in self.alive} | {what for what, has in flags if has}
        )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One look at both hosts."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, lab: Lab) -> Self:
        """Now. What both have was on both at once: the first one still has it after the second was looked at."""
        parts = tuple(Part.of(lab, node) for node in NODES)
        seen = cls(parts=parts)
        return cls(parts=(Part.of(lab, NODES[0]), *parts[1:])) if seen.violations else seen

    @property
    def holders(self) -> tuple[str, ...]:
        """Those that have all of it but the daemons."""
        has = {node: part.addressed and part.mounted == SHARED for node, part in zip(NODES, self.parts, strict=True)}
        return tuple(node for node in NODES if has[node])

    @property
    def violations(self) -> list[str]:
        """What must never be."""
        return [f"{what} on both" for what in sorted(frozenset.intersection(*(part.held for part in self.parts)))]


@dataclass
class Standing:
    """What the watchers saw; to be asked when they have ended."""

    looks: list[Seen] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)  # the hosts that answered ARP, in the order of the answers

    def holders(self) -> list[tuple[str, ...]]:
        """Who held the role, one after the other, each once."""
        return [holders for holders, _ in groupby(seen.holders for seen in self.looks)]

    def way(self, what: str) -> list[str]:
        """Which hosts took a part of the role, one after the other; a host that took it twice stands there twice."""
        holders = groupby(
            [node for node, part in zip(NODES, seen.parts, strict=True) if what in part.held] for seen in self.looks
        )
        return [node for nodes, _ in holders for node in nodes]

    def answerers(self) -> list[str]:
        """Who answered ARP for the virtual IP, one after the other, each once."""
        return [node for node, _ in groupby(self.answered)]

    def assert_never_two(self) -> None:
        """Nothing of the role was ever on both at once; there were looks enough to say so."""
        assert len(self.looks) > 20, f"only {len(self.looks)} looks"
        violations = Counter(said for seen in self.looks for said in seen.violations)
        assert not violations, f"seen in so many of {len(self.looks)} looks: {dict(violations)}"

    def assert_moved(self, *nodes: str) -> None:
        """The role went from each to the next, with one outage between, and nobody answered ARP out of turn."""
        self.assert_never_two()
        expected: list[tuple[str, ...]] = [(nodes[0],)]
        for node in nodes[1:]:
            expected += [(), (node,)]
        assert self.holders() == expected, f"held by {self.holders()}"
        assert self.answerers() == [node for node, _ in groupby(nodes)], f"answered for by {self.answerers()}"

    def assert_taken_once(self, *nodes: str) -> None:
        """Each part of the role was taken once by each in turn: nothing was mounted, claimed or started twice."""
        ways = {what: self.way(what) for what in (*SHARED, *_OTHERS)}
        wrong = {what: way for what, way in ways.items() if way != list(nodes)}
        assert not wrong, f"taken by {wrong}, not by {nodes}"


@contextmanager
def watched(lab: Lab) -> Iterator[Standing]:
    """Watch both hosts meanwhile."""
    standing, ended = Standing(), threading.Event()

    def look() -> None:
        while not ended.wait(_PAUSE):
            standing.looks.append(Seen.of(lab))

    looker = threading.Thread(target=look)
    asker = control.popen(
        lab,
        (sys.executable, str(Path(__file__).with_name("who_has.py")), network.BRIDGE, CONTROL, VIRTUAL_IP),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    looker.start()
    try:
        yield standing
    finally:
        ended.set()
        looker.join()
        said, _ = asker.communicate(timeout=20)  # it ends when its input does
    names = {network.hardware_address(node): node for node in NODES}
    standing.answered += [names.get(each, each) for each in json.loads(said)]
