"""What is wrong in a file that a person wrote, and how it is said."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

Where = tuple[str | int, ...]
"""The way to a value from the top of a TOML file: `("nodes", 0, "address")`."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Something wrong at a place of the file, before its line is looked up."""

    where: Where
    sentence: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong in a file; line 0 means the file as a whole. The hint says what to type."""

    file: Path
    line: int
    sentence: str
    hint: str

    @property
    def place(self) -> str:
        """`cluster.toml:12`, as editors and compilers write it."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)

    @property
    def headline(self) -> str:
        """`cluster.toml:12: sentence`."""
        return f"{self.place}: {self.sentence}"

    def __str__(self) -> str:
        return f"{self.headline}\n    HINT: {self.hint}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty if none is near."""
    spelled = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelled, n=1)
    return spelled[near[0]] if near else ""


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def shown(value: object, *, width: int = 60) -> str:
    """A value of the file as TOML writes it, short, with nothing in it that a terminal would act on."""
    match value:
        case str():
            text = json.dumps(value, ensure_ascii=not value.isprintable())
        case bool():
            text = str(value).lower()
        case int() | float():
            text = str(value)
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
    return text if len(text) <= width else f"{text[:width]}..."


def dotted(where: Where) -> str:
    """`virtual_ip.address`; which element of a list is told by the line."""
    return ".".join(_key(part) for part in where if isinstance(part, str))


def _key(part: str) -> str:
    """A key as it may be written: bare where TOML allows it."""
    bare = part.isascii() and part.replace("_", "").replace("-", "").isalnum()
    return part if bare and len(part) <= 60 else shown(part)
