"""Reading cluster.toml: who may write to it, its text, its shape, what it means; all that is wrong at once."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from hamn_flow.cluster import checks
from hamn_flow.cluster.positions import line_of, positions
from hamn_flow.cluster.problem import Problem
from hamn_flow.cluster.said import Said
from hamn_flow.cluster.schema import ClusterTable, shape
from hamn_flow.errors import Invalid
from hamn_flow.model.pair import Cluster

_LARGEST_BYTES = 262_144
_LONGEST_LINE = 2_000  # characters; it also keeps every number short enough for Python to read and to print
_PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)


class Entry(Protocol):
    """What `os.stat` says of a file or folder, as far as it matters here."""

    @property
    def st_mode(self) -> int:
        """Its kind and who may do what."""
        ...

    @property
    def st_uid(self) -> int:
        """The owner's number."""
        ...


def load(path: Path) -> Cluster:
    """The pair that the file describes; Invalid with all its mistakes."""
    content, problems = _read(path)
    found = parse(content, path)
    if isinstance(found, Cluster) and not problems:
        return found
    raise _invalid(*problems, *(() if isinstance(found, Cluster) else found))


def parse(content: bytes, path: Path) -> Cluster | tuple[Problem, ...]:
    """The pair that the content of such a file describes, or all its mistakes, by line."""
    text = _decoded(content, path)
    if isinstance(text, Problem):
        return (text,)
    tree = _parsed(text, path)
    if isinstance(tree, Problem):
        return (tree,)
    tables = shape(tree)
    mistakes = [*checks.mistakes(Said(tree=tree))]
    if not isinstance(tables, ClusterTable):
        mistakes.extend(tables)
    elif not mistakes:
        return tables.value(path.absolute())
    lines = positions(text)
    problems = (
        Problem(file=path, line=line_of(each.where, lines), sentence=each.sentence, hint=each.hint) for each in mistakes
    )
    return tuple(sorted(problems, key=lambda problem: problem.line))


def others_may_write(path: Path, entry: Entry, user_id: int) -> Iterator[Problem]:
    """Why the file or folder is not ours alone to write; commands run as root follow from what it says.

    A folder with the sticky bit is fine: others cannot replace a file of ours in it. The caller's own files
    and root's are trusted.
    """
    folder = stat.S_ISDIR(entry.st_mode)
    what, where = ("its folder", path.parent) if folder else ("the file", path)
    sticky = folder and entry.st_mode & stat.S_ISVTX
    if entry.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        yield Problem(
            file=path,
            line=0,
            sentence=f"others can write to {what} (mode {stat.S_IMODE(entry.st_mode):04o}), and so say what root runs",
            hint=f"Look through the file, then type chmod go-w {where}",
        )
    if entry.st_uid not in {0, user_id}:
        yield Problem(
            file=path,
            line=0,
            sentence=f"{what} belongs to user {entry.st_uid}, who can so say what root runs",
            hint=f"Look through the file, then type chown root {where}",
        )


def _invalid(*problems: Problem) -> Invalid:
    return Invalid(tuple(str(problem) for problem in problems))


def _read(path: Path) -> tuple[bytes, tuple[Problem, ...]]:
    """The content, and who else may write to it, by the very file that was opened."""
    try:
        # O_NONBLOCK: a named pipe is refused below instead of waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            entry = os.fstat(descriptor)
            if not stat.S_ISREG(entry.st_mode):
                kind = "a folder" if stat.S_ISDIR(entry.st_mode) else "neither a file nor a folder"
                raise _invalid(_unreadable(path, f"is {kind}"))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(_LARGEST_BYTES + 1)
        finally:
            os.close(descriptor)
        folder = path.resolve().parent.stat()
    except OSError as error:
        raise _invalid(_unreadable(path, f"cannot be read: {(error.strerror or str(error)).lower()}")) from error
    if len(content) > _LARGEST_BYTES:
        raise _invalid(_unreadable(path, f"is larger than {_LARGEST_BYTES} bytes"))
    user_id = os.geteuid()
    return content, (*others_may_write(path, entry, user_id), *others_may_write(path, folder, user_id))


def _unreadable(path: Path, why: str) -> Problem:
    return Problem(
        file=path, line=0, sentence=why, hint="Name a cluster file; docs/cluster-minimal.toml is one to begin with."
    )


def _decoded(content: bytes, path: Path) -> str | Problem:
    """The content as text, if it is a text that a person may have written."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return Problem(
            file=path,
            line=content.count(b"\n", 0, error.start) + 1,
            sentence=f"not UTF-8 text: byte 0x{content[error.start]:02x}",
            hint="Save the file as UTF-8; iconv -f latin1 -t utf8 helps if it is Latin-1.",
        )
    if text.startswith("\N{BYTE ORDER MARK}"):
        return Problem(
            file=path,
            line=1,
            sentence="the file begins with a byte order mark",
            hint=f"Save it as UTF-8 without one, or type sed -i '1s/^\\xef\\xbb\\xbf//' {path}",
        )
    if not text.strip():
        return Problem(
            file=path, line=1, sentence="the file is empty", hint="Begin with a copy of docs/cluster-minimal.toml."
        )
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _LONGEST_LINE:
            return Problem(
                file=path,
                line=number,
                sentence=f"the line is longer than {_LONGEST_LINE} characters",
                hint="Break the line; lists may go over several lines.",
            )
    return text


def _parsed(text: str, path: Path) -> Mapping[str, object] | Problem:
    """What the text says as TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _not_toml(path, text, str(error))
    except RecursionError:
        lines = positions(text)
        return Problem(
            file=path,
            line=lines[max(lines, key=len)],
            sentence="lists or tables are nested too deeply",
            hint="Close each [ and { where its list or table ends.",
        )


def _not_toml(path: Path, text: str, message: str) -> Problem:
    """The parser's complaint, with its line."""
    found = _PLACE.fullmatch(message)
    what, line, column = found.group("what", "line", "column") if found else (message, None, None)
    at = f" at column {column}" if column else " before the end of the file"
    return Problem(
        file=path,
        line=int(line) if line else text.rstrip("\n").count("\n") + 1,
        sentence=f"not TOML: {what[:1].lower()}{what[1:]}{at}",
        hint='Write key = "value" on a line of its own, text and addresses in quotes, and begin a table with [name].',
    )
