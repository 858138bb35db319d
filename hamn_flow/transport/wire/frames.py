"""Frames: whole messages in a stream of bytes, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST_FRAME = 1024 * 1024  # bytes of all fields; output comes in pieces of 64 KB

_LONGEST_HEADER = 100
_HEADER = re.compile(rb"([a-z]{1,16}) (\d{1,18}) (\d{1,6}) (\d{1,9})")


class Garbled(ValueError):
    """Bytes that are not this protocol; the conversation cannot go on."""


def join(fields: Iterable[bytes]) -> bytes:
    """Fields of any bytes as one: each as its length, a colon, its bytes and a comma."""
    return b"".join(b"%d:%b," % (len(item), item) for item in fields)


def split(body: bytes) -> tuple[bytes, ...]:
    """The fields that were joined; Garbled if a length does not agree."""
    fields, at = [], 0
    while at < len(body):
        colon = body.find(b":", at, at + 10)
        if colon < 0 or not body[at:colon].isdigit():
            raise Garbled("a field without its length")
        end = colon + 1 + int(body[at:colon])
        if body[end : end + 1] != b",":
            raise Garbled("a field that does not end where it should")
        fields.append(body[colon + 1 : end])
        at = end + 1
    return tuple(fields)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One message: an operation, the id that a request and its answer share, and fields of any bytes."""

    operation: str
    id: int
    fields: tuple[bytes, ...] = ()

    @property
    def encoded(self) -> bytes:
        """The frame as it is sent."""
        body = join(self.fields)
        head = f"{self.operation} {self.id} {len(self.fields)} {len(body)}\n"
        return head.encode() + body + b"end %d\n" % self.id


@dataclass
class Frames:
    """Finds whole frames in bytes as they come; what is not whole yet is kept."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, more: bytes) -> list[Frame]:
        """The frames that are whole now; Garbled if something does not agree."""
        self._rest += more
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        line_end = self._rest.find(b"\n", 0, _LONGEST_HEADER)
        if line_end < 0:
            if len(self._rest) >= _LONGEST_HEADER:
                raise Garbled(f"no header in {bytes(self._rest[:_LONGEST_HEADER])!r}")
            return None
        header = _HEADER.fullmatch(self._rest, 0, line_end)
        if header is None:
            raise Garbled(f"not a header: {bytes(self._rest[:line_end])!r}")
        operation = header.group(1).decode()
        number, count, size = map(int, header.group(2, 3, 4))
        if size > LONGEST_FRAME:
            raise Garbled(f"a frame of {size} bytes, where {LONGEST_FRAME} is the most")
        start, trailer = line_end + 1, b"end %d\n" % number
        stop = start + size
        if len(self._rest) < stop + len(trailer):
            return None
        if self._rest[stop : stop + len(trailer)] != trailer:
            raise Garbled(f"frame {number} does not end where it should")
        fields = split(bytes(self._rest[start:stop]))
        if len(fields) != count:
            raise Garbled(f"frame {number} has {len(fields)} fields, not {count}")
        del self._rest[: stop + len(trailer)]
        return Frame(operation=operation, id=number, fields=fields)
