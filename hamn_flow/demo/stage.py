"""Where the demonstration plays: the embedded pair, a home folder of its own, and the commands that are typed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import hamn_flow
from hamn_flow.content import folder
from hamn_flow.simulator.embedded import EmbeddedPair

_LONGEST = 120.0  # seconds for one command; far more than any needs
_PACE = 0.05  # of what the nodes' own commands take on a real system
_POLICY = "\n[policy]\nfirst_wait = 0.4\n"  # seconds before the second attempt; nobody wants to wait longer here


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What is left out of a long output: after so many lines, up to the first one that matches `until`."""

    shown: int
    until: str  # a regular expression


@dataclass
class Scene:
    """The pair, what is printed, and what was not as expected."""

    pair: EmbeddedPair
    journal: Path
    say: Callable[[str], None]
    environment: dict[str, str]
    unexpected: list[str] = field(default_factory=list)

    def type(self, *words: str, ends: int, says: str = "", cut: Cut | None = None) -> None:
        """Run a hamn-flow command as a person would and show what it prints.

        It is expected to end with that status and to say those words.
        """
        self.say(f"\n$ hamn-flow {' '.join(words)}\n")
        argv = (sys.executable, "-m", "hamn_flow", *words)
        lines: list[str] = []
        with subprocess.Popen(  # noqa: S603 - our own program with words of our own
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        ) as child:
            end = threading.Timer(_LONGEST, child.kill)
            end.start()
            try:
                for shown in _cut(_kept(child, lines), cut or Cut(shown=0, until="")):
                    self.say(f"    {shown}".rstrip() + "\n")
                status = child.wait()
            finally:
                end.cancel()
        if ends:
            self.say(f"[exit status {status}]\n")
        self.expect(f"`hamn-flow {' '.join(words)}` ends with {ends}, not {status}", holds=status == ends)
        self.expect(f"`hamn-flow {' '.join(words)}` says `{says}`", holds=says in " ".join(map(str.strip, lines)))

    def expect(self, what: str, *, holds: bool) -> None:
        """Note what should be so and is not."""
        if not holds:
            self.unexpected.append(what)


@contextmanager
def scene(say: Callable[[str], None], journal: Path | None) -> Iterator[Scene]:
    """The pair up and running on loopback; the journal begun anew."""
    with TemporaryDirectory(prefix="hamn-flow-demo-") as made:
        home = Path(made)
        with (
            _journal(journal or _in_checkout(), home) as kept,
            EmbeddedPair(home / "pair", pace=_PACE) as pair,
        ):
            with pair.cluster_file.open("a") as file:
                file.write(_POLICY)
            known = home / ".ssh" / "known_hosts"
            known.parent.mkdir(mode=0o700)
            shutil.copy(pair.known_hosts, known)
            package = Path(hamn_flow.__file__ or "").parent.parent
            environment = {
                **os.environ,
                "HOME": str(home),
                "HAMN_FLOW_CLUSTER": str(pair.cluster_file),
                "HAMN_FLOW_JOURNAL": str(kept),
                "PYTHONPATH": os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH")))),
                "COLUMNS": str(min(shutil.get_terminal_size((104, 24)).columns, 124) - 4),
            }
            yield Scene(pair=pair, journal=kept, say=say, environment=environment)


@contextmanager
def _journal(wanted: Path | None, home: Path) -> Iterator[Path]:
    """The journal's place, begun anew; one in the home folder where another demonstration uses the one wanted."""
    with ExitStack() as held:
        if wanted is None or not held.enter_context(_alone(wanted.with_name(wanted.name + ".playing"))):
            wanted = home / "demo.db"
        for suffix in ("", "-wal", "-shm"):
            wanted.with_name(wanted.name + suffix).unlink(missing_ok=True)
        yield wanted


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock; if so, it is held meanwhile."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _in_checkout() -> Path | None:
    """state/demo.db, where this is a checkout that may be written to."""
    state = folder("state")
    own = Path(hamn_flow.__file__ or "").parent
    return None if state.is_relative_to(own) or not os.access(state, os.W_OK) else state / "demo.db"


def _kept(child: subprocess.Popen[str], lines: list[str]) -> Iterator[str]:
    for text in child.stdout or ():
        lines.append(text.rstrip("\n"))
        yield lines[-1]


def _cut(lines: Iterator[str], cut: Cut) -> Iterator[str]:
    """The lines without those that are to be left out; all of them where none matches `until`."""
    left_out: list[str] = []
    cutting = bool(cut.until)
    for number, text in enumerate(lines):
        if cutting and re.match(cut.until, text):
            cutting = False
            yield f"... {len(left_out)} more lines ..."
        if cutting and number >= cut.shown:
            left_out.append(text)
        else:
            yield text
    if cutting:
        yield from left_out
