"""What a person sees at a terminal: questions, colours, the live line; and none of it elsewhere."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from hamn_flow.journal import read
from hamn_flow.model.run import RunState
from hamn_flow.simulator.embedded import EmbeddedPair
from tests.cli.desk import ROOT, Desk, begun

_SECONDS = 40.0


class Terminal:
    """A program at a pseudo-terminal of 80 columns."""

    def __init__(self, *words: str, environment: Mapping[str, str] | None = None) -> None:
        self.seen = ""
        self._here, there = pty.openpty()
        os.set_blocking(self._here, False)
        self.child = subprocess.Popen(
            (sys.executable, "-m", "hamn_flow", *words),
            cwd=ROOT,
            stdin=there,
            stdout=there,
            stderr=there,
            env={**os.environ, "COLUMNS": "80", "LINES": "24", **(environment or {})},
        )
        os.close(there)

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    def until(self, words: str) -> None:
        """Read until it says these words."""
        self._read(lambda: words in self.seen)
        assert words in self.seen

    def end(self) -> int:
        """Read to the end; its exit status."""
        self._read(lambda: False)
        os.close(self._here)
        return self.child.wait(_SECONDS)

    def _read(self, enough: object) -> None:
        until = time.monotonic() + _SECONDS
        while not (callable(enough) and enough()):
            assert time.monotonic() < until, self.seen
            try:
                self.seen += os.read(self._here, 1 << 16).decode(errors="replace").replace("\r\n", "\n")
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:  # the other end is closed
                return


def test_a_question_answered_with_anything_but_yes_changes_nothing(desk: Desk, pair: EmbeddedPair) -> None:
    before = pair.world.digest()
    assert not desk.journal.exists()
    terminal = Terminal("start", "planned-failover")
    terminal.until("Start planned-failover on the pair standard? [y/N] ")
    assert "umount /install" in terminal.seen, "the plan comes before the question"
    terminal.type("\n")
    assert terminal.end() == 5
    assert "not done, because the answer was not yes" in terminal.seen
    assert pair.world.digest() == before
    assert desk.type("runs", "--json").out.count('"id"') == 0


def test_ctrl_c_at_the_question_changes_nothing(desk: Desk, pair: EmbeddedPair) -> None:
    before = pair.world.digest()
    terminal = Terminal("start", "planned-failover")
    terminal.until("[y/N] ")
    terminal.child.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert pair.world.digest() == before
    assert desk.type("runs", "--json").out.count('"id"') == 0


def test_a_question_answered_with_yes_and_the_live_line(desk: Desk, pair: EmbeddedPair) -> None:
    pair.world.pace = 0.2
    terminal = Terminal("start", "planned-failover")
    terminal.until("[y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert " is \x1b[32mdone\x1b[0m: " in terminal.seen
    assert re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] +\d+\.\d\d s  mn", terminal.seen), "nothing showed what was under way"
    assert "Traceback" not in terminal.seen
    assert desk.type("status").status == 0


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "NO_COLOR empty", "dumb"],
)
def test_colours_only_where_they_are_wanted(desk: Desk, environment: dict[str, str], *, coloured: bool) -> None:
    with desk.drive() as journal:
        begun(journal, "k7m2qx")
    terminal = Terminal("status", environment=environment)
    assert terminal.end() == 0
    assert ("\x1b[" in terminal.seen) == coloured
    assert "orphaned" in terminal.seen
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in terminal.seen.splitlines()) <= 80


def test_no_colours_and_no_folding_in_a_pipe(desk: Desk) -> None:
    with desk.drive() as journal:
        begun(journal, "k7m2qx")
    said = desk.type("status").out
    assert "\x1b" not in said
    assert "next        Type hamn-flow resume k7m2qx: it looks at what was under way first, then goes on; or" in said


def test_a_reader_that_goes_away_stops_the_run_as_ctrl_c_does(desk: Desk, pair: EmbeddedPair) -> None:
    """What is printed goes into a pipe that is closed at the first step: the run waits and can be resumed."""
    del pair
    process = desk.start("start", "planned-failover", "--yes")
    assert process.stdout is not None
    for line in process.stdout:
        if "mn1.stop.conserver" in line and "done" in line:
            break
    process.stdout.close()
    process.wait(60)
    with read(desk.journal) as reader:
        (summary,) = reader.runs()
        assert (summary.state, reader.holder()) == (RunState.WAITING, None)
    assert desk.type("resume", "--yes").status == 0
