"""The Perl programs that are sent to a node on standard input; core modules only, nothing is installed there.

Each prints lines of values separated by tabs; a tab, newline or backslash within a value is escaped by a backslash,
as in C. Each begins with `_common.pl`, so that what they share is written once.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_COMMON = "_common.pl"
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\\\": "\\"}


@cache
def names() -> tuple[str, ...]:
    """The programs there are, sorted."""
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name for name in found if name.endswith(".pl") and name != _COMMON))


@cache
def source(name: str) -> str:
    """The whole program of that name, ready for `perl -`; errors in it are counted by its own lines."""
    if name not in names():
        raise KeyError(name)
    common, own = (files(__name__).joinpath(part).read_text(encoding="utf-8") for part in (_COMMON, name))
    return f'{common}\n# line 1 "{name}"\n{own}'


def name_of(text: str) -> str | None:
    """The name of the program that this is the text of; None if it is none of ours."""
    return next((name for name in names() if source(name) == text), None)


def unescape(value: str) -> str:
    """A printed value as it was on the node."""
    return re.sub(r"\\[tn\\]", lambda found: _ESCAPES[found[0]], value)


def rows(text: str) -> list[list[str]]:
    """The lines that a program printed, as values; a title may hold any other mark that Python ends a line at."""
    return [[unescape(value) for value in line.split("\t")] for line in text.split("\n") if line]


def escape(value: str) -> str:
    """A value as the programs print it."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
