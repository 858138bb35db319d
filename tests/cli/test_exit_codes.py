"""The exit codes of errors.py, each brought about by a real command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from hamn_flow import errors
from hamn_flow.errors import HamnError, Invalid
from hamn_flow.simulator.embedded import EmbeddedPair
from hamn_flow.simulator.faults import Fails, Lingers
from tests.cli.desk import Desk

FAILOVER = ("planned-failover",)


def procedure(folder: Path, raises: str) -> tuple[str, ...]:
    """The words that plan a site's own procedure, which raises so."""
    folder.mkdir(exist_ok=True)
    (folder / "broken.py").write_text(
        f'"""A procedure that cannot be planned."""\n\nfrom hamn_flow import errors\n'
        "from hamn_flow.catalog import Workflow\n\n\n"
        f"def stages(site):\n    raise {raises}\n\n\nworkflow = Workflow(stages=stages)\n"
    )
    return ("--workflows", str(folder), "plan", "broken")


def kinds(of: type[HamnError] = HamnError) -> list[type[HamnError]]:
    return [kind for each in of.__subclasses__() if each.__module__ == errors.__name__ for kind in (each, *kinds(each))]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_each_error_ends_in_its_own_status(
    kind: type[HamnError], desk: Desk, pair: EmbeddedPair, tmp_path: Path
) -> None:
    sentence = "('the sentence',)" if issubclass(kind, Invalid) else "'the sentence'"
    words = procedure(tmp_path / "site", f"errors.{kind.__name__}({sentence}, hint='Type this.')")
    said = desk.type(*words)
    assert (said.status, said.out) == (kind.exit_status, "")
    assert said.errors == "hamn-flow: the sentence\nHINT: Type this.\n"
    assert pair.world.state.unknown == []


def test_the_table_is_the_one_in_the_documents() -> None:
    table = {kind.__name__: kind.exit_status for kind in kinds()}
    assert table == {
        "StepFailed": 3,
        "RolledBack": 4,
        "Refused": 5,
        "UntrustedHost": 5,
        "Busy": 6,
        "StaleDriver": 6,
        "Unreachable": 7,
        "LookFailed": 7,
        "OutcomeUnknown": 7,
        "Rebooted": 7,
        "Invalid": 8,
        "Changed": 8,
        "RollbackFailed": 9,
        "JournalUnusable": 10,
        "Interrupted": 130,
    }


