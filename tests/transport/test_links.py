"""Links that go wrong: every wait ends, and what was not answered is not called done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hamn_flow.errors import LookFailed, OutcomeUnknown, Refused, Unreachable
from hamn_flow.model.command import Command, JobState, Key, NodeName
from hamn_flow.model.pair import NodeSpec, Ssh
from hamn_flow.transport import connect
from hamn_flow.transport.connection import Connection, Held, Hello, Owner
from hamn_flow.transport.here import Here
from hamn_flow.transport.session import Patience, Session, program
from hamn_flow.transport.wire import READY, Frame, encode
from tests.claiming import claim
from tests.ports import LOOPBACK
from tests.transport.conftest import UNTIL, Relay
from tests.transport.sshd import Sshd

NODE = NodeName("mn1")
OWNER = Owner(run="run", driver="driver")
HELD = Held(generation=0, owner="")
HELLO = encode(0, Hello(boot_id="b", generation=0, owner="", user_id=0))
TRUE = Command(node=NODE, argv=("true",), deadline=0.5)
ASKS: dict[str, Callable[[Connection], object]] = {
    "look": lambda node: node.look(TRUE),
    "claim": lambda node: node.claim(OWNER, HELD),
    "held": lambda node: node.held(),
    "ask": lambda node: node.ask(Key("k")),
    "wait": lambda node: node.wait(Key("k"), 0.1),
    "cancel": lambda node: node.cancel(Key("k"), "TERM"),
}


class Scripted:
    """A stream on which a launcher says what it is told to, and hears nothing."""

    def __init__(self, *said: bytes, ends: bool = False) -> None:
        self._said = list(said)
        self._ends = ends
        self._ended = threading.Event()
        self.heard = bytearray()
        self.closed = False

    def send(self, data: bytes) -> None:
        if self._ended.is_set():
            raise BrokenPipeError("hung up")
        self.heard += data

    def receive(self) -> bytes:
        if self._said:
            return self._said.pop(0)
        if not self._ends:
            self._ended.wait()
        return b""

    def hang_up(self) -> None:
        self._ended.set()

    def close(self) -> None:
        self.closed = True

    def last_words(self) -> str:
        return "no more\n"


def launch(node: Connection) -> None:
    node.launch(Key("k"), TRUE, generation=1, owner=OWNER)


@pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
def test_a_launcher_that_says_nothing_more_is_given_up(ask: Callable[[Connection], object]) -> None:
    stream = Scripted(READY, HELLO)
    node = Session(NODE, stream, patience=Patience(answer=60.0, quiet=0.05, silence=0.3))
    with pytest.raises(Unreachable, match="has not given a sign of life"):
        ask(node)
    assert stream.heard.startswith(program())
    assert b"\nping " in stream.heard
    node.close()
    assert stream.closed


@pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
def test_a_question_that_is_not_answered_has_a_deadline_though_the_link_lives(
    ask: Callable[[Connection], object],
) -> None:
    stream = Scripted(READY, HELLO)
    node = Session(NODE, stream, patience=Patience(answer=0.1, quiet=30.0, silence=60.0))
    with pytest.raises(Unreachable, match=r"does not answer|did not end within 0\.5 s"):
        ask(node)
    assert b"\nping " not in stream.heard
    node.close()


def test_a_launch_without_an_answer_is_unknown_and_one_that_was_not_sent_is_not() -> None:
    stream = Scripted(READY, HELLO)
    node = Session(NODE, stream, patience=Patience(answer=0.1))
    with pytest.raises(OutcomeUnknown, match="it is not known whether `true` was launched"):
        launch(node)
    assert b"\nlaunch " in stream.heard
    node.close()
    del stream.heard[:]
    with pytest.raises(Unreachable, match="the connection to mn1 was closed") as raised:
        launch(node)
    assert not isinstance(raised.value, OutcomeUnknown)
    assert not stream.heard


def test_a_launch_on_a_link_that_then_ends_is_unknown() -> None:
    node = Session(NODE, Scripted(READY, HELLO), patience=Patience(answer=30.0))
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, node)
        while not node._questions:  # until it was sent, or is being sent
            launching.done()
        node.close()
        with pytest.raises(OutcomeUnknown, match="it is not known whether `true` was launched"):
            launching.result()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((READY, HELLO, b"so long\n"), "not a header"),
        ((READY, HELLO, Frame(operation="sing", id=1).encoded), "not a message"),
        ((READY, HELLO, Frame(operation="bye", id=0, fields=(b"no room",)).encoded), "gave up: no room"),
        ((READY, HELLO), "the link to mn1 was lost: no more"),
    ],
)
def test_a_conversation_that_went_wrong_is_lost_with_its_reason(said: tuple[bytes, ...], reason: str) -> None:
    stream = Scripted(*said, ends=True)
    node = Session(NODE, stream)
    node._reader.join()
    assert stream.closed
    with pytest.raises(Unreachable, match=reason):
        node.look(TRUE)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((), "does not start: no more"),
        ((b"This account is closed.\n",), "does not start: no more"),
        ((b"motd\n" + READY, Frame(operation="bye", id=0, fields=(b"no room\n",)).encoded), "does not start: no room"),
        ((b"x" * 70_000,), "70000 bytes were printed, and no launcher started"),
    ],
)
def test_a_launcher_that_does_not_start_is_unreachable_with_its_reason(said: tuple[bytes, ...], reason: str) -> None:
    stream = Scripted(*said, ends=True)
    with pytest.raises(Unreachable, match=reason):
        Session(NODE, stream)
    assert stream.closed


@pytest.mark.sshd
def test_a_link_that_is_cut_loses_looks_and_no_job(sshd: Sshd, relay: Relay, base: Path, tmp_path: Path) -> None:
    go, here = tmp_path / "go", sshd.here(base)
    node = connect(sshd.spec(port=relay.port), _trusting(here, relay, tmp_path))
    generation = claim(node, OWNER)
    until = Command(node=NODE, argv=("sh", "-c", UNTIL, "sh", str(go)))
    node.launch(Key("k"), until, generation=generation, owner=OWNER)
    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(node.look, until)
        waiting = pool.submit(node.wait, Key("k"), 60.0)
        node.look(TRUE)
        relay.cut()
        for each in (looking, waiting):
            with pytest.raises(Unreachable, match="the link to mn1 was lost"):
                each.result(60)
    again = connect(sshd.spec(), here)
    claim(again, OWNER)
    assert again.ask(Key("k")).state is JobState.RUNNING
    go.touch()
    assert again.wait(Key("k"), 60).state is JobState.DONE
    node.close()
    again.close()


@pytest.mark.sshd
def test_a_peer_that_dies_without_a_word_is_noticed(
    sshd: Sshd, relay: Relay, base: Path, tmp_path: Path, impatient: Patience
) -> None:
    node = connect(sshd.spec(port=relay.port), _trusting(sshd.here(base, patience=impatient), relay, tmp_path))
    assert node.look(TRUE).status == 0
    relay.freeze()
    with pytest.raises(OutcomeUnknown):
        launch(node)
    with pytest.raises(Unreachable, match="sign of life") as raised:
        node.wait(Key("k"), 3600.0)
    assert not isinstance(raised.value, LookFailed)
    node.close()


def _trusting(here: Here, relay: Relay, folder: Path) -> Here:
    """The server's key under the relay's port as well."""
    known = folder / "known_hosts"
    known.write_text(
        here.known_hosts[0]
        .read_text()
        .replace(here.known_hosts[0].read_text().split()[0], f"[{LOOPBACK}]:{relay.port}")
    )
    return Here(**{**vars(here), "known_hosts": (known,)})


def test_sudo_that_asks_for_a_password_is_refused_and_one_that_does_not_is_used(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = NodeSpec(name=NODE, address=LOOPBACK, ssh=Ssh(local=True, sudo=True))
    sudo = tmp_path / "sudo"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o700)
    with pytest.raises(Refused, match="mn1: sudo: a password is required") as raised:
        connect(spec, Here(base=str(base)))
    assert "NOPASSWD" in raised.value.hint
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nexec "$@"\n')
    node = connect(spec, Here(base=str(base)))
    assert node.look(TRUE).status == 0
    node.close()
