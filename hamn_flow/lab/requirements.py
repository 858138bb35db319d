"""What a lab needs of the machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hamn_flow.errors import Refused
from hamn_flow.lab import groups
from hamn_flow.lab.place import SPECIAL

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
    missing = lacking(root, dhcp=dhcp, stand_ins=stand_ins)
    if missing:
        raise Refused(
            f"the lab needs {', '.join(missing)}, and there is none",
            hint=f"Type apt-get install {' '.join(sorted(set(missing.values())))} first.",
        )
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


def lacking(root: Path, *, dhcp: str, stand_ins: bool) -> dict[str, str]:
    """What is missing, each with its package."""
    inside = _HOST | (_ROLE | _DHCP[dhcp] if stand_ins else {})
    here = {name: package for name, package in _HERE.items() if not _there(Path("/"), name)}
    return here | {name: package for name, package in inside.items() if not _there(root, name)}


def _there(root: Path, name: str) -> bool:
    """A program by its name, or a file by a pattern."""
    patterns = [name] if "/" in name else [f"{folder}/{name}" for folder in _FOLDERS]
    return any(True for pattern in patterns for _ in root.glob(pattern))
