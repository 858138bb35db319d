"""The launcher itself, spoken to in bytes: half a request is nothing, and what makes no sense ends it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from hamn_flow.model.command import Key
from hamn_flow.transport import wire
from hamn_flow.transport.connection import Held, Hello
from hamn_flow.transport.session import program
from tests.waiting import until

PROGRAM = program()
OWNER = "run driver"
CLAIM = wire.Claim(generation=0, holder="", owner=OWNER)


def converse(base: Path, requests: bytes, *, until: int = 0, sent: bytes = PROGRAM) -> tuple[list[wire.Reply], str]:
    """Send it all, hear the answer with that id (0: hello), then hang up; all answers, and what was printed beside."""
    bootstrap = wire.Bootstrap.of(PROGRAM, base=str(base))
    replies, answers = wire.Replies(), list[tuple[int, wire.Reply]]()
    with Popen(bootstrap.argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, bufsize=0) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(sent + requests)
        hung_up = False
        while not hung_up:
            if sent != PROGRAM or until in {number for number, _ in answers}:
                process.stdin.close()
                hung_up = True
            if piece := process.stdout.read(65536):
                answers += replies.feed(piece)
            else:
                hung_up = True
        return [reply for _, reply in answers], process.stderr.read().decode()


def launch(key: str, *argv: str, generation: int = 1) -> wire.Launch:
    return wire.Launch(key=Key(key), generation=generation, owner=OWNER, argv=argv)


def bye(base: Path, requests: bytes) -> str:
    last = converse(base, requests)[0][-1]
    assert isinstance(last, wire.Bye)
    return last.reason


@pytest.mark.parametrize("kind", ["look", "launch"])
def test_half_a_request_on_a_dying_link_is_never_executed(base: Path, tmp_path: Path, kind: str) -> None:
    """Cut at each of its bytes; the last case, whole, shows that it would have left a trace."""
    trace = tmp_path / "trace"
    converse(base, wire.encode(1, CLAIM))
    argv = ("touch", str(trace))
    request = wire.Look(argv=argv) if kind == "look" else launch("k", *argv)
    data = wire.encode(2, request)
    with ThreadPoolExecutor(4) as pool:
        for replies, _ in pool.map(lambda cut: converse(base, data[:cut]), range(len(data))):
            assert [type(reply) for reply in replies] == [Hello]
    assert not trace.exists()
    assert list(base.glob("*/jobs/*")) == []
    converse(base, data, until=2)
    if kind == "launch":
        converse(base, wire.encode(3, wire.Wait(key=Key("k"), seconds=20)), until=3)
    assert trace.exists()


def test_half_a_program_never_runs(base: Path) -> None:
    for cut in range(0, len(PROGRAM), 997):
        assert converse(base, b"", sent=PROGRAM[:cut]) == ([], "")
    assert list(base.iterdir()) == []


def test_a_garbled_program_never_runs(base: Path) -> None:
    replies, said = converse(base, b"", sent=PROGRAM.replace(b"FLUSH", b"FLASH"))
    assert (replies, said) == ([], "the launcher was garbled\n")
    assert list(base.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x" * 101, "no header"),
        (b"ask 1 1\n", "not a header"),
        (b"ask 1 1 9999999\n", "a request of 9999999 bytes"),
        (b"ask 1 1 4\n1:k,end 2\n", "request 1 does not end where it should"),
        (b"ask 1 2 4\n1:k,end 1\n", "request 1 has 1 fields, not 2"),
        (b"ask 1 1 4\n9:k,end 1\n", "a field longer than its frame"),
        (b"ask 1 1 4\n1:k;end 1\n", "a field that does not end where it should"),
        (b"ask 1 1 4\nk:1,end 1\n", "a field without its length"),
        (wire.Frame(operation="reboot", id=1).encoded, "no operation reboot"),
        (wire.Frame(operation="ask", id=1).encoded, "ask with 0 fields"),
        (wire.Frame(operation="cancel", id=1, fields=(b"k", b"STOP")).encoded, "cancel with a field that"),
        (wire.Frame(operation="look", id=1, fields=(b"", b"", b"", b"9")).encoded, "look without a command"),
    ],
)
def test_what_makes_no_sense_ends_the_launcher_with_its_reason(base: Path, data: bytes, reason: str) -> None:
    assert bye(base, data).startswith(reason)


def test_a_folder_that_others_may_touch_is_refused(base: Path, tmp_path: Path) -> None:
    base.chmod(0o770)
    assert bye(base, b"").startswith(f"{base} is not a folder of user {os.geteuid()} alone")
    base.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(base)
    assert bye(link, b"").startswith(f"{link} is not a folder")
    assert bye(tmp_path / "no" / "such", b"").startswith(f"{tmp_path}/no/such: No such file")
    if os.geteuid() == 0:
        os.chown(base, 12345, -1)
        assert bye(base, b"").startswith(f"{base} is not a folder")


def test_a_job_that_cannot_be_prepared_is_not_launched_and_leaves_its_key_unused(base: Path) -> None:
    claimed, _ = converse(base, wire.encode(1, CLAIM), until=1)
    (jobs,) = base.glob("*/jobs")
    for long in ("k" * 190 + "/" * 10, "/" * 200):  # a folder's name has at most 255 bytes
        replies, _ = converse(base, wire.encode(2, launch(long, "true")), until=2)
        assert isinstance(replies[-1], wire.Failed) == (long[0] == "/")
    until(lambda: not list(jobs.glob("%new.*")))  # the folder is removed after the answer was given
    assert [each.name[:2] for each in jobs.iterdir()] == ["kk"]
    assert Held(generation=1, owner=OWNER) in claimed
