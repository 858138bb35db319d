"""A child process that is talked to over one socket: the launcher of this machine, or the user's ProxyCommand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO

END = 10.0  # seconds that a child has to end after its input has ended


class Child:
    """A process whose standard input and output are the other end of `socket`; its errors are kept."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self.socket = ours

    @classmethod
    def start(cls, argv: Sequence[str]) -> Child:
        """Start a program; OSError if there is none.

        It gets a session of its own: Ctrl-C on the terminal is for the driver, which stops between two commands.
        """
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        ours, theirs = socket.socketpair()
        try:
            end = theirs.fileno()
            process = subprocess.Popen(argv, stdin=end, stdout=end, stderr=errors, start_new_session=True)  # noqa: S603 - no shell
        except OSError:
            ours.close()
            errors.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours, errors)

    @property
    def errors(self) -> str:
        """What it has printed on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def hang_up(self) -> None:
        """End its input; a read of the socket that waits returns."""
        with contextlib.suppress(OSError):  # it may have ended by itself
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, and see it end."""
        self.hang_up()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.socket.close()
        self._errors.close()
