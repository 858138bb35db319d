"""The node's end of a launcher's channel (transport/wire), with the world in the place of the launcher."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from hamn_flow.errors import LookFailed, StaleDriver, Unreachable
from hamn_flow.facts.scripts import name_of
from hamn_flow.model.command import Command, Job, JobState, NodeName
from hamn_flow.simulator.world import LinkCutError, World
from hamn_flow.transport import wire
from hamn_flow.transport.connection import Piece

PIECE = 64 * 1024  # bytes of output in a frame

_OfJobs = wire.Holding | wire.Claim | wire.Launch | wire.Cancel | wire.Ping
_OfCopies = wire.Keep | wire.Copies | wire.Aside


class Channel(Protocol):
    """Bytes both ways, as sockets and SSH channels have it."""

    def recv(self, size: int, /) -> bytes:
        """What has come; nothing at the end."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""
        ...

    def close(self) -> None:
        """Both directions end."""
        ...


@dataclass
class Conversation:
    """One connection: `serve` goes on until either end hangs up. Requests that wait are answered beside the others."""

    world: World
    node: NodeName
    channel: Channel
    bootstrap: wire.Bootstrap
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _link: int = 0

    def serve(self) -> None:
        """Say READY, take the launcher's program, say hello, answer requests."""
        try:
            self._serve()
        except (OSError, EOFError, LinkCutError, Unreachable, wire.Garbled):
            return  # a link that ends, at whatever moment, is what this is made for
        finally:
            with suppress(OSError, EOFError):  # the other end may have reset the link
                self.channel.close()

    def _serve(self) -> None:
        hello = self.world.greet(self.node)
        self._link = self.world.state.nodes[self.node].links
        self._send(wire.READY)
        requests = wire.Requests(self.bootstrap)
        greeted = False
        while data := self.channel.recv(PIECE):
            found = requests.feed(data)
            if requests.started and not greeted:
                greeted = True
                self._send(wire.encode(0, hello))
            for number, request in found:
                if isinstance(request, wire.Wait):
                    threading.Thread(target=self._answer_late, args=(number, request), daemon=True).start()
                else:
                    self._send(self._answer(number, request))

    def _answer_late(self, number: int, request: wire.Wait) -> None:
        try:
            self._send(self._waited(number, request))
        except (OSError, EOFError, Unreachable):
            with suppress(OSError, EOFError):  # as above
                self.channel.close()

    def _waited(self, number: int, request: wire.Wait) -> bytes:
        until = time.monotonic() + request.seconds
        with self.world.changed:
            job = self.world.wait(self.node, request.key)
            while job.state is JobState.RUNNING and (left := until - time.monotonic()) > 0:
                self.world.changed.wait(left)
                self._live()
                job = self.world.wait(self.node, request.key)
        return _standing(number, job)

    def _answer(self, number: int, request: wire.Request) -> bytes:
        self._live()
        match request:
            case wire.Look():
                return self._looked(number, request)
            case wire.Fetch(copy=copy):
                text = self.world.copies(self.node).get(copy, b"")
                return _output(number, text) + wire.encode(number, self.world.keep(self.node, copy, Piece()))
            case wire.Wait():
                return self._waited(number, request)
            case wire.Ask(key=key):
                return _standing(number, self.world.ask(self.node, key))
            case _:
                return wire.encode(number, self._done(request))

    def _done(self, request: _OfJobs | _OfCopies) -> wire.Reply:
        match request:
            case wire.Keep() | wire.Copies() | wire.Aside():
                return self._copied(request)
            case wire.Holding():
                return self.world.held(self.node)
            case wire.Claim(generation=generation, holder=holder, owner=owner):
                return self.world.claim(self.node, owner, generation=generation, holder=holder)
            case wire.Launch():
                return self._launched(request)
            case wire.Cancel(key=key, signal=signal):
                return wire.Signalled(sent=self.world.cancel(self.node, key, signal))
            case wire.Ping():
                return wire.Pong()

    def _copied(self, request: _OfCopies) -> wire.Reply:
        match request:
            case wire.Keep() | wire.Aside():
                return self._kept(request)
            case wire.Copies():
                return wire.Listed(copies=tuple(name for name in self.world.copies(self.node) if "." not in name))

    def _kept(self, request: wire.Keep | wire.Aside) -> wire.Reply:
        copy, generation, owner = request.copy, request.generation, request.owner
        try:
            if isinstance(request, wire.Aside):
                return self.world.set_aside(self.node, copy, generation=generation, owner=owner)
            return self.world.keep(
                self.node, copy, Piece(at=request.at, text=request.text, generation=generation, owner=owner)
            )
        except LookFailed as error:
            return wire.Failed(reason=error.sentence)
        except StaleDriver:
            return self._stale()

    def _looked(self, number: int, request: wire.Look) -> bytes:
        command = self._command(request.argv, request.environment, request.text_in, request.deadline)
        try:
            result = self.world.look(self.node, command)
        except LookFailed:
            return wire.encode(number, wire.Overdue())
        ended = wire.Ended(status=result.status, seconds=result.seconds)
        return _output(number, result.output, result.errors) + wire.encode(number, ended)

    def _launched(self, request: wire.Launch) -> wire.Launched | wire.Stale:
        command = self._command(request.argv, request.environment, request.text_in, 0.0)
        try:
            new = self.world.launch(self.node, request.key, command, generation=request.generation, owner=request.owner)
        except StaleDriver:
            return self._stale()
        return wire.Launched(new=new)

    def _stale(self) -> wire.Stale:
        launcher = self.world.state.nodes[self.node].launcher
        return wire.Stale(generation=launcher.generation, owner=launcher.owner)

    def _command(
        self, argv: tuple[str, ...], environment: tuple[tuple[str, str], ...], text: str, deadline: float
    ) -> Command:
        script = (name_of(text) or "") if text else ""
        return Command(
            node=self.node, argv=argv, environment=environment, text_in=text, script=script, deadline=deadline
        )

    def _live(self) -> None:
        node = self.world.state.nodes[self.node]
        if not node.powered or node.links != self._link:
            message = f"the link to {self.node} was lost"
            raise Unreachable(message)

    def _send(self, data: bytes) -> None:
        with self._sending:
            self.channel.sendall(data)


def _output(number: int, *streams: bytes) -> bytes:
    frames = b""
    for stream, data in enumerate(streams, start=1):
        for at in range(0, len(data), PIECE):
            frames += wire.encode(number, wire.Output(stream=stream, data=data[at : at + PIECE]))
    return frames


def _standing(number: int, job: Job) -> bytes:
    if job.result is None:
        return wire.encode(number, wire.Standing(state=job.state))
    said = wire.Standing(state=job.state, status=job.result.status, seconds=job.result.seconds)
    return _output(number, job.result.output, job.result.errors) + wire.encode(number, said)
