"""What a run left on the hosts themselves: the jobs that ran there, and what systemd started and stopped meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Self

from hamn_flow.lab.place import NODES
from tests.lab.proofs.pair import Pair

_STARTED = "39f53479d3a045ac8e11786248231fbf"  # systemd's own numbers of these messages (sd-messages(3))
_STOPPED = "9d1aaa27d60140bd96365438aad20286"
_MESSAGES = {_STARTED: "started", _STOPPED: "stopped"}


def jobs(pair: Pair, node: str, run: str) -> dict[str, str]:
    """How each command of a run ended on a host, by its key, as the host's launcher has it: `ended.0.12`."""
    found = pair.inside(node, "find", "/run/hamn-flow", "-path", f"*/jobs/{run}-*/*", "-type", "f")
    paths = (line.split("/")[-2:] for line in found.splitlines())
    return {key: name for key, name in paths if name.split(".")[0] in {"ended", "refused", "unended"}}


@dataclass(frozen=True, kw_only=True)
class Marks:
    """A place in each host's system journal."""

    cursors: dict[str, str]

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Now."""
        words = ("journalctl", "--lines=0", "--show-cursor", "--quiet")
        return cls(cursors={node: pair.inside(node, *words).rpartition("cursor: ")[2].strip() for node in NODES})

    def since(self, pair: Pair, node: str) -> Counter[tuple[str, str]]:
        """How often each unit was started and stopped in a host since then: `("started", "xcatd.service")`."""
        words = ("journalctl", f"--after-cursor={self.cursors[node]}", "--output=json")
        told = pair.inside(node, *words, "_PID=1", *(f"MESSAGE_ID={number}" for number in _MESSAGES))
        entries = map(json.loads, told.splitlines())
        return Counter((_MESSAGES[entry["MESSAGE_ID"]], entry["UNIT"]) for entry in entries)
