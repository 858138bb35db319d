"""The controlling side: commands in the namespace of the bridge, with a home, a pair and a journal of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import hamn_flow
from hamn_flow.errors import Refused
from hamn_flow.lab import network, programs
from hamn_flow.lab.place import Lab


def environment(lab: Lab) -> dict[str, str]:
    """The caller's environment, but for what says who and where we are; it finds the hamn-flow that runs now.

    The caller's SSH agent stays out: its keys would be tried on the hosts before the lab's own.
    """
    package = str(Path(hamn_flow.__file__ or "").parent.parent)
    own = (str(lab.home / "bin"), str(Path(sys.executable).parent))
    kept = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    return kept | {
        "HOME": str(lab.home),
        "HAMN_FLOW_CLUSTER": str(lab.cluster_file),
        "HAMN_FLOW_JOURNAL": str(lab.journal),
        "HAMN_FLOW_LABS": str(lab.directory.resolve()),
        "PATH": os.pathsep.join((*own, os.environ.get("PATH", os.defpath))),
        "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", "")))),
    }


def words_in(lab: Lab, argv: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs a program on the controlling side; Refused if the lab is not up.

    `hamn-flow` is the one that runs now, also where it was started as a module.
    """
    if not network.there(lab.network):
        raise Refused(f"lab {lab.name} is not up", hint=f"Type {lab.typed('up')} first.")
    if argv[0] == "hamn-flow":
        argv = (sys.executable, "-m", "hamn_flow", *argv[1:])
    return ("nsenter", f"--net={network.path(lab.network)}", "--", *argv)


def popen(
    lab: Lab,
    argv: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.STDOUT,
) -> subprocess.Popen[str]:
    """Start a program on the controlling side; it is the caller's to see its end."""
    return subprocess.Popen(  # noqa: S603 - no shell
        words_in(lab, argv), stdin=stdin, stdout=stdout, stderr=stderr, text=True, env=environment(lab)
    )


def run(
    lab: Lab, argv: Sequence[str], *, text_in: str = "", timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a program on the controlling side, and return how it ended and what it printed."""
    return subprocess.run(  # noqa: S603 - no shell
        words_in(lab, argv),
        input=text_in,
        capture_output=True,
        text=True,
        env=environment(lab),
        timeout=timeout,
        check=False,
    )


def become(lab: Lab, argv: Sequence[str]) -> NoReturn:
    """Turn this process into a program on the controlling side, with this terminal."""
    programs.become(words_in(lab, argv), environment(lab))
