"""Where the journal lies, and where it must not."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from hamn_flow.errors import JournalUnusable, Refused
from hamn_flow.journal.trouble import translated

_REMOTE = re.compile(r"nfs\d?|cifs|smb3|smbfs|afs|9p|fuse\.sshfs|glusterfs|fuse\.glusterfs|ceph|lustre|gpfs|ocfs2|gfs2")
_MOUNTS = Path("/proc/self/mountinfo")


def default_path() -> Path:
    """/var/lib/hamn-flow/journal.db for root, the user's state folder for others; never the present directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/hamn-flow/journal.db")
    from platformdirs import user_state_path  # noqa: PLC0415 - root, the usual caller, does not need it

    try:
        return user_state_path("hamn-flow", appauthor=False) / "journal.db"
    except RuntimeError as error:
        raise Refused(
            "it is not known where this user keeps files: HOME is not set", hint="Set HOME, or say --journal FILE."
        ) from error


def refuse_on(path: Path, mount_points: tuple[str, ...]) -> None:
    """Refused if the journal lies on a file system that the run unmounts, also by a link or a bind mount."""
    place = path.resolve()
    devices = _mounted_devices()  # not asked of the mount points: below /root others than root may not look
    for mount_point in mount_points:
        mounted = Path(mount_point).resolve()
        if place.is_relative_to(mounted) or devices.get(mounted) == _device(place):
            raise Refused(
                f"the journal {path} lies on {mount_point}, which this run unmounts",
                hint="Name a journal on a disk of this machine's own, such as /var/lib/hamn-flow/journal.db.",
            )


def real(path: Path) -> Path:
    """The journal's own path, all links followed: two names of one journal must lead to one lock."""
    return Path(os.path.realpath(path))


def exists(path: Path) -> bool:
    """Whether there is a journal; JournalUnusable if there is one that this user may not read."""
    with translated(path):
        if not path.exists():
            return False
        _demand(path, os.R_OK)
    return True


def is_frozen(path: Path) -> bool:
    """Whether the file system is read-only, as after an I/O error, and all that was committed is in the one file."""
    return _is_read_only(path) and not path.with_name(path.name + "-wal").exists()


def make_directory(path: Path) -> None:
    """Make the journal's directory (0700) if it is missing, and see that it lies on a local disk.

    Only the default place is made all the way down: a misspelt path must not grow a tree.
    """
    directory = path.parent
    with translated(path):
        if not directory.is_dir():
            if path == real(default_path()):
                directory.parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir(mode=0o700, exist_ok=True)
            _sync(directory.parent)  # SQLite syncs the journal's directory, but not the one that this stands in
        refuse_remote(path)


def make_file(path: Path) -> None:
    """Make the journal's file (0600) if it is missing; SQLite gives what it puts beside the file the same mode.

    A file that is there is not opened: closing it would free SQLite's locks on it, if this process reads it too
    (sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    """
    with translated(path):
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _demand(path, os.R_OK | os.W_OK)


def keep_private(path: Path) -> None:
    """Take the journal, once it is known to be one, from everybody but its owner."""
    with translated(path):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def demand_file(path: Path) -> None:
    """JournalUnusable for what is there and is no plain file: a folder, a device."""
    with translated(path):
        if path.exists() and not path.is_file():
            raise JournalUnusable(f"{path} is no plain file, so it is no journal", hint="Name the journal's own file.")


def refuse_remote(path: Path, mounts: Path = _MOUNTS) -> None:
    """JournalUnusable on a network file system: WAL needs memory that all its users share, and locks that hold."""
    if not mounts.exists():  # not Linux
        return
    place = path.parent.resolve()
    mount_point, kind = Path("/"), ""
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        found = Path(_unescaped(before.split()[4]))
        if place.is_relative_to(found) and found.is_relative_to(mount_point):  # the last one lies on top
            mount_point, kind = found, after.split()[0]
    if _REMOTE.fullmatch(kind):
        raise JournalUnusable(
            f"the journal {path} lies on {mount_point}, a network or cluster file system ({kind}), where SQLite's "
            "locks and shared memory cannot be relied on",
            hint="Name a journal on a disk of this machine's own, such as /var/lib/hamn-flow/journal.db.",
        )


def _demand(path: Path, access: int) -> None:
    if not os.access(path, access):
        reason = errno.EROFS if _is_read_only(path) else errno.EACCES
        raise OSError(reason, os.strerror(reason), str(path))


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _device(place: Path) -> str:
    while not place.exists():
        place = place.parent
    number = place.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def _mounted_devices() -> dict[Path, str]:
    """The device of each mount point, as the kernel numbers it; the last one lies on top."""
    if not _MOUNTS.exists():  # not Linux
        return {}
    words = (line.split() for line in _MOUNTS.read_text(errors="surrogateescape").splitlines())
    return {Path(_unescaped(word[4])): word[2] for word in words}


def _unescaped(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word)