def test_a_bug_is_a_traceback_and_1(desk: Desk, pair: EmbeddedPair, tmp_path: Path) -> None:
    assert pair.directory.is_dir()
    child = desk.start(*procedure(tmp_path / "site", "ZeroDivisionError('ours')"))
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "Traceback" in out
    assert out.endswith("ZeroDivisionError: ours\n")


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("--no-such-option", "status"),
        ("plan",),
        ("plan", "planned-failover", "to"),
        ("plan", "planned-failover", "to=mn1", "to=mn2"),
        ("runs", "--limit", "many"),
        ("confirm", "mn1.look"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2(desk: Desk, words: tuple[str, ...]) -> None:
    said = desk.type(*words)
    assert said.status == 2
    assert "Usage: hamn-flow" in said.errors
    assert not desk.journal.exists()


def test_halted_resumed_and_done(desk: Desk, pair: EmbeddedPair) -> None:
    shell = pair.world.hold("mn1", "/install")
    halted = desk.type("start", *FAILOVER, "--yes")
    assert halted.status == 3
    assert "hamn-flow: mn1.unmount./install: /install is busy on mn1" in halted.errors
    assert "alice" in halted.errors
    assert "HINT: " in halted.errors
    assert desk.type("start", *FAILOVER, "--yes").status == 5, "another run is open"
    pair.world.let_go("mn1", shell)
    done = desk.type("resume", "--yes")
    assert (done.status, done.errors) == (0, "")
    assert " is done: " in done.out
    assert desk.type("resume", "--yes").status == 5, "nothing is open"
    assert pair.world.state.unknown == []


def test_a_rollback_that_worked_is_0_and_one_that_did_not_is_9(desk: Desk, pair: EmbeddedPair) -> None:
    before = pair.world.digest()
    pair.world.hold("mn1", "/install")
    assert desk.type("start", *FAILOVER, "--yes").status == 3
    pair.world.fault(Fails(node="mn1", words=("systemctl", "start"), times=0, status=1, errors="no memory\n"))
    failed = desk.type("rollback", "--yes")
    assert failed.status == 9
    assert "it cannot be undone" in failed.errors
    pair.world.clear_faults()
    done = desk.type("rollback", "--yes")
    assert (done.status, done.errors) == (0, "")
    pair.world.let_go("mn1", next(each for each in pair.world.node("mn1").processes.values() if each.user == "alice"))
    assert pair.world.digest() == before


def test_without_a_terminal_and_without_yes_nothing_is_touched(desk: Desk, pair: EmbeddedPair) -> None:
    before = pair.world.digest()
    for words in (
        ("start", *FAILOVER),
        ("resume",),
        ("rollback",),
        ("skip", "mn1.look", "--because", "why not"),
        ("abandon", "--because", "why not"),
    ):
        said = desk.type(*words)
        assert (said.status, said.out) == (5, ""), words
        assert "nobody can be asked" in said.errors
        assert "Say --yes" in said.errors
    assert not desk.journal.exists()
    assert pair.world.digest() == before


def test_a_word_that_is_not_utf_8_is_refused(desk: Desk, pair: EmbeddedPair) -> None:
    """As a terminal sends it that is set to Latin-1; Python keeps such a byte as half of a pair of surrogates."""
    pair.world.hold("mn1", "/install")
    assert desk.type("start", *FAILOVER, "--yes").status == 3
    for words in (
        ("release", "mn1", "--because", "caf\udce9", "--yes"),
        ("abandon", "--because", "caf\udce9", "--yes"),
        ("confirm", "mn1.unmount./install", "--because", "caf\udce9"),
        ("show", "caf\udce9"),
        ("plan", *FAILOVER, "to=caf\udce9"),
        ("--journal", "/caf\udce9", "status"),
    ):
        child = desk.start(*words)
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 5, out
        assert re.fullmatch(r"hamn-flow: what was typed is not UTF-8: \S*caf\\xe9\nHINT: Type it .*\n", out)
    assert " waiting\n" in desk.type("status").out, "nothing was changed"


def test_a_second_driver_is_refused_and_the_first_one_named(desk: Desk, pair: EmbeddedPair) -> None:
    assert pair.directory.is_dir()
    with desk.drive("resume k7m2qx"):
        said = desk.type("start", *FAILOVER, "--yes")
    assert said.status == 6
    assert "`resume k7m2qx` of alice, process 4711 on admin1" in said.errors


def test_checks_that_are_not_satisfied_are_5_and_silence_is_7(desk: Desk, pair: EmbeddedPair) -> None:
    assert desk.type("check").status == 0
    pair.world.run("mn2", "systemctl", "start", "xcatd")
    dirty = desk.type("check")
    assert dirty.status == 5
    assert "in the way  mn2.is-standby" in dirty.out
    pair.world.power_off("mn2")
    assert desk.type("check").status == 7


def test_what_a_person_wrote_wrongly_is_8_with_file_and_line(desk: Desk, pair: EmbeddedPair) -> None:
    assert desk.type("plan", "no-such-procedure").status == 8
    text = pair.cluster_file.read_text()
    pair.cluster_file.write_text(text.replace("[policy]", "[polizy]") + "atempts = 3\n")
    said = desk.type("plan", *FAILOVER)
    line = text[: text.index("[policy]")].count("\n") + 1
    assert said.status == 8
    assert said.errors.startswith(f"hamn-flow: {pair.cluster_file}:{line}: ")


def test_a_journal_that_is_none_is_10(desk: Desk) -> None:
    desk.journal.write_text("my shopping list, long enough to be read as the head of a database " * 20)
    for words in (("status",), ("runs",), ("show",)):
        assert desk.type(*words).status == 10, words


def test_ctrl_c_stops_between_two_attempts(desk: Desk, pair: EmbeddedPair) -> None:
    text = pair.cluster_file.read_text()
    pair.cluster_file.write_text(text.replace("first_wait = 0.01", "first_wait = 100.0\nlongest_wait = 100.0"))
    pair.world.hold("mn1", "/install")
    with desk.start("start", *FAILOVER, "--yes") as child:
        _read_to(child.stdout, "attempt 1")
        child.send_signal(signal.SIGINT)
        rest, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "stopping after what is under way" in rest
    assert "HINT: Type hamn-flow resume" in rest
    assert "  waiting\n" in desk.type("status").out or "  in doubt\n" in desk.type("status").out


def test_a_second_ctrl_c_leaves_the_command_to_the_node(desk: Desk, pair: EmbeddedPair) -> None:
    pair.world.fault(Lingers(node="mn1", words=("umount", "/install")))
    with desk.start("start", *FAILOVER, "--yes") as child:
        _read_to(child.stdout, "mn1.unmount./etc/xcat")
        with pair.world.changed:
            assert pair.world.changed.wait_for(lambda: "umount /install" in _running(pair), timeout=30)
        child.send_signal(signal.SIGINT)
        _read_to(child.stdout, "press Ctrl-C again")
        child.send_signal(signal.SIGINT)
        rest, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "goes on on its node" in rest
    assert "orphaned" in desk.type("status").out
    key = next(key for key, job in pair.world.node("mn1").launcher.jobs.items() if job.command)
    pair.world.finish("mn1", key)
    assert desk.type("resume", "--yes").status == 0
    umounts = [each for each in pair.world.state.log if each.node == "mn1" and each.text == "umount /install"]
    assert len(umounts) == 1


# A command that ends, or that a second Ctrl-C ends while another thread is at work.
ENDING = """
import atexit, sys, threading
from hamn_flow.cli import main
from hamn_flow.errors import Interrupted

def app(**_):
    if "left" in sys.argv:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    raise Interrupted("it was left")

atexit.register(print, "Python takes itself down")
main._loaded = lambda: app
main.program()
"""


@pytest.mark.parametrize(("words", "said"), [((), "Python takes itself down\n"), (("left",), "")])
def test_threads_that_are_left_are_not_taken_down(words: tuple[str, ...], said: str) -> None:
    program = (sys.executable, "-c", ENDING, *words)
    ended = subprocess.run(program, check=False, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (130, said)
    assert ended.stderr == "hamn-flow: it was left\n"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_to_be_ignored_stops_nothing(desk: Desk, pair: EmbeddedPair, number: signal.Signals) -> None:
    """As nohup does it with HUP, and a script with INT for what it starts by `&`."""
    pair.world.pace = 0.02
    before = signal.signal(number, signal.SIG_IGN)
    try:
        child = desk.start("start", *FAILOVER, "--yes")
    finally:
        signal.signal(number, before)
    with child:
        _read_to(child.stdout, "mn1.stop.")
        child.send_signal(number)
        rest, _ = child.communicate(timeout=60)
    assert (child.returncode, "stopping" in rest) == (0, False), rest


def _running(pair: EmbeddedPair) -> set[str]:
    jobs = pair.world.node("mn1").launcher.jobs.values()
    return {job.command.text for job in jobs if job.command}


def _read_to(stream: IO[str] | None, words: str) -> None:
    """Read lines up to the one with these words; the process says them or ends."""
    read = ""
    for line in stream or ():
        read += line
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}, but:\n{read}")
