"""`hamn-flow lab` as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hamn_flow.lab.place import Lab

ROOT = Path(__file__).resolve().parents[2]


def command(lab: Lab, *words: str) -> list[str]:
    """The command line of `hamn-flow lab`, for that lab."""
    chosen = ("--name", lab.name, "--directory", str(lab.directory))
    return [sys.executable, "-m", "hamn_flow", "lab", words[0], *chosen, *words[1:]]


def typed(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """`hamn-flow lab` as a person would type it."""
    return subprocess.run(command(lab, *words), cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
