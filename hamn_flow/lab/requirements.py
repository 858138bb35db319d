"""What a lab needs of the machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from hamn_flow.errors import Refused
from hamn_flow.lab import groups
from hamn_flow.lab.place import SPECIAL
from hamn_flow.lab.programs import run

_HERE = {  # on the machine: a program, and Debian's package of it
    "ip": "iproute2",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
    "sfdisk": "fdisk",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}
_HOST = {  # in a host
    "dbus-daemon": "dbus",
    "perl": "perl",
    "sshd": "openssh-server",
    "lib/systemd/systemd": "systemd",
}
_ROLE = {  # in a host without an image of the user's
    "arping": "iputils-arping",
    "conserver": "conserver-server",
    "cron": "cron",
    "dig": "bind9-dnsutils",
    "fuser": "psmisc",
    "named": "bind9",
    "pg_createcluster": "postgresql-common",
    "rsync": "rsync",
    "usr/lib/postgresql/*/bin/initdb": "postgresql",
    "usr/lib/*/perl5/*/DBD/Pg.pm": "libdbd-pg-perl",
    "usr/lib/*/perl5/*/DBD/SQLite.pm": "libdbd-sqlite3-perl",
}
_DHCP = {
    "isc": {"dhcpd": "isc-dhcp-server"},
    "kea": {"kea-dhcp4": "kea-dhcp4-server"},
}
_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")
_ONE_FILE_SYSTEM = ("etc", "usr", "var")
_NO_LAYER = frozenset({"overlay", "nfs", "nfs4"})


def check(root: Path, *, dhcp: str, stand_ins: bool) -> None:
    """Refused with all that is missing at once."""
    need_root()
    if dhcp not in _DHCP:
        raise Refused(f"there is no DHCP server {dhcp!r}", hint="Say --dhcp isc or --dhcp kea.")
    if not root.is_dir() or SPECIAL.intersection(str(root)):
        raise Refused(
            f"there is no folder {root}, or its name has a comma, a colon, a backslash or a space",
            hint="Name a folder that holds a root file system.",
        )
    _refuse_lacking(root, here(), inside(root, dhcp=dhcp, stand_ins=stand_ins))
    apart = [f"/{name}" for name in _ONE_FILE_SYSTEM if (root / name).stat().st_dev != root.stat().st_dev]
    if apart:
        raise Refused(
            f"{', '.join(apart)} is a file system of its own, and the hosts would not see what is on it",
            hint="Name a root file system that is one by --image.",
        )
    if not groups.hierarchies():
        raise Refused("no control groups are mounted", hint="Type mount -t cgroup2 cgroup2 /sys/fs/cgroup first.")


def need_root() -> None:
    """Refused for others than root, and elsewhere than on Linux."""
    if sys.platform != "linux":
        raise Refused("the lab needs Linux")
    if os.geteuid() != 0:
        raise Refused("the lab needs root: it makes namespaces, mounts and loop devices", hint="Use sudo.")


def check_folder(directory: Path) -> None:
    """Refused if a host's own disk, the upper layer of an overlay, cannot lie there (Linux: overlayfs.rst)."""
    whole = directory.resolve()
    there = next(each for each in (whole, *whole.parents) if each.exists())
    kind = run("findmnt", "--noheadings", "--output=FSTYPE", "--target", there).strip()
    if kind in _NO_LAYER:
        raise Refused(
            f"{directory} lies on {kind}, where the hosts' own disks cannot be laid",
            hint="Name a folder on another file system by --directory; /dev/shm will do.",
        )


def here() -> dict[str, str]:
    """What the machine lacks, each with its package."""
    return _lacking(Path("/"), _HERE)


def inside(root: Path, *, dhcp: str, stand_ins: bool) -> dict[str, str]:
    """What the hosts' root lacks, each with its package."""
    return _lacking(root, _HOST | (_ROLE | _DHCP[dhcp] if stand_ins else {}))


def _lacking(root: Path, needed: Mapping[str, str]) -> dict[str, str]:
    return {name: package for name, package in needed.items() if not _there(root, name)}


def _refuse_lacking(root: Path, machine: dict[str, str], image: dict[str, str]) -> None:
    """Refused with all that is lacking, and where; a file is named by its package."""
    if root == Path("/"):
        machine, image = machine | image, {}
    sentences, hints = [], []
    if machine:
        sentences.append(f"the lab needs {_named(machine)}, and there is none")
        hints.append(f"Type apt-get install {' '.join(sorted(set(machine.values())))} first.")
    if image:
        sentences.append(f"a host needs {_named(image)}, and {root} has none")
        hints.append(f"Install there, by Debian's names, {' '.join(sorted(set(image.values())))}.")
    if sentences:
        raise Refused("; ".join(sentences), hint=" ".join(hints))


def _named(lacking: Mapping[str, str]) -> str:
    return ", ".join(package if "/" in name else name for name, package in lacking.items())


def _there(root: Path, name: str) -> bool:
    """A program by its name, or a file by a pattern."""
    patterns = [name] if "/" in name else [f"{folder}/{name}" for folder in _FOLDERS]
    return any(True for pattern in patterns for _ in root.glob(pattern))
