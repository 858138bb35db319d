"""File systems and disks: what is mounted, what is let go, and who holds it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hamn_flow.facts.platform import Platform
from hamn_flow.facts.scripts import rows
from hamn_flow.facts.unreadable import missing, succeeded, unreadable
from hamn_flow.model.command import Command, Result

MARKER = ".hamn-flow"
_OCTAL = re.compile(r"\\([0-7]{3})")
_NUMBER = re.compile(r"\d+:\d+")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One mount. `own` says that it is in the mount namespace that our commands run in."""

    source: str
    mount_point: str
    type: str
    device: str  # "major:minor", as stat shows it
    root: str  # which directory of the file system; "/" but for bind mounts
    options: str  # of the mount and of the file system, each once
    own: bool
    pid: int  # the lowest process in its mount namespace

    @property
    def read_only(self) -> bool:
        """Whether the mount or the file system below it takes no writes."""
        return "ro" in self.options.split(",")


@dataclass(frozen=True)
class Mounts:
    """Every mount of every mount namespace: one that is gone here may live on in another (trap T19)."""

    def command(self, platform: Platform) -> Command:
        """Ask /proc; an incomplete answer is none."""
        return platform.script("mounts.pl")

    def parse(self, result: Result) -> tuple[Mount, ...]:
        """In the order of each namespace's mountinfo, our own namespace first."""
        mounts = tuple(_mount(line, result) for line in succeeded("the mounts", result).split("\n") if line)
        if not any(mount.own and mount.mount_point == "/" for mount in mounts):
            raise unreadable("the mounts", result, why="the root file system is not among them")
        return mounts


def _mount(line: str, result: Result) -> Mount:
    # proc(5): ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS [TAGS ...] - TYPE SOURCE SUPER_OPTIONS
    parts = line.split("\t", 2)
    before, dash, after = parts[-1].partition(" - ")
    of_mount, of_type = before.split(" "), after.split(" ")
    if len(parts) != 3 or not dash or len(of_mount) < 6 or len(of_type) < 3 or not _NUMBER.fullmatch(of_mount[2]):
        raise unreadable("the mounts", result, why="a line is not as proc(5) describes mountinfo")
    return Mount(
        source=_plain(of_type[1]),
        mount_point=_plain(of_mount[4]),
        type=of_type[0],
        device=of_mount[2],
        root=_plain(of_mount[3]),
        options=",".join(dict.fromkeys(f"{of_mount[5]},{of_type[2]}".split(","))),
        own=parts[1] == "own",
        pid=_number(parts[0], "the mounts", result),
    )


def _plain(value: str) -> str:
    """The kernel writes a space in a path as backslash 040, and so on."""
    return (
        _OCTAL.sub(lambda found: chr(int(found[1], 8)), value).encode("latin-1", "replace").decode("utf-8", "replace")
    )


def mount_at(mounts: Iterable[Mount], mount_point: str) -> Mount | None:
    """What is mounted there in our own namespace; the topmost, where mounts are stacked."""
    there = [mount for mount in mounts if mount.own and mount.mount_point == mount_point]
    return there[-1] if there else None


def below(mounts: Iterable[Mount], mount_point: str) -> tuple[Mount, ...]:
    """What is mounted further down that path in our own namespace."""
    inside = mount_point.rstrip("/") + "/"
    return tuple(
        mount for mount in mounts if mount.own and mount.mount_point.startswith(inside) and mount.mount_point != inside
    )


@dataclass(frozen=True, kw_only=True)
class Device:
    """A block device as this node's kernel knows it; it says nothing about another node's."""

    present: bool
    kernel_name: str = ""
    number: str = ""  # "major:minor"
    superblock: str = ""  # /sys/fs/ext4/NAME while the file system lives, also after a lazy unmount
    exclusive: str = ""  # "free", "busy", or what the system said to an exclusive open

    @property
    def free(self) -> bool:
        """Whether nothing on this node uses it: no live superblock, and an exclusive open is granted."""
        return self.present and not self.superblock and self.exclusive == "free"


@dataclass(frozen=True)
class BlockDevices:
    """Whether devices are there, and whether this node has let go of them (trap T19)."""

    paths: tuple[str, ...]

    def command(self, platform: Platform) -> Command:
        """Look into /sys and try exclusive opens for reading, which change nothing; one look for all."""
        return platform.script("device.pl", *self.paths)

    def parse(self, result: Result) -> dict[str, Device]:
        """Absent is an answer; something else than a block device under one of the names is not."""
        what = f"the device {self.paths[0]}" if len(self.paths) == 1 else "the devices"
        said: dict[str, dict[str, list[str]]] = {}
        for key, *values in rows(succeeded(what, result)):
            if key == "device":
                said[values[0]] = {}
            elif said:
                said[next(reversed(said))][key] = values
        if set(said) != set(self.paths):
            raise unreadable(what, result, why="the answer is incomplete")
        return {path: self._device(what, answer, result) for path, answer in said.items()}

    def _device(self, what: str, said: dict[str, list[str]], result: Result) -> Device:
        match said:
            case {"absent": []}:
                return Device(present=False)
            case {"node": [name, number], "open": [exclusive]} if _NUMBER.fullmatch(number):
                alive = said.get("alive", [""])[0]
                return Device(present=True, kernel_name=name, number=number, superblock=alive, exclusive=exclusive)
            case _:
                raise unreadable(what, result, why="the answer is incomplete")


