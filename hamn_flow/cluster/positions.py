"""On which line each key of a TOML text stands; the standard library's parser does not tell.

The scanner trusts that the text was parsed before. It takes any text without an error, and on text that is
not TOML its answer means nothing. It has a stack of its own, so that deep nesting is no recursion.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hamn_flow.cluster.problem import Where

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<long>"{3}(?:\\.|[^\\])*?(?:"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z))
    | (?P<quoted>"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?)
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^\s\[\]{}=,."'\#]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)

_DEEPEST = 32  # no key of ours lies deeper; a text of brackets alone would else cost the square of its length


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


@dataclass
class _Frame:
    """What is being read: a table's body (also an inline one) or an array, and how far that is."""

    path: Where
    array: bool = False
    index: int = 0  # of the present element of an array
    parts: list[str] = field(default_factory=list)  # of the present key
    valued: bool = False  # the key's `=` was seen, or the element's first token


def positions(text: str) -> dict[Where, int]:
    """The line, from 1, on which each key and each element of an array first stands."""
    return _Scanner().scan(text)


def line_of(where: Where, lines: Mapping[Where, int]) -> int:
    """The line of that key, or of the nearest table around it that is written somewhere; else 1."""
    for length in range(len(where), 0, -1):
        if (found := lines.get(where[:length])) is not None:
            return found
    return 1


class _Scanner:
    def __init__(self) -> None:
        self.lines: dict[Where, int] = {}
        self.tables: dict[Where, int] = {}  # arrays of tables, with how many tables each has so far
        self.stack = [_Frame(path=())]

    def scan(self, text: str) -> dict[Where, int]:
        tokens = _tokens(text)
        for token in tokens:
            frame = self.stack[-1]
            if token.kind == "newline":
                if len(self.stack) == 1:
                    frame.parts, frame.valued = [], False
            elif frame.array:
                self._in_array(frame, token)
            elif frame.valued:
                self._in_value(frame, token)
            elif len(self.stack) == 1 and not frame.parts and token.text == "[" and token.kind == "mark":
                self._header(tokens)
            else:
                self._in_key(frame, token)
        return self.lines

    def _in_key(self, frame: _Frame, token: _Token) -> None:
        """Gather the parts of a key up to its `=`."""
        if token.kind != "mark":
            frame.parts.append(_plain(token))
        elif token.text == "=":
            self._note(frame.path, frame.parts, token.line)
            frame.valued = True
        elif token.text == "}":
            self._close()

    def _in_value(self, frame: _Frame, token: _Token) -> None:
        """Pass over a value of a table; a comma ends it in an inline one."""
        if token.kind != "mark":
            return
        if token.text in "[{":
            self._open(frame.path + tuple(frame.parts), token)
        elif token.text == "," and len(self.stack) > 1:
            frame.parts, frame.valued = [], False
        elif token.text == "}":
            self._close()

    def _in_array(self, frame: _Frame, token: _Token) -> None:
        """Pass over the elements of an array, and note where each begins."""
        if token == ("mark", ",", token.line):
            frame.index, frame.valued = frame.index + 1, False
            return
        if token == ("mark", "]", token.line):
            self._close()
            return
        here = (*frame.path, frame.index)
        if not frame.valued:
            self._note(frame.path, [frame.index], token.line)
            frame.valued = True
        if token.kind == "mark" and token.text in "[{":
            self._open(here, token)

    def _header(self, tokens: Iterator[_Token]) -> None:
        """Read `[a.b]` or `[[a.b]]` up to the end of its line."""
        brackets, parts, line = 1, [], 0
        for token in tokens:
            if token.kind == "newline":
                break
            if token.kind != "mark":
                parts.append(_plain(token))
                line = token.line
            elif token.text == "[" and not parts:
                brackets += 1
        if not parts:
            return
        *outer, last = parts
        base: Where = ()
        for part in outer:
            base = self._inside(self._note(base, [part], line))
        here = self._note(base, [last], line)
        if brackets > 1:
            self.tables[here] = self.tables.get(here, -1) + 1
        self.stack = [_Frame(path=self._inside(here))]
        if brackets > 1:
            self._note(here, [self.tables[here]], line)

    def _inside(self, path: Where) -> Where:
        """A path through an array of tables means its last table."""
        return (*path, self.tables[path]) if path in self.tables else path

    def _note(self, base: Where, parts: list[str] | list[int], line: int) -> Where:
        path = base
        for part in parts:
            path = (*path, part)
            if len(path) > _DEEPEST:
                return base
            self.lines.setdefault(path, line)
        return path

    def _open(self, path: Where, token: _Token) -> None:
        self.stack.append(_Frame(path=path[:_DEEPEST], array=token.text == "["))

    def _close(self) -> None:
        if len(self.stack) > 1:
            self.stack.pop()


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "bare", match.group()
        if kind != "space":
            yield _Token(kind, token, line)
        line += token.count("\n")


def _plain(token: _Token) -> str:
    """A part of a key without its quotes and escapes."""
    if token.kind != "quoted":
        return token.text
    try:
        return str(tomllib.loads(f"key = {token.text}")["key"])
    except tomllib.TOMLDecodeError:
        return token.text
