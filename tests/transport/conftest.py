"""Connections to real launchers: as a child process, and behind a real sshd."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import NodeSpec, Ssh
from hamn_flow.transport import connect
from hamn_flow.transport.connection import Connection
from hamn_flow.transport.here import Here
from hamn_flow.transport.session import Patience
from tests.ports import LOOPBACK
from tests.transport.sshd import PROGRAM, Sshd, serving

Dial = Callable[[], Connection]
UNTIL = 'turn=0; until [ -e "$1" ] || [ $turn = 1200 ]; do turn=$((turn + 1)); sleep 0.05; done'  # a minute at most


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if PROGRAM is None and os.environ.get("HAMN_FLOW_REQUIRE_SSHD") != "1":
        pytest.skip("sshd is not installed")
    with serving(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def local_spec() -> NodeSpec:
    return NodeSpec(name=NodeName("mn1"), address=LOOPBACK, ssh=Ssh(local=True))


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def dial(request: pytest.FixtureRequest, base: Path, local_spec: NodeSpec) -> Iterator[Dial]:
    """New connections to the same node; all are closed at the end."""
    spec, here = local_spec, Here(base=str(base))
    if request.param == "ssh":
        server: Sshd = request.getfixturevalue("sshd")
        spec, here = server.spec(), server.here(base)
    opened: list[Connection] = []

    def dial() -> Connection:
        opened.append(connect(spec, here))
        return opened[-1]

    yield dial
    for each in opened:
        each.close()


@pytest.fixture
def node(dial: Dial) -> Connection:
    return dial()


def see_end(node: Connection, pid: int) -> None:
    """Wait until a process of the node is dead (init may still have to collect it); LookFailed if it lives on."""
    text = (
        'while read -r stat 2> /dev/null < "/proc/$1/stat"; do case "$stat" in *") Z "*) exit;; esac; sleep 0.02; done'
    )
    node.look(Command(node=node.node, argv=("sh", "-c", text, "sh", str(pid)), deadline=20.0))


class Relay:
    """TCP between a client and a server that can be frozen (a dead peer) or cut (a reset)."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server((LOOPBACK, 0))
        self._ends: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self.sent = 0  # bytes that the client has sent
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        self._flowing.clear()

    def cut(self) -> None:
        self._flowing.set()
        for end in self._ends:
            with suppress(OSError):  # the other end may have gone first
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((LOOPBACK, self._port))
            self._ends += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return  # cut


@pytest.fixture
def relay(sshd: Sshd) -> Iterator[Relay]:
    through = Relay(sshd.port)
    yield through
    through.close()


@pytest.fixture
def impatient() -> Patience:
    return Patience(start=20.0, answer=2.0, quiet=0.1, silence=1.0)
