"""What SQLite and the kernel say when the journal cannot be used, as sentences."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hamn_flow.errors import JournalUnusable

_AGAIN = "then type the command again: what was committed is kept"

_SENTENCES = {
    sqlite3.SQLITE_FULL: (
        "the journal {path} could not grow: its file system is full",
        "Free some space where the journal lies, " + _AGAIN + ".",
    ),
    sqlite3.SQLITE_READONLY: (
        "the journal {path} cannot be written: the file or its file system is read-only",
        "Make it writable (`mount -o remount,rw` or `chmod u+w`), " + _AGAIN + ".",
    ),
    sqlite3.SQLITE_BUSY: (
        "the journal {path} is locked by another program",
        "Close the sqlite3 shell or the backup that has it open for writing, " + _AGAIN + ".",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the journal {path} is damaged: {words}",
        "Keep the file for `sqlite3 FILE .recover`, and put a copy of the journal in its place.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file {path} is not a journal: {words}",
        "Move it away, or name the journal's own file.",
    ),
}
_NOT_ALLOWED = (
    "the journal {path} is not open to this user: {words}",
    "Type the command as the journal's owner (root for the one in /var/lib/hamn-flow).",
)
_OTHERWISE = ("the journal {path} cannot be used: {words}", "Mend the cause, " + _AGAIN + ".")
_KERNEL = {
    errno.ENOSPC: _SENTENCES[sqlite3.SQLITE_FULL],
    errno.EDQUOT: _SENTENCES[sqlite3.SQLITE_FULL],
    errno.EROFS: _SENTENCES[sqlite3.SQLITE_READONLY],
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
}


def unusable(path: Path, error: sqlite3.Error | OSError) -> JournalUnusable:
    """The sentence and the hint for an error of SQLite or of the kernel."""
    if isinstance(error, OSError):
        number = error.errno or errno.EIO
        words = f"{os.strerror(number)}: {error.filename or path}"
        sentence, hint = _KERNEL.get(number, _OTHERWISE)
    else:
        words = str(error)
        sentence, hint = _SENTENCES.get(_code(path, error), _OTHERWISE)
    return JournalUnusable(sentence.format(path=path, words=words), hint=hint)


def damaged(path: Path, words: str) -> JournalUnusable:
    """The same for what SQLite can read but we cannot."""
    sentence, hint = _SENTENCES[sqlite3.SQLITE_CORRUPT]
    return JournalUnusable(sentence.format(path=path, words=words), hint=hint)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise JournalUnusable for every error that is the world's fault; those of this program pass as they are."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except (sqlite3.DatabaseError, OSError) as error:
        raise unusable(path, error) from error
    except UnicodeDecodeError as error:  # SQLite's own words, where they quote damaged text
        raise damaged(path, "text that is not UTF-8") from error


def _code(path: Path, error: sqlite3.Error) -> int:
    """SQLite's primary result code; a full disk is told from other I/O errors by asking it."""
    # What the module itself cannot read, such as text that is not UTF-8, has no code.
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if primary == sqlite3.SQLITE_IOERR and _is_full(path.parent):
        return sqlite3.SQLITE_FULL
    return primary


def _is_full(directory: Path) -> bool:
    room = os.statvfs(directory)
    return room.f_bavail * room.f_frsize < 1 << 16  # less than SQLite takes at once for its shared memory (32 KiB)
