"""Messages as frames and back: a field of the class is a field of the frame, coded by its declared type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar, get_args

from hamn_flow.errors import Refused
from hamn_flow.model.command import JobState, Key
from hamn_flow.transport.wire.frames import Frame, Garbled, join, split
from hamn_flow.transport.wire.messages import Ask, Cancel, Launch, Look, Reply, Request, Wait

LONGEST_COMMAND = 128 * 1024  # bytes of arguments, environment and input; Linux takes no longer argument
LONGEST_KEY = 200  # bytes; it names a folder on the node

M = TypeVar("M")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _flag(data: bytes) -> bool:
    return {b"0": False, b"1": True}[data]


def _pair(data: bytes) -> tuple[str, str]:
    name, _, value = _text(data).partition("=")
    return name, value


_CODES: dict[object, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "bytes": (bytes, bytes),
    "str": (_bytes, _text),
    "Key": (_bytes, _text),
    "JobState": (_bytes, lambda data: JobState(_text(data))),
    "int": (lambda number: b"%d" % number, int),
    "bool": (lambda flag: b"%d" % flag, _flag),
    "float": (lambda seconds: b"%.3f" % seconds, float),
    "tuple[str, ...]": (
        lambda words: join(map(_bytes, words)),
        lambda data: tuple(map(_text, split(data))),
    ),
    "tuple[Key, ...]": (
        lambda keys: join(map(_bytes, keys)),
        lambda data: tuple(Key(_text(key)) for key in split(data)),
    ),
    "tuple[tuple[str, str], ...]": (
        lambda pairs: join(_bytes(f"{name}={value}") for name, value in pairs),
        lambda data: tuple(map(_pair, split(data))),
    ),
}
_REQUESTS: dict[str, type[Request]] = {kind.__name__.lower(): kind for kind in get_args(Request)}
_REPLIES: dict[str, type[Reply]] = {kind.__name__.lower(): kind for kind in get_args(Reply)}


def encode(number: int, message: Request | Reply) -> bytes:
    """A message as the bytes of its frame."""
    coded = tuple(_CODES[item.type][0](getattr(message, item.name)) for item in fields(message))
    return Frame(operation=type(message).__name__.lower(), id=number, fields=coded).encoded


def decode_request(frame: Frame) -> Request:
    """The request in a frame, as a node's side reads it; Garbled if it is none."""
    return _decode(_REQUESTS, frame)


def decode_reply(frame: Frame) -> Reply:
    """The reply in a frame, as the client reads it; Garbled if it is none."""
    return _decode(_REPLIES, frame)


def _decode(kinds: dict[str, type[M]], frame: Frame) -> M:
    try:
        kind = kinds[frame.operation]
        pairs = zip(fields(kind), frame.fields, strict=True)  # type: ignore[arg-type] # they are all dataclasses
        return kind(**{item.name: _CODES[item.type][1](data) for item, data in pairs})
    except (KeyError, ValueError) as error:
        raise Garbled(f"not a message: {frame.operation} with {len(frame.fields)} fields") from error


def check(request: Request) -> None:
    """Refused if it holds a command or a key that no node could take; asked before anything is sent."""
    match request:
        case Look() | Launch():
            _check_command(request)
    match request:
        case Launch(key=key) | Ask(key=key) | Wait(key=key) | Cancel(key=key):
            size = len(_bytes(key))
            if not 0 < size <= LONGEST_KEY:
                raise Refused(f"the key {key!r} has {size} bytes, where 1 to {LONGEST_KEY} are allowed")


def _check_command(request: Look | Launch) -> None:
    names = [name for name, _ in request.environment]
    words = (*request.argv, *names, *(value for _, value in request.environment))
    if not request.argv or not request.argv[0] or not all(names) or any("=" in name for name in names):
        raise Refused(f"no command: {request.argv!r} with the environment {request.environment!r}")
    if any("\0" in word for word in words):
        raise Refused(f"the command {request.argv[0]} has an argument with a zero byte in it")
    size = len(_bytes(request.text_in)) + sum(len(_bytes(word)) for word in words)
    if size > LONGEST_COMMAND:
        raise Refused(f"the command {request.argv[0]} has {size} bytes with its input, more than {LONGEST_COMMAND}")
