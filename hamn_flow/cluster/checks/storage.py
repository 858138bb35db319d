"""Shared file systems and the database on them: names that stay, places that are free (traps T6, T9, T13)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from hamn_flow.cluster.problem import Mistake, Where, shown
from hamn_flow.cluster.said import Said
from hamn_flow.model.pair import FileSystem

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Characters that udev leaves as they are in the names below /dev/disk/ (systemd, whitelisted_char_for_devnode).
_TAGGED = re.compile(r"(UUID|LABEL|PARTUUID|PARTLABEL)=[A-Za-z0-9#+.:=@_-]+")
_STAYING = re.compile(r"/dev/disk/by-(id|uuid|label|partuuid|partlabel)/[A-Za-z0-9#+.:=@_\\-]+")
# Numbered in the order of discovery, or named by each host for itself (mpatha), or by the cabling (by-path).
_MOVING = re.compile(
    r"/dev/((sd|vd|xvd|hd)[a-z]+\d*|nvme\d+(n\d+(p\d+)?)?|mmcblk\d+(p\d+)?|dm-\d+|md\d+|loop\d+|nbd\d+|sr\d+|drbd\d+"
    r"|mapper/.*|disk/by-(path|diskseq|loop-ref)/.*)"
)
_NAME_THE_DISK = (
    'Type blkid or ls -l /dev/disk/by-id on the active node, and write source = "UUID=..." or "/dev/disk/by-id/...".'
)

_SHARED_FOLDER = 'Write the folder of what is shared, for example "/etc/xcat", "/install" or "/root/.xcat".'
_TAKEN = re.compile(
    r"/(bin|boot|dev|etc|home|lib|lib64|opt|proc|root|run|sbin|sys|tmp|usr(/(bin|lib|sbin))?|var(/(lib|tmp))?)"
)
_NEVER_BELOW = ("/dev/", "/proc/", "/run/", "/sys/", "/var/run/", "/var/lib/hamn-flow/")  # the last has the journal

_OPTIONS = re.compile(r"[A-Za-z0-9_.:/=-]+(,[A-Za-z0-9_.:/=-]+)*")
_DANGEROUS = {
    "auto": "would let the system mount it at boot on both nodes",
    "x-systemd.automount": "would mount it by itself when someone looks",
    "user": "would let any user mount it",
    "users": "would let any user mount it",
    "nofail": "would let a missing disk pass for success",
    "ro": "would keep xCAT from writing",
    "remount": "would change a mount instead of making one",
    "bind": "would mount a folder instead of the disk",
    "loop": "would hide the disk behind a loop device",
    "noload": "would leave the journal of a crashed node unread",
    "norecovery": "would leave the journal of a crashed node unread",
    "nobarrier": "would lose what was written last when the power fails",
    "barrier=0": "would lose what was written last when the power fails",
}


def mistakes(said: Said) -> Iterator[Mistake]:
    """What is wrong with the shared file systems and with where the database lies."""
    for n in range(said.count("file_systems")):
        yield from _mount_point(said, ("file_systems", n, "mount_point"))
        yield from _source(said, ("file_systems", n, "source"))
        yield from _options(said, ("file_systems", n, "options"))
    yield from _twice(said)
    yield from _xcat(said)
    yield from _database(said)


def _mount_point(said: Said, where: Where) -> Iterator[Mistake]:
    place = said.text(*where)
    if place is None:
        return
    wrong = _wrong_path(place)
    if wrong is None and (_TAKEN.fullmatch(place) or f"{place}/".startswith(_NEVER_BELOW)):
        wrong = "belongs to each node's own system and cannot be shared", _SHARED_FOLDER
    if wrong is not None:
        yield Mistake(where=where, sentence=f"mount point {shown(place)} {wrong[0]}", hint=wrong[1])


def _wrong_path(path: str) -> tuple[str, str] | None:
    """Why this cannot be the path of a shared folder, and what to write."""
    home, tilde, rest = path.partition("~")
    normal = posixpath.normpath(f"/{path.lstrip('/')}")
    if tilde and not home:
        return (
            "has a ~, which means another place for every user",
            f"Write {shown(f'/root{rest}')}, if root lives there.",
        )
    if not path.startswith("/"):
        return "is not an absolute path", f"Write it from the root, for example {shown(f'/{path}')}."
    if not path.isprintable() or re.search(r"[\s\\]", path):
        return "has white space, a backslash or a control character", "Write a path without them."
    if normal == "/":
        return "is the root of the node's own system", _SHARED_FOLDER
    if normal != path:
        return "is not written in its shortest form", f"Write {shown(normal)}."
    return None


def _source(said: Said, where: Where) -> Iterator[Mistake]:
    source = said.text(*where)
    if source is None:
        return
    sentence, hint = "", _NAME_THE_DISK
    if _MOVING.fullmatch(source):
        sentence = f"{shown(source)} can be another disk after a reboot or on the other node"
    elif source.startswith("UUID=") and not _UUID.fullmatch(source[5:]):
        sentence = f"{shown(source)} is not the UUID of an ext4 or xfs file system"
        hint = "Write it as blkid shows it: 32 hexadecimal digits in small letters, with four hyphens."
    elif re.match(r"[A-Za-z0-9._-]+:/", source) or source.startswith("//"):
        sentence = f"{shown(source)} is a network file system, and only shared disks are supported"
    elif not (_TAGGED.fullmatch(source) or _STAYING.fullmatch(source)) or source.endswith(("/.", "/..")):
        sentence = f"{shown(source)} is not a name that stays with the disk"
    if sentence:
        yield Mistake(where=where, sentence=sentence, hint=hint)


def _options(said: Said, where: Where) -> Iterator[Mistake]:
    options = said.text(*where)
    if options is None:
        return
    if not _OPTIONS.fullmatch(options) or options.startswith("-"):
        yield Mistake(
            where=where,
            sentence=f"{shown(options)} is not a list of mount options",
            hint='Write them with commas and no spaces, for example options = "rw,noatime".',
        )
        return
    for option in options.split(","):
        if option in _DANGEROUS:
            yield Mistake(
                where=where,
                sentence=f"mount option {option} {_DANGEROUS[option]}",
                hint=f"Remove {option} from options.",
            )


def _twice(said: Said) -> Iterator[Mistake]:
    places: set[str] = set()
    devices: dict[str, str] = {}
    for n in range(said.count("file_systems")):
        place, source = said.text("file_systems", n, "mount_point"), said.text("file_systems", n, "source")
        if place is not None and place in places:
            yield Mistake(
                where=("file_systems", n, "mount_point"),
                sentence=f"mount point {shown(place)} is there twice",
                hint="Remove one of the two file systems, or mend its mount_point.",
            )
        if source is not None:
            device = FileSystem(mount_point=place or "", source=source).device
            if device in devices:
                yield Mistake(
                    where=("file_systems", n, "source"),
                    sentence=f"{shown(source)} is already mounted at {devices[device]}",
                    hint="Write the UUID of this file system as blkid shows it; each is mounted once.",
                )
            devices.setdefault(device, shown(place) if place else "another mount point")
        if place is not None:
            places.add(place)


def _xcat(said: Said) -> Iterator[Mistake]:
    if not isinstance(said.at("file_systems"), list):
        return
    if "/etc/xcat" not in _places(said):
        yield Mistake(
            where=("file_systems",),
            sentence="/etc/xcat is not among the shared file systems",
            hint='Write one with mount_point = "/etc/xcat", where the keys and certificates of the cluster lie.',
        )


def _database(said: Said) -> Iterator[Mistake]:
    engine, where = said.text("database", "engine"), ("database", "data_directory")
    directory = said.text(*where)
    if engine == "sqlite":
        for key in ("data_directory", "unit"):
            if said.at("database", key) is not None:
                yield Mistake(
                    where=("database", key),
                    sentence=f"SQLite lies in /etc/xcat and has no {key.replace('_', ' ')}",
                    hint=f'Remove {key}, or write engine = "postgresql".',
                )
    elif directory is not None and (wrong := _wrong_path(directory)):
        yield Mistake(where=where, sentence=f"data directory {shown(directory)} {wrong[0]}", hint=wrong[1])
    elif engine == "postgresql" and directory is None:
        if said.at(*where) is None:
            yield Mistake(
                where=where,
                sentence="database.data_directory is missing",
                hint="Write what `sudo -u postgres psql -Atc 'show data_directory'` shows on the active node.",
            )
    elif engine == "postgresql" and isinstance(said.at("file_systems"), list) and not _on_shared(said, directory or ""):
        yield Mistake(
            where=where,
            sentence=f"data directory {shown(directory)} lies on none of the shared file systems",
            hint="Write the file system that holds it into file_systems, or mend data_directory.",
        )
    unit = said.text("database", "unit")
    if unit and not UNIT.fullmatch(unit):
        yield not_a_unit(("database", "unit"), unit)


UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]*")


def not_a_unit(where: Where, unit: str) -> Mistake:
    """The text cannot be a unit's name."""
    return Mistake(
        where=where,
        sentence=f"{shown(unit)} is not the name of a systemd unit",
        hint='Write the name that systemctl list-units --type=service shows, for example unit = "xcatd".',
    )


def _on_shared(said: Said, directory: str) -> bool:
    return any(f"{directory}/".startswith(f"{place}/") for place in _places(said))


def _places(said: Said) -> list[str]:
    found = (said.text("file_systems", n, "mount_point") for n in range(said.count("file_systems")))
    return [place for place in found if place is not None]
