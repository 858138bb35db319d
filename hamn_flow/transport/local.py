"""The launcher on this very machine: the same program as a child process, and no SSH."""

from __future__ import annotations

from hamn_flow.errors import Unreachable
from hamn_flow.model.pair import NodeSpec
from hamn_flow.transport.child import Child
from hamn_flow.transport.session import STREAM_TIMEOUT, Patience, Session, program
from hamn_flow.transport.wire import Bootstrap

_PIECE = 256 * 1024


class _Local:
    """A `Stream` to a child process."""

    def __init__(self, child: Child) -> None:
        child.socket.settimeout(STREAM_TIMEOUT)
        self._child = child
        self.hang_up = child.hang_up
        self.close = child.close
        self.send = child.socket.sendall

    def receive(self) -> bytes:
        return self._child.socket.recv(_PIECE)

    def last_words(self) -> str:
        return self._child.errors


def connect_local(spec: NodeSpec, *, base: str = "", patience: Patience | None = None) -> Session:
    """A connection to this machine; Unreachable if the launcher does not start (no Perl)."""
    bootstrap = Bootstrap.of(program(), base=base, sudo=spec.ssh.sudo)
    try:
        child = Child.start(bootstrap.argv)
    except OSError as error:
        raise Unreachable(f"{spec.name}: the launcher does not start: {error}") from error
    return Session(spec.name, _Local(child), patience=patience)
