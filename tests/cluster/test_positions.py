"""The index of lines against TOML that is written by the test itself, which so knows where each key stands."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hamn_flow.cluster.positions import line_of, positions
from hamn_flow.cluster.problem import Where

_WORDS = st.one_of(
    st.text("ab-_1", min_size=1, max_size=2),
    st.sampled_from(["", "a b", 'q"', "x.y", "#", "[", "=", "\\", "é", "\n"]),
)
_SCALARS = st.sampled_from(
    [
        '"x"',
        "'[{'",
        "1",
        "-2.5e3",
        "true",
        "1979-05-27 07:32:00.5",
        '"""\n[a]\nb = 1\\"""\n"""',
        "'''\n# no\n]'''''",
        '""""two quotes"""""',
        '"""one quote""""',
        '"""\\\n  \\\\"""',
        '""',
        "''",
        '"a # \\" ] } ,"',
    ]
)


class Writer:
    """Writes TOML and notes on which line each key went."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Where, int] = {}

    def put(self, text: str) -> None:
        self.text += text

    def note(self, where: Where) -> None:
        self.lines.setdefault(where, self.text.count("\n") + 1)

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def key(self, word: str) -> str:
        bare = word.isascii() and word.replace("-", "").replace("_", "").isalnum()
        if bare and self.chance():
            return word
        if "'" not in word and word.isprintable() and self.chance():
            return f"'{word}'"
        return json.dumps(word)

    def space(self, *, lines: bool) -> None:
        self.put(
            self.draw(
                st.sampled_from(["", " ", "\t", "\n", "# [x] = {\n", "\r\n", " # '''\n\n"] if lines else ["", " "])
            )
        )

    def words(self) -> list[str]:
        return self.draw(st.lists(_WORDS, max_size=3, unique=True))

    def value(self, where: Where, depth: int) -> None:
        kind = self.draw(st.sampled_from(["scalar", "array", "inline"])) if depth else "scalar"
        if kind == "scalar":
            self.put(self.draw(_SCALARS))
        elif kind == "array":
            self.put("[")
            for n in range(self.draw(st.integers(0, 3))):
                self.space(lines=True)
                self.note((*where, n))
                self.value((*where, n), depth - 1)
                self.space(lines=True)
                self.put(",")
            self.space(lines=True)
            self.put("]")
        else:
            self.put("{")
            for n, word in enumerate(self.words()):
                self.put(", " if n else " ")
                self.pair(where, word, depth - 1)
            self.put("}")

    def pair(self, where: Where, word: str, depth: int) -> None:
        """`word = value`, or `word.more = value`."""
        path = (*where, word)
        self.note(path)
        self.put(self.key(word))
        if self.chance():
            path = (*path, "deep")
            self.note(path)
            self.space(lines=False)
            self.put("." + self.key("deep"))
        self.space(lines=False)
        self.put("=")
        self.space(lines=False)
        self.value(path, depth)

    def body(self, where: Where, words: list[str]) -> None:
        for word in words:
            self.space(lines=True)
            self.pair(where, word, 3)
            self.put(self.draw(st.sampled_from(["\n", "\r\n", " # x = [\n", "\n\n"])))

    def tables(self, where: Where, names: list[str], written: list[str]) -> None:
        """Tables and arrays of tables below `where`, each with keys and with tables of its own."""
        for word in self.words():
            path = (*where, "t" + word)
            array = self.chance()
            for n in range(self.draw(st.integers(1, 2)) if array else 1):
                here = (*path, n) if array else path
                header = ".".join([*written, self.key("t" + word)])
                self.note(path)
                self.note(here)
                self.put(f"[[ {header} ]]\n" if array else f"[{header}]# ]\n")
                self.body(here, self.words())
                if len(names) < 2:
                    self.tables(here, [*names, word], [*written, self.key("t" + word)])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Where, int]]:
    writer = Writer(draw)
    writer.body((), writer.words())
    writer.tables((), [], [])
    return writer.text, writer.lines


def paths(value: Any, where: Where = ()) -> set[Where]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {where, *(path for key, below in inner for path in paths(below, (*where, key)))}


@given(documents())
def test_each_key_is_found_on_its_line(document: tuple[str, dict[Where, int]]) -> None:
    text, lines = document
    assert paths(tomllib.loads(text)) - {()} == set(lines)
    assert positions(text) == lines


@given(st.one_of(st.text(), st.text("[]{}=,.\"'#\\ab\n", max_size=60)))
def test_no_text_is_an_error(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in positions(text).values())


def test_deep_nesting_is_no_recursion() -> None:
    assert positions("a = \n" + "[" * 100_000)[("a",)] == 1


def test_a_missing_key_is_sought_where_its_table_is() -> None:
    lines = positions("\n[a]\nx = 1\n\n[[b]]\ny = 1\n[[b]]\n[b.c]")
    found = {where: line_of(where, lines) for where in [("a", "z"), ("b", 0, "z"), ("b", 1, "c", "z"), ("z",), ()]}
    assert found == {("a", "z"): 2, ("b", 0, "z"): 5, ("b", 1, "c", "z"): 8, ("z",): 1, (): 1}
