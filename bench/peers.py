"""What hamn-flow is measured beside, in an environment of the benchmark's own: hamn-flow itself needs none of it."""

from __future__ import annotations

import shutil
import subprocess
import venv
from pathlib import Path

WANTED = Path(__file__).with_name("peers.txt")
PLACE = Path(__file__).parents[1] / "build" / "bench-peers"


def program(name: str) -> str:
    """The path of one of their programs; made where they are not there yet, and anew when others are wanted."""
    installed = PLACE / "installed.txt"
    if not installed.is_file() or installed.read_text() != WANTED.read_text():
        shutil.rmtree(PLACE, ignore_errors=True)
        venv.create(PLACE, with_pip=True, symlinks=True)
        subprocess.run(  # noqa: S603 - the environment's own pip
            (PLACE / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", WANTED),
            stdout=subprocess.DEVNULL,  # the figures go there
            check=True,
            timeout=900,
        )
        shutil.copyfile(WANTED, installed)
    return str(PLACE / "bin" / name)
