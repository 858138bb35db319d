"""Where `hamn-flow` begins and ends: one place that turns our errors into words and an exit status."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

from hamn_flow.errors import HamnError, Refused


def program() -> NoReturn:
    """Be `hamn-flow`: a process that ends with the status of `main`.

    A second Ctrl-C leaves threads behind. Python would end them wherever they are as it takes itself down, and abort
    where one of them is within a library; so it is not taken down then. All that was said has been flushed.

    What a command needs it imports when it is needed, and that is no garbage either (see `_loaded`): the collector
    comes only every so many new objects, far more than by default.
    """
    gc.set_threshold(50_000)
    status = main()
    if threading.active_count() > 1:
        os._exit(status)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is that of errors.py, 2 for a wrong command line, 130 for Ctrl-C.

    What is not a HamnError is a bug: it passes, so that Python prints its traceback and ends with 1.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    app = _loaded()
    try:
        _refuse_unreadable(words)
        app(args=words, prog_name="hamn-flow")
    except HamnError as error:
        from hamn_flow.cli.paper import Paper

        Paper.of(as_json="--json" in words).error(error)
        return error.exit_status
    except BrokenPipeError:  # whoever read has heard enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _refuse_unreadable(words: Sequence[str]) -> None:
    """Refused if a word is not UTF-8: it could neither be kept in a journal nor printed."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            shown = word.encode(errors="surrogateescape").decode(errors="backslashreplace")
            raise Refused(
                f"what was typed is not UTF-8: {shown}",
                hint="Type it without such letters, or set the terminal to UTF-8.",
            ) from error


def _loaded() -> Callable[..., object]:
    """The commands. Modules that are being loaded are no garbage: without the collector it takes a fifth less."""
    gc.disable()
    try:
        from hamn_flow.cli.app import app
    finally:
        gc.freeze()
        gc.enable()
    return app
