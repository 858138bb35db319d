"""Messages and their bytes: what goes in comes out, whole or not at all."""

from __future__ import annotations

import itertools
from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamn_flow.errors import Refused
from hamn_flow.model.command import JobState, Key
from hamn_flow.transport import wire
from hamn_flow.transport.connection import Hello

IDS = st.integers(0, 10**18 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.lists(TEXT, max_size=4).map(tuple)
NAMES = st.text("ABC_", min_size=1, max_size=5)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    "bytes": st.binary(max_size=60),
    "str": TEXT,
    "Key": TEXT.map(Key),
    "JobState": st.sampled_from(JobState),
    "int": st.integers(-(10**9), 10**9),
    "bool": st.booleans(),
    "float": st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000),
    "tuple[str, ...]": WORDS,
    "tuple[Key, ...]": WORDS.map(lambda words: tuple(map(Key, words))),
    "tuple[tuple[str, str], ...]": st.lists(st.tuples(NAMES, TEXT), max_size=3).map(tuple),
}


def any_of(kinds: Any) -> st.SearchStrategy[Any]:
    return st.one_of(
        *(st.builds(kind, **{item.name: VALUES[item.type] for item in fields(kind)}) for kind in get_args(kinds))
    )


REQUESTS = st.lists(st.tuples(IDS, any_of(wire.Request)), max_size=3)
REPLIES = st.lists(st.tuples(IDS, any_of(wire.Reply)), max_size=3)
PROGRAM = b"a program\nof two lines"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


CUTS = st.lists(st.integers(0, 10**6), max_size=6)


@given(sent=REQUESTS, cuts=CUTS)
def test_a_node_hears_the_requests_that_were_sent_however_they_are_cut(
    sent: list[tuple[int, wire.Request]], cuts: list[int]
) -> None:
    requests = wire.Requests(wire.Bootstrap.of(PROGRAM))
    data = PROGRAM + b"".join(wire.encode(number, request) for number, request in sent)
    heard = [each for piece in pieces(data, cuts) for each in requests.feed(piece)]
    assert heard == sent
    assert requests.started


@given(noise=st.binary(max_size=40).filter(lambda noise: wire.READY not in noise), sent=REPLIES, cuts=CUTS)
def test_a_client_hears_the_replies_after_whatever_a_login_shell_prints(
    noise: bytes, sent: list[tuple[int, wire.Reply]], cuts: list[int]
) -> None:
    replies = wire.Replies()
    data = noise + wire.READY + b"".join(wire.encode(number, reply) for number, reply in sent)
    heard = [each for piece in pieces(data, cuts) for each in replies.feed(piece)]
    assert heard == sent
    assert replies.noise == noise


@given(number=IDS, request=any_of(wire.Request), cut=st.integers(1, 10**6))
def test_a_request_that_is_not_whole_is_none(number: int, request: wire.Request, cut: int) -> None:
    data = wire.encode(number, request)
    assert wire.Frames().feed(data[: -(cut % len(data)) or -1]) == []


@given(number=IDS, request=any_of(wire.Request), at=st.integers(0, 10**6), other=st.integers(1, 255))
def test_a_changed_byte_changes_no_more_than_a_field(number: int, request: wire.Request, at: int, other: int) -> None:
    data = bytearray(wire.encode(number, request))
    data[at % len(data)] ^= other
    try:
        frames = wire.Frames().feed(bytes(data))
    except wire.Garbled:
        return
    for frame in frames:  # a byte inside a field, a digit of both... but never another frame's shape
        assert len(frame.encoded) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"look\n",
        b"LOOK 1 0 0\nend 1\n",
        b"look 1 0 0 0\nend 1\n",
        b"look 1 0 9999999\n",
        b"look 1 1 3\n0:,end 2\n",
        b"look 1 2 3\n0:,end 1\n",
        b"look 1 1 3\n9:,end 1\n",
        b"look 1 1 3\n0:;end 1\n",
        b"look 1 1 3\n:0,end 1\n",
        b"x" * 100,
    ],
)
def test_what_does_not_agree_is_garbled(data: bytes) -> None:
    with pytest.raises(wire.Garbled):
        wire.Frames().feed(data)


@pytest.mark.parametrize(
    "frame",
    [
        wire.Frame(operation="reboot", id=1),
        wire.Frame(operation="hello", id=1, fields=(b"boot", b"1", b"", b"0")),  # a reply
        wire.Frame(operation="ask", id=1),
        wire.Frame(operation="ask", id=1, fields=(b"k", b"more")),
        wire.Frame(operation="wait", id=1, fields=(b"k", b"soon")),
    ],
)
def test_a_frame_that_is_no_request_is_garbled(frame: wire.Frame) -> None:
    with pytest.raises(wire.Garbled):
        wire.decode_request(frame)


def test_a_program_that_came_garbled_is_not_run() -> None:
    requests = wire.Requests(wire.Bootstrap.of(PROGRAM))
    with pytest.raises(wire.Garbled):
        requests.feed(PROGRAM.replace(b"two", b"ten"))


@pytest.mark.parametrize("sudo", [False, True])
def test_an_ssh_server_recognises_the_bootstrap(sudo: bool) -> None:
    bootstrap = wire.Bootstrap.of(PROGRAM, base="/tmp/it's here", sudo=sudo)  # noqa: S108 - not opened
    assert wire.Bootstrap.parse(bootstrap.command) == bootstrap
    assert wire.Bootstrap.parse(bootstrap.command.replace("eval", "print")) is None
    assert wire.Bootstrap.parse("exec perl 'half a quote") is None


LARGE = "x" * (wire.LONGEST_COMMAND + 1)


@pytest.mark.parametrize(
    "request_",
    [
        wire.Look(argv=()),
        wire.Look(argv=("",)),
        wire.Look(argv=("echo", "a\0b")),
        wire.Look(argv=("env",), environment=(("A=B", "c"),)),
        wire.Look(argv=("echo", LARGE)),
        wire.Look(argv=("cat",), text_in=LARGE),
        wire.Launch(key=Key("k"), generation=1, owner="o", argv=("echo", LARGE)),
        wire.Ask(key=Key("")),
        wire.Cancel(key=Key("k" * (wire.LONGEST_KEY + 1)), signal="TERM"),
    ],
    ids=lambda request: type(request).__name__,
)
def test_what_no_node_could_take_is_refused_before_it_is_sent(request_: wire.Request) -> None:
    with pytest.raises(Refused):
        wire.check(request_)


def test_hello_is_a_reply() -> None:
    hello = Hello(boot_id="b", generation=7, owner="run driver", user_id=0)
    (frame,) = wire.Frames().feed(wire.encode(0, hello))
    assert wire.decode_reply(frame) == hello
