"""Programs of this machine that the lab starts, each with a deadline."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from hamn_flow.errors import StepFailed


def run(
    *argv: str | Path,
    text_in: str = "",
    deadline: float = 60.0,
    environment: Mapping[str, str] | None = None,
    anyway: bool = False,
) -> str:
    """Run a program to its end, and return what it printed; StepFailed if it ends with another status than 0.

    `anyway` takes any status. Descriptors that were made inheritable, such as the lab's lock, are handed on: whoever
    cleans up after this program was killed waits for what it had started, too.
    """
    words = [str(word) for word in argv]
    try:
        ended = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            words,
            input=text_in,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline,
            env=dict(os.environ if environment is None else environment) | {"PATH": search_path()},
            close_fds=False,
            check=False,
        )
    except OSError as error:
        raise StepFailed(f"{words[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"`{shlex.join(words)}` did not end within {deadline:.0f} s") from error
    if ended.returncode and not anyway:
        raise failed(words, ended)
    return ended.stdout


def search_path() -> str:
    """Where programs are sought: also where only root's are, which a plain `su` leaves out."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def failed(words: Sequence[str], ended: subprocess.CompletedProcess[str]) -> StepFailed:
    """The error of a program that ended with another status than 0."""
    said = " ".join((ended.stderr.strip() or ended.stdout.strip()).split()) or "it said nothing"
    return StepFailed(f"`{shlex.join(words)}` ended with {ended.returncode}: {said}")


def become(argv: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    """Turn this process into a program, so that its terminal, signals and exit status are the program's own."""
    sys.stdout.flush()
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and by what it turns into if nobody says otherwise
        signal.signal(ignored, signal.SIG_DFL)
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - a list of arguments, no shell
