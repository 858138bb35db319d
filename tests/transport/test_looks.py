"""Looks, over both ways to a node: whatever a command prints, reads, leaves behind or fails to do."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hamn_flow.errors import LookFailed, Refused, Unreachable
from hamn_flow.model.command import Command, NodeName
from hamn_flow.transport.connection import Connection
from hamn_flow.transport.wire import READY, Ended, encode
from tests.transport.conftest import UNTIL, Dial, see_end

NODE = NodeName("mn1")


def run(*argv: str, text_in: str = "", deadline: float = 30.0, **environment: str) -> Command:
    return Command(node=NODE, argv=argv, text_in=text_in, deadline=deadline, environment=tuple(environment.items()))


def sh(text: str, *arguments: str) -> Command:
    return run("sh", "-c", text, "sh", *arguments)


@pytest.mark.parametrize(
    ("command", "status", "output", "errors"),
    [
        (run("true"), 0, b"", b""),
        (sh("echo out; echo err >&2; exit 3"), 3, b"out\n", b"err\n"),
        (sh("kill -TERM $$"), -signal.SIGTERM, b"", b""),
        (run("no-such-program"), 127, b"", b"no-such-program: No such file or directory\n"),
        (run("/etc/passwd"), 126, b"", b"/etc/passwd: Permission denied\n"),
        (
            run("printf", "%s|", "a b", "", "$HOME", "it's", '"', "*", "ü\n"),
            0,
            "a b||$HOME|it's|\"|*|ü\n|".encode(),
            b"",
        ),
        (run("pwd"), 0, b"/\n", b""),
        (sh("ls -l /proc/self/fd | grep -c ' [0-9] -> \\| [0-9][0-9]* -> '"), 0, b"4\n", b""),
        (run("cat"), 0, b"", b""),  # standard input is empty
        (run("cat", text_in="ä\n" * 40_000), 0, "ä\n".encode() * 40_000, b""),
        (run("true", text_in="not read" * 10_000), 0, b"", b""),
        (run("perl", "-", "x", text_in="print qq(@ARGV $0\\n);"), 0, b"x -\n", b""),
    ],
    ids=lambda value: value.text[:30] if isinstance(value, Command) else "",
)
def test_a_look_is_answered_as_a_shell_would_have_it(
    node: Connection, command: Command, status: int, output: bytes, errors: bytes
) -> None:
    result = node.look(command)
    assert (result.status, result.output, result.errors) == (status, output, errors)


def test_the_environment_is_ours_and_the_commands_own(node: Connection) -> None:
    said = dict(line.split("=", 1) for line in node.look(run("env", XCATBYPASS="1")).text.splitlines())
    assert said.pop("HOME").startswith("/")
    assert said == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/opt/xcat/bin:/opt/xcat/sbin",
        "LC_ALL": "C",
        "TERM": "dumb",
        "XCATROOT": "/opt/xcat",
        "XCATBYPASS": "1",
    }


def test_output_may_be_anything_and_much(node: Connection, tmp_path: Path) -> None:
    """The protocol's own words, all bytes, and ten megabytes."""
    markers = READY + b"end 1\n" + encode(1, Ended(status=0, seconds=0)) + b"bye 0 1 4\n1:x,end 0\n"
    content = (markers + bytes(range(256))) * (10_000_000 // (len(markers) + 256) + 1)
    file = tmp_path / "content"
    file.write_bytes(content)
    result = node.look(sh('cat "$1"; cat "$1" >&2', str(file)))
    assert result.status == 0
    assert result.output == content
    assert result.errors == content


def test_output_without_end_is_stopped(node: Connection) -> None:
    with pytest.raises(LookFailed, match="printed more than 67108864 bytes"):
        node.look(run("cat", "/dev/zero"))
    assert node.look(run("true")).status == 0


def test_a_look_ends_with_its_process_though_a_child_holds_its_output(node: Connection) -> None:
    result = node.look(sh("sleep 60 & echo $!"))
    assert result.status == 0
    os.kill(int(result.text), signal.SIGKILL)  # it lived on
    chatting = node.look(sh("while :; do echo more; done & echo $! >&2; sleep 0.2"))
    assert chatting.status == 0
    assert b"more\n" in chatting.output


def test_a_look_past_its_deadline_is_killed_with_its_group(node: Connection, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hung = sh('trap "" TERM; sleep 100 & echo $$ $! > "$1"; wait', str(pids))
    with pytest.raises(LookFailed, match=r"`sh` did not end within 0\.5 s"):
        node.look(Command(node=NODE, argv=hung.argv, deadline=0.5))
    for pid in map(int, pids.read_text().split()):
        see_end(node, pid)
    assert node.look(run("true")).status == 0


def test_a_look_ends_with_its_link(dial: Dial, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    first, second = dial(), dial()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(first.look, sh('echo $$ > "$1.new"; mv "$1.new" "$1"; sleep 100', str(pid)))
        second.look(sh('until [ -e "$1" ]; do sleep 0.02; done', str(pid)))
        first.close()
        with pytest.raises(Unreachable, match="was closed"):
            looking.result()
    see_end(second, int(pid.read_text()))


def test_many_threads_look_at_once(node: Connection, tmp_path: Path) -> None:
    """Each gets its own answer, and one that takes long keeps nobody waiting."""
    go = tmp_path / "go"
    with ThreadPoolExecutor(9) as pool:
        last = pool.submit(node.look, sh(f"{UNTIL}; echo last", str(go)))
        said = pool.map(lambda number: node.look(sh(f"printf %0{number + 1}d {number}")).text, range(200))
        assert list(said) == [f"{number:0{number + 1}d}" for number in range(200)]
        go.touch()
        assert last.result().text == "last\n"


def test_what_no_node_could_take_is_refused_by_the_sender(node: Connection) -> None:
    with pytest.raises(Refused, match="more than 131072"):
        node.look(run("echo", "x" * 131_072))
    assert node.look(run("true")).status == 0


def test_after_close_nothing_is_answered(node: Connection) -> None:
    node.close()
    with pytest.raises(Unreachable, match="the connection to mn1 was closed"):
        node.look(run("true"))
    node.close()
