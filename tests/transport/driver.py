"""A driver to be killed: it takes the node, launches jobs from several threads, and tells what it knows.

    python -m tests.transport.driver PORT DIRECTORY BASE TRACE PREFIX        (PORT 0: no SSH)

A job appends its key to TRACE, takes a moment, and ends. Printed: `sending KEY` before, `launched KEY` after each.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.pair import NodeSpec, Ssh
from hamn_flow.transport import connect
from hamn_flow.transport.connection import Connection, Owner
from hamn_flow.transport.here import Here
from tests.claiming import claim
from tests.ports import LOOPBACK
from tests.transport.sshd import Sshd

THREADS = 6
JOBS = 30


def reach(port: int, directory: Path, base: Path) -> Connection:
    """The node as the test reaches it as well."""
    if port:
        server = Sshd(directory=directory, port=port)
        return connect(server.spec(), server.here(base))
    return connect(NodeSpec(name=NodeName("mn1"), address=LOOPBACK, ssh=Ssh(local=True)), Here(base=str(base)))


def job(trace: Path, key: str) -> Command:
    """One write tells that it ran; the pause lets it be met at work."""
    text = 'echo "$2" >> "$1"; sleep 0.0"$3"'
    argv = ("sh", "-c", text, "sh", str(trace), key, str(len(key) + ord(key[-1]) % 7))
    return Command(node=NodeName("mn1"), argv=argv)


def main(port: str, directory: str, base: str, trace: str, prefix: str) -> None:
    """Launch the jobs, in so many threads."""
    owner = Owner(run=prefix, driver=str(os.getpid()))
    node = reach(int(port), Path(directory), Path(base))
    generation = claim(node, owner)
    say(f"holds {generation}")

    def launch(number: int) -> None:
        key = f"{prefix}.{number}"
        say(f"sending {key}")
        node.launch(Key(key), job(Path(trace), key), generation=generation, owner=owner)
        say(f"launched {key}")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(launch, range(JOBS)))
    say("all")
    sys.stdin.read()


def say(line: str) -> None:
    """One write, so that a kill does not cut it."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
