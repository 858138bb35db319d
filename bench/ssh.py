"""What a command on a node costs: through the launcher, over a real sshd on loopback, beside the shell itself."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko

from hamn_flow.model.command import Command, JobState, Key, NodeName
from hamn_flow.transport import connect
from hamn_flow.transport.connection import Connection, Owner
from tests.claiming import claim
from tests.ports import LOOPBACK
from tests.transport.sshd import Sshd, serving

RUNS = 200
OWNER = Owner(run="bench", driver="bench")
COMMAND = Command(node=NodeName("mn1"), argv=("/bin/true",))


def ssh_read_ms() -> dict[str, Any]:
    """The median of a look, in milliseconds; the bar is 3."""
    with _node() as (_, node), _shell() as shell:
        value, floor = _in_turn(lambda: node.look(COMMAND), shell)
    return _figure("ssh_read_ms", value, floor)


def ssh_job_ms() -> dict[str, Any]:
    """The median of a job, from its launch to the answer that it is done, in milliseconds; the bar is 12."""
    with _node() as (_, node), _shell() as shell:
        generation = claim(node, OWNER)
        keys = (Key(f"bench.{number}") for number in range(RUNS))
        value, floor = _in_turn(lambda: _job(node, next(keys), generation), shell)
    return _figure("ssh_job_ms", value, floor)


def ssh_read_vs_paramiko() -> dict[str, Any]:
    """How many times as long paramiko's plain `exec_command` takes on its default socket; the bar is 5."""
    with _node() as (server, node), _plain(server) as plain:
        value, floor = _in_turn(lambda: _exec(plain), lambda: node.look(COMMAND))
    return {
        "name": "ssh_read_vs_paramiko",
        "value": round(value / floor, 2),
        "unit": "times",
        "floor": round(floor, 3),
        "ratio": round(value / floor, 2),
        "runs": RUNS,
    }


def _figure(name: str, value: float, floor: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "ms",
        "floor": round(floor, 3),
        "ratio": round(value / floor, 2),
        "runs": RUNS,
    }


def _in_turn(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Both medians, measured turn by turn, so that what else the machine does falls on both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for measured, call in zip(times, (ours, theirs), strict=True):
            before = time.perf_counter()
            call()
            measured.append((time.perf_counter() - before) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


@contextmanager
def _node() -> Iterator[tuple[Sshd, Connection]]:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "sshd") as server:
        base = Path(folder) / "base"
        base.mkdir(mode=0o700)
        node = connect(server.spec(), server.here(base))
        try:
            node.look(COMMAND)
            yield server, node
        finally:
            node.close()


@contextmanager
def _shell() -> Iterator[Callable[[], object]]:
    """The same command, run by a shell that waits at a pipe: nothing that runs a program can be faster."""
    with subprocess.Popen(("/bin/sh",), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as shell:
        into, out = shell.stdin, shell.stdout
        if into is None or out is None:
            raise AssertionError

        def run() -> object:
            into.write(b"/bin/true; echo $?\n")
            return out.readline()

        run()
        yield run
        into.close()


@contextmanager
def _plain(server: Sshd) -> Iterator[paramiko.SSHClient]:
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    spec = server.spec()
    try:
        client.connect(LOOPBACK, server.port, spec.ssh.user, key_filename=str(server.identity), allow_agent=False)
        yield client
    finally:
        client.close()


def _exec(client: paramiko.SSHClient) -> int:
    _, output, _ = client.exec_command(COMMAND.text)
    output.read()
    status: int = output.channel.recv_exit_status()
    return status


def _job(node: Connection, key: Key, generation: int) -> None:
    node.launch(key, COMMAND, generation=generation, owner=OWNER)
    if node.wait(key, COMMAND.deadline).state is not JobState.DONE:
        raise AssertionError(key)
