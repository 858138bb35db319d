"""How a conversation starts: the launcher's program is sent, whole or not at all."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from hamn_flow.transport.wire.coding import decode_reply, decode_request
from hamn_flow.transport.wire.frames import Frames, Garbled
from hamn_flow.transport.wire.messages import Reply, Request

READY = b"hamn-flow launcher, version 1\n"

_LONGEST_NOISE = 64 * 1024
_BOOTSTRAP = (
    # Only what perl itself has, and neither a quote nor an exclamation mark: some login shells are csh.
    # sysread takes no byte beyond the program; unpack gives the sum of its bytes modulo 2**32.
    "$n=shift;$s=shift;syswrite STDOUT,qq(hamn-flow launcher, version 1\\n);$p=q();"
    "while(length($p)<$n){sysread(STDIN,$p,$n-length($p),length($p))or exit 75}"
    "unpack(q(%32C*),$p)==$s or die qq(the launcher was garbled\\n);eval$p;die$@ if$@"
)


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How the node is told which launcher it will get: by its size and the sum of its bytes modulo 2**32.

    `base` is the folder for generations and jobs; empty: the node's own choice (see launcher/jobs.pl).
    """

    size: int
    checksum: int
    base: str = ""
    sudo: bool = False

    @classmethod
    def of(cls, program: bytes, *, base: str = "", sudo: bool = False) -> Bootstrap:
        """The bootstrap of a launcher's text."""
        return cls(size=len(program), checksum=sum(program) % 2**32, base=base, sudo=sudo)

    @property
    def argv(self) -> tuple[str, ...]:
        """The program that the node starts."""
        perl = ("perl", "-C0", "-e", _BOOTSTRAP, "--", str(self.size), str(self.checksum), self.base)
        return ("sudo", "-n", *perl) if self.sudo else perl

    @property
    def command(self) -> str:
        """The same for the node's login shell."""
        return f"exec {shlex.join(self.argv)}"

    @classmethod
    def parse(cls, command: str) -> Bootstrap | None:
        """What an SSH server was asked to execute, if it is our bootstrap."""
        try:
            words = shlex.split(command)
        except ValueError:
            return None
        match words:
            case ["exec", *sudo, "perl", "-C0", "-e", code, "--", size, checksum, base] if code == _BOOTSTRAP:
                return cls(size=int(size), checksum=int(checksum), base=base, sudo=bool(sudo))
        return None


@dataclass
class Requests:
    """A node's side of the channel, after it said READY: first the launcher's program, then requests.

    A simulated node has no use for the program: it is checked and forgotten. When all of it has come
    (`started`), Hello is due.
    """

    bootstrap: Bootstrap
    _program: bytearray = field(default_factory=bytearray)
    _frames: Frames = field(default_factory=Frames)

    @property
    def started(self) -> bool:
        """Whether the whole program has come."""
        return len(self._program) == self.bootstrap.size

    def feed(self, more: bytes) -> list[tuple[int, Request]]:
        """The requests that are whole now, each with its id; Garbled ends the conversation."""
        missing = self.bootstrap.size - len(self._program)
        self._program += more[:missing]
        if not self.started:
            return []
        if missing and sum(self._program) % 2**32 != self.bootstrap.checksum:
            raise Garbled("the launcher was garbled")
        return [(frame.id, decode_request(frame)) for frame in self._frames.feed(more[missing:])]


@dataclass
class Replies:
    """The client's side of the channel: what a login shell printed (`noise`), READY, then replies."""

    ready: bool = False
    noise: bytes = b""
    _frames: Frames = field(default_factory=Frames)

    def feed(self, more: bytes) -> list[tuple[int, Reply]]:
        """The replies that are whole now, each with its id; Garbled ends the conversation."""
        if not self.ready:
            self.noise, found, more = (self.noise + more).partition(READY)
            if len(self.noise) > _LONGEST_NOISE:
                raise Garbled(f"{len(self.noise)} bytes were printed, and no launcher started")
            self.ready = bool(found)
        return [(frame.id, decode_reply(frame)) for frame in self._frames.feed(more)]
