"""The nodes behind real SSH servers on loopback, one port each: what the embedded pair is reached by."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED

from hamn_flow.model.command import NodeName
from hamn_flow.simulator.node_side import Conversation
from hamn_flow.simulator.world import World
from hamn_flow.transport.wire import Bootstrap

LOOPBACK = "127.0.0.1"


class _Gate(paramiko.ServerInterface):  # type: ignore[misc] # paramiko has no types
    """Lets in who has the one key, and runs nothing but the launcher's bootstrap."""

    def __init__(self, client_key: paramiko.PKey, converse: Callable[[paramiko.Channel, Bootstrap], None]) -> None:
        self._client_key = client_key
        self._converse = converse

    def get_allowed_auths(self, username: str) -> str:
        """Keys alone."""
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """The key that was made at this start."""
        del username
        return int(AUTH_SUCCESSFUL if key.asbytes() == self._client_key.asbytes() else AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Sessions alone."""
        del chanid
        return int(OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """The launcher's bootstrap, spoken to by the simulator itself."""
        bootstrap = Bootstrap.parse(command.decode(errors="replace"))
        if bootstrap is None:
            return False
        threading.Thread(target=self._converse, args=(channel, bootstrap), daemon=True).start()
        return True


@dataclass
class SshServer:
    """An SSH server for one node, on a free port of loopback, with a host key made at this start."""

    world: World
    node: NodeName
    client_key: paramiko.PKey
    host_key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server((LOOPBACK, 0)))
    _transports: list[paramiko.Transport] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)
    _accepting: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        address: tuple[str, int] = self._listener.getsockname()
        return address[1]

    def start(self) -> None:
        """Begin to accept connections, in a thread of its own."""
        self._accepting = threading.Thread(target=self._accept, name=f"sshd of {self.node}", daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop accepting, and end every connection."""
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        if self._accepting is not None:
            self._accepting.join()
        self._listener.close()
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                link, _ = self._listener.accept()
            except OSError:
                return  # closed
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.world.state.nodes[self.node].powered:
                self._begin(link)
            else:
                link.close()

    def _begin(self, link: socket.socket) -> None:
        transport = paramiko.Transport(link)
        transport.add_server_key(self.host_key)
        self._transports = [other for other in self._transports if other.is_active()]
        self._transports.append(transport)
        # With an event the negotiation goes on by itself, so that one slow client keeps nobody waiting.
        transport.start_server(event=threading.Event(), server=_Gate(self.client_key, self._converse))

    def _converse(self, channel: Any, bootstrap: Bootstrap) -> None:
        Conversation(self.world, self.node, channel, bootstrap).serve()
