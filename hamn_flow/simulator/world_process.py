"""A world in a process of its own, so that the driver can be killed while the world lives on.

    python -m hamn_flow.simulator.world_process DIRECTORY

In the directory lie Unix sockets: one for each node, on which it speaks as a node does (`connect_socket` is the
client), and `control`, on which a test resets, compares and breaks the world (`WorldProcess`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hamn_flow.model.command import Key, NodeName, Result
from hamn_flow.model.pair import NodeSpec
from hamn_flow.simulator.faults import Fault
from hamn_flow.simulator.node_side import Conversation
from hamn_flow.simulator.standard import ADDRESSES, DatabaseName, standard_pair
from hamn_flow.simulator.state import Executed, State
from hamn_flow.simulator.world import World
from hamn_flow.transport.session import STREAM_TIMEOUT, Session, program
from hamn_flow.transport.wire import Bootstrap

_READY = b"ready\n"
_START_SECONDS = 30.0


# --- the driver's side -------------------------------------------------------------------------------------------


class SocketStream:
    """A Stream (transport/session.py) over a connected socket."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(STREAM_TIMEOUT)
        self._socket = connected

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """What has come; nothing at the end."""
        return self._socket.recv(256 * 1024)

    def hang_up(self) -> None:
        """End it both ways: a `receive` that waits returns."""
        with suppress(OSError):  # the other end may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def last_words(self) -> str:
        """Nothing is said beside the conversation."""
        return ""


def connect_socket(directory: Path) -> Callable[[NodeSpec], Session]:
    """The `Connect` to the nodes of a world process."""

    def connect(spec: NodeSpec) -> Session:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(directory / spec.name))
        return Session(spec.name, SocketStream(connected))

    return connect


# --- the test's side ---------------------------------------------------------------------------------------------


class WorldProcess:
    """Starts the process and ends it; in between, a remote control of its world."""

    def __init__(self, directory: Path, *, database: DatabaseName = "postgresql") -> None:
        self.directory = directory
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Connection[Any, Any] | None = None

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        argv = (sys.executable, "-m", __spec__.name, str(self.directory), self._database)
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE)  # noqa: S603 - arguments of our own
        out = self._process.stdout
        if out is None or out.readline() != _READY:
            message = "the world does not start"
            raise RuntimeError(message)
        self._control = Client(str(self.directory / "control"), "AF_UNIX")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=_START_SECONDS)

    def _ask(self, what: str, *values: Any) -> Any:
        if self._control is None:
            message = "the world was not started"
            raise RuntimeError(message)
        self._control.send((what, values))
        done, answer = self._control.recv()
        if not done:
            raise RuntimeError(answer)
        return answer

    def reset(self, database: DatabaseName = "postgresql") -> None:
        """The standard pair anew; no driver is known."""
        self._ask("reset", database)

    def driver(self, pid: int) -> None:
        """The process that `DriverKilled` kills."""
        self._ask("driver", pid)

    def fault(self, *faults: Fault) -> None:
        """Put faults into the world."""
        self._ask("fault", *faults)

    def clear_faults(self) -> None:
        """Take all faults out."""
        self._ask("clear_faults")

    def digest(self) -> str:
        """The name of the state that matters."""
        digest: str = self._ask("digest")
        return digest

    def picture(self) -> dict[str, object]:
        """What the digest is made of."""
        picture: dict[str, object] = self._ask("picture")
        return picture

    def snapshot(self) -> bytes:
        """Everything, to be restored later."""
        snapshot: bytes = self._ask("snapshot")
        return snapshot

    def restore(self, snapshot: bytes) -> None:
        """The world as it was."""
        self._ask("restore", snapshot)

    def state(self) -> State:
        """A copy of the whole state."""
        state: State = self._ask("state")
        return state

    def log(self) -> list[Executed]:
        """The world's own log."""
        return self.state().log

    def run(self, node: str, *words: str) -> Result:
        """A person's own command on a node."""
        result: Result = self._ask("run", node, *words)
        return result

    def finish(self, node: str, key: Key) -> None:
        """Let a lingering job take effect and end."""
        self._ask("finish", node, key)

    def power_off(self, node: str) -> None:
        """Cut a node's power."""
        self._ask("power_off", node)

    def boot(self, node: str) -> None:
        """Boot a node."""
        self._ask("boot", node)

    def lose_link(self, node: str) -> None:
        """Cut all connections to a node."""
        self._ask("lose_link", node)

    def fill(self, node: str) -> None:
        """Fill the disk on which a node keeps copies of journals."""
        self._ask("fill", node)


# --- the world's side --------------------------------------------------------------------------------------------


class _Server:
    def __init__(self, directory: Path, database: DatabaseName) -> None:
        self._directory = directory
        self._driver = 0
        self.world = standard_pair(database)
        self._prepare(self.world)

    def _prepare(self, world: World) -> None:
        world.lenient = True
        world.kill_driver = self._kill

    def _kill(self) -> None:
        if self._driver:
            os.kill(self._driver, signal.SIGKILL)

    def control(self, what: str, values: tuple[Any, ...]) -> Any:
        """One order of the test."""
        world = self.world
        match what:
            case "reset":
                self._driver = 0
                world.restore(standard_pair(*values).snapshot())
                return None
            case "driver":
                (self._driver,) = values
                return None
            case "state":
                return world.state
            case _:
                return getattr(world, what)(*values)

    def serve(self) -> None:
        """Answer on all sockets until the control's end."""
        for name in ADDRESSES:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self._directory / name))
            listener.listen()
            threading.Thread(target=self._serve_node, args=(name, listener), daemon=True).start()
        with Listener(str(self._directory / "control"), "AF_UNIX") as listener_of_control:
            sys.stdout.buffer.write(_READY)
            sys.stdout.buffer.flush()
            with listener_of_control.accept() as link:
                self._obey(link)

    def _obey(self, link: Connection[Any, Any]) -> None:
        while True:
            try:
                what, values = link.recv()
            except EOFError:
                return
            try:
                answer = (True, self.control(what, values))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                answer = (False, f"{what}: {error!r}")
            with self.world.changed:  # what is sent is not changed meanwhile
                link.send(answer)

    def _serve_node(self, name: NodeName, listener: socket.socket) -> None:
        while True:
            link, _ = listener.accept()
            conversation = Conversation(self.world, name, link, Bootstrap.of(program()))
            threading.Thread(target=conversation.serve, daemon=True).start()


def main(arguments: list[str]) -> None:
    """Serve the world whose sockets lie in the directory."""
    directory, database = arguments
    if database not in {"postgresql", "sqlite"}:
        message = f"no database {database}"
        raise SystemExit(message)
    _Server(Path(directory), "sqlite" if database == "sqlite" else "postgresql").serve()


if __name__ == "__main__":
    main(sys.argv[1:])
