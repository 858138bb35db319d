"""Ctrl-C: the first one stops between two commands, the second leaves the one under way to the node.

A terminal that is closed (HUP), a TERM, and a reader that goes away are taken as the first one. A signal that whoever
started us had us ignore, as nohup does with HUP, stays ignored.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from hamn_flow.errors import Interrupted

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Handler = Callable[[int, FrameType | None], object]
_SLICE = 0.1  # seconds: how long a wait between two attempts goes on after Ctrl-C at most


@contextmanager
def listening(handler: _Handler) -> Iterator[None]:
    """Call the handler for each signal that asks us to stop, unless it was to be ignored (nohup(1), `&` in sh(1))."""
    numbers = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


class Stop:
    """Whether the person wants to stop, and a sleep that ends when they do."""

    def __init__(self) -> None:
        self._asked = False

    def requested(self) -> bool:
        """Asked by the engine between two commands."""
        return self._asked

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds, or until the person wants to stop."""
        until = time.monotonic() + seconds
        while not self._asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))

    def ask(self) -> None:
        """Stop between two commands."""
        self._asked = True

    @contextmanager
    def on_ctrl_c(self) -> Iterator[None]:
        """Listen to Ctrl-C meanwhile; Interrupted after the second one."""
        try:
            with listening(self._pressed):
                yield
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted; a command that was under way goes on on its node",
                hint="Type hamn-flow status, then hamn-flow resume: it looks at what became of it first.",
            ) from error

    def _pressed(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write("\nstopping after what is under way; press Ctrl-C again to leave it running on its node\n")
            sys.stderr.flush()
