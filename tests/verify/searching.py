"""hamn-flow verify in a process of its own: a search forks, which a test's own process with its threads may not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What the search said."""

    status: int
    said: dict[str, Any]
    errors: str

    @property
    def figures(self) -> dict[str, Any]:
        """All but the time that it took."""
        kept = {name: value for name, value in self.said.items() if name not in {"seconds", "procedures"}}
        alone = [{name: value for name, value in one.items() if name != "seconds"} for one in self.said["procedures"]]
        return {**kept, "procedures": alone}

    @property
    def sentences(self) -> list[str]:
        """Of the violations."""
        return [each["sentence"] for each in self.said["violations"]]


def verify(*words: str, root: Path = ROOT, workflows: Path | None = None, seconds: float = 1200.0) -> Verified:
    """Search with the package that lies in `root`, in the state in which it is there."""
    folders = ("--workflows", str(workflows)) if workflows else ()
    ended = subprocess.run(
        (sys.executable, "-m", "hamn_flow", *folders, "verify", *words, "--json"),
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return Verified(status=ended.returncode, said=json.loads(ended.stdout), errors=ended.stderr)