@dataclass(frozen=True)
class BlockDevice:
    """The same of one device."""

    path: str

    def command(self, platform: Platform) -> Command:
        """The same look."""
        return BlockDevices((self.path,)).command(platform)

    def parse(self, result: Result) -> Device:
        """The one device."""
        return BlockDevices((self.path,)).parse(result)[self.path]


@dataclass(frozen=True, kw_only=True)
class FsHolder:
    """Something that keeps a file system busy.

    `kind`: cwd root exe file map (a process); mount (a submount, a bind mount or another mount namespace); loop, swap
    and nfsd (the kernel: pid 0). `command` is a title without arguments, so that no secret gets into the journal.
    """

    kind: str
    pid: int
    started: int  # clock ticks since boot: with the pid, the process's identity
    user: str
    unit: str
    command: str
    detail: str  # the path, the submount, the loop device
    ours: bool = False  # the look itself, the link that carries it, or the shell it was typed in


@dataclass(frozen=True)
class Holders:
    """Who holds a file system, from /proc and mountinfo, never from fuser (trap T19).

    Told by the device number, never by the path: where `mount_point` is not mounted, fuser would list the whole
    root file system.
    """

    mount_point: str
    device_number: str

    def command(self, platform: Platform) -> Command:
        """Look at every process and mount namespace."""
        return platform.script("holders.pl", self.mount_point, self.device_number)

    def parse(self, result: Result) -> tuple[FsHolder, ...]:
        """The kernel's own first, then by pid."""
        what = f"who holds {self.mount_point}"
        holders = []
        for fields in rows(succeeded(what, result)):
            if len(fields) not in {7, 8}:
                raise unreadable(what, result, why="a line has not seven or eight fields")
            kind, pid, started, user, unit, command, detail = fields[:7]
            holders.append(
                FsHolder(
                    kind=kind,
                    pid=_number(pid, what, result),
                    started=_number(started, what, result),
                    user=user,
                    unit=unit,
                    command=command,
                    detail=detail,
                    ours=fields[7:] == ["ours"],
                )
            )
        return tuple(holders)


@dataclass(frozen=True)
class Room:
    """Free room for others than the file system's reserve, in KiB."""

    directory: str

    def command(self, platform: Platform) -> Command:
        """Ask df in the format that POSIX fixes."""
        return platform.run("df", "-Pk", self.directory)

    def parse(self, result: Result) -> int:
        """KiB available."""
        what = f"the room in {self.directory}"
        lines = succeeded(what, result).splitlines()
        found = re.search(r"\s\d+\s+-?\d+\s+(-?\d+)\s+(?:\d+%|-)\s+/", lines[-1]) if len(lines) > 1 else None
        if found is None:
            raise unreadable(what, result, why="df did not print its table")
        return _number(found[1], what, result)


@dataclass(frozen=True)
class Directories:
    """Which of these paths are directories; a symbolic link to one is not."""

    paths: tuple[str, ...]

    def command(self, platform: Platform) -> Command:
        """One look for all."""
        return platform.run("stat", "-c", "%F|%n", "--", *self.paths)

    def parse(self, result: Result) -> frozenset[str]:
        """Those that are directories; paths that do not exist are not, any other failure is no answer."""
        fine = ("No such file or directory", "Not a directory")
        complaints = [line for line in result.error_text.splitlines() if not line.endswith(fine)]
        if complaints or result.status not in {0, 1} or (result.status == 1 and not result.errors):
            raise unreadable("the directories", result, why=complaints[-1] if complaints else "")
        seen = (line.partition("|") for line in result.text.splitlines())
        return frozenset(name for kind, _, name in seen if kind == "directory") & frozenset(self.paths)


@dataclass(frozen=True, kw_only=True)
class Marker:
    """The file that says on a shared file system which one it is, so that a wrong disk is not taken for it."""

    cluster: str
    mount_point: str
    source: str

    @property
    def text(self) -> str:
        """The file's content."""
        return f"cluster={self.cluster}\nmount_point={self.mount_point}\nsource={self.source}\n"


def marker_path(mount_point: str) -> str:
    """Where the marker of a file system lies while it is mounted."""
    return f"{mount_point.rstrip('/')}/{MARKER}"


@dataclass(frozen=True)
class MarkerAt:
    """The marker on what is mounted there; look at the mounts too, for the path alone proves no mount."""

    mount_point: str

    def command(self, platform: Platform) -> Command:
        """Print the file."""
        return platform.run("cat", marker_path(self.mount_point))

    def parse(self, result: Result) -> Marker | None:
        """None if there is none; Unreadable if the file is there and is not as we write it."""
        what = f"the marker {marker_path(self.mount_point)}"
        if missing(result):
            return None
        pairs = dict(line.partition("=")[::2] for line in succeeded(what, result).splitlines())
        try:
            return Marker(cluster=pairs["cluster"], mount_point=pairs["mount_point"], source=pairs["source"])
        except KeyError as error:
            raise unreadable(what, result, why=f"it has no line {error.args[0]}=") from error


def _number(text: str, what: str, result: Result) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise unreadable(what, result, why="a number was expected") from error
