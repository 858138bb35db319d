"""What is put on a host's own disk before it boots: the machine's own affairs are hidden, the host's are laid out.

A host's root is the machine's own, or the user's image, with a layer above it. What is written here goes to that
layer alone. Of an image only that is hidden by which two hosts would be one.
"""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from pathlib import Path

from hamn_flow.lab import disk
from hamn_flow.lab.place import ADDRESSES, DOMAIN, FILE_SYSTEMS, HOSTS, NODES, Lab
from hamn_flow.lab.programs import run

_HERE = Path(__file__).parent
_FURNITURE = _HERE / "furniture"
_STAND_INS = _HERE / "stand_ins" / "root"

_IDENTITY = ("/etc/ssh", "/root/.ssh", "/var/lib/hamn-flow", "/etc/hamn-flow")  # which each host has of its own
_AFFAIRS = (  # folders of the machine that a host has empty
    *("/home", "/root", "/srv", "/mnt", "/media", "/var/tmp"),  # noqa: S108 - hidden, not used
    *("/etc/systemd/system", "/etc/systemd/system.conf.d", "/var/lib/systemd"),
    *(f"/etc/rc{level}.d" for level in "0123456S"),
    *("/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"),
    *("/etc/netplan", "/etc/postgresql", "/var/lib/postgresql", "/opt/xcat", "/etc/xcat", "/install"),
    *("/tftpboot", "/etc/exports.d"),
)
_BARE = (
    "/var/log",
    "/var/spool",
    "/var/cache/bind",
    "/var/lib/bind",
    "/var/lib/dhcp",
    "/var/lib/kea",
)  # only the folders in them
_UNITS = Path("usr/lib/systemd/system")
_MASKED = ("systemd-ask-password-console.path", "systemd-ask-password-wall.path")  # nobody sits at a host's console
_ENABLED = ("ssh", "sshd", "cron", "crond")  # each by the names that distributions have for it


def furnish(lab: Lab, node: str, root: Path, *, stand_ins: bool) -> None:
    """Lay out a host's own disk above `root`."""
    upper = lab.folder(node) / "upper"
    upper.mkdir()
    for name in ("work", "root"):
        (lab.folder(node) / name).mkdir()
    (lab.folder(node) / "lower").symlink_to(root)
    for hidden in _IDENTITY:
        _hide(upper, root, hidden)
    _lay(_FURNITURE / "always", upper, root)
    if root == Path("/"):
        _replace_affairs(lab, upper, root)
    if stand_ins:
        _lay(_STAND_INS, upper, root)
    _enable(upper, root)
    _name(lab, node, upper)
    _devices(lab, node, upper)
    _trust(lab, node, upper)


def _replace_affairs(lab: Lab, upper: Path, root: Path) -> None:
    """What the machine is for is none of the host's; nor is what it keeps of labs."""
    for hidden in (*_AFFAIRS, str(lab.place)):
        _hide(upper, root, hidden)
    for bare in _BARE:
        _hide(upper, root, bare)
        _folders(upper, root, bare)
    _lay(_FURNITURE / "above_machine", upper, root)


def _hide(upper: Path, root: Path, path: str) -> None:
    """Make a folder empty in the host, with the owner and mode that it has below."""
    above = _folder(upper, root, path)
    os.setxattr(above, "trusted.overlay.opaque", b"y")


def _folder(upper: Path, root: Path, path: str) -> Path:
    """A folder of the layer; those on the way to it are as they are below."""
    above, below = upper, root
    for part in Path(path).relative_to("/").parts:
        above, below = above / part, below / part
        if not above.exists():
            above.mkdir(mode=0o755)
            _alike(above, below)
    return above


def _alike(above: Path, below: Path) -> None:
    if below.is_dir() and not below.is_symlink():
        known = below.stat()
        os.chown(above, known.st_uid, known.st_gid)
        above.chmod(stat.S_IMODE(known.st_mode))


def _folders(upper: Path, root: Path, path: str) -> None:
    below = root / path.lstrip("/")
    for folder, names, _ in os.walk(below):
        for name in names:
            each = Path(folder) / name
            if not each.is_symlink():
                _folder(upper, root, f"/{each.relative_to(root)}")


def _lay(source: Path, upper: Path, root: Path) -> None:
    """Copy a tree onto the layer: programs may be run, all else is read."""
    for path in sorted(source.rglob("*")):
        target = upper / path.relative_to(source)
        if path.is_dir():
            _folder(upper, root, f"/{path.relative_to(source)}")
        else:
            shutil.copyfile(path, target)
            runs = path.parent.name in {"bin", "sbin"} or path.suffix == ".sh"
            target.chmod(0o755 if runs else 0o644)


def _enable(upper: Path, root: Path) -> None:
    """What starts at boot: sshd and cron, and nothing that follows the role.

    A unit that watches paths takes one of the few inotify instances (128 at most) that all hosts of a machine share.
    """
    wants = _folder(upper, root, "/etc/systemd/system/multi-user.target.wants")
    units = wants.parent
    (units / "default.target").symlink_to("/" / _UNITS / "multi-user.target")
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    for unit in (f"{name}.service" for name in _ENABLED):
        if (root / _UNITS / unit).is_file():
            (wants / unit).symlink_to("/" / _UNITS / unit)


def _name(lab: Lab, node: str, upper: Path) -> None:
    _write(upper / "etc/hostname", f"{node}\n")
    _write(upper / "etc/machine-id", f"{uuid.uuid5(uuid.NAMESPACE_OID, lab.host(node)).hex}\n", 0o444)
    lines = ["127.0.0.1 localhost", *(f"{address} {name}.{DOMAIN} {name}" for address, name in HOSTS.items())]
    _write(upper / "etc/hosts", "".join(f"{line}\n" for line in lines))


def _devices(lab: Lab, node: str, upper: Path) -> None:
    """The host's side of the shared disk, and the names by which it is known; /dev is made anew at each boot."""
    lines = []
    for each in FILE_SYSTEMS:
        device = disk.partition(lab, node, each)
        number = device.stat().st_rdev
        lines.append(f"b {device} 0660 root disk - {os.major(number)}:{os.minor(number)}\n")
        names = (f"by-uuid/{each.uuid(lab)}", f"by-label/{each.label}")
        lines += [f"L /dev/disk/{name} - - - - ../../{device.name}\n" for name in names]
    _write(upper / "etc/tmpfiles.d/shared-disk.conf", "".join(lines))


def _trust(lab: Lab, node: str, upper: Path) -> None:
    """Host keys of its own; the two hosts share root's key and let each other in, as xCAT's management nodes do."""
    ssh, root = upper / "etc/ssh", upper / "root/.ssh"
    root.chmod(0o700)
    for path in (lab.place / "keys" / node).iterdir():
        _write(ssh / path.name, path.read_text(), stat.S_IMODE(path.stat().st_mode))
    hosts = lab.place / "keys" / "hosts"
    _write(root / "id_ed25519", hosts.read_text(), 0o600)
    _write(root / "id_ed25519.pub", hosts.with_suffix(".pub").read_text())
    allowed = hosts.with_suffix(".pub").read_text() + lab.key.with_suffix(".pub").read_text()
    _write(root / "authorized_keys", allowed, 0o600)
    _write(root / "known_hosts", known_hosts(lab))


def make_keys(lab: Lab) -> None:
    """A host key for each host, the key that the two share, and the controlling side's."""
    lab.key.parent.mkdir(mode=0o700, parents=True)
    wanted = {lab.place / "keys" / node / "ssh_host_ed25519_key": node for node in NODES}
    wanted |= {lab.place / "keys" / "hosts": "root@lab", lab.key: "control@lab"}
    for path, comment in wanted.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)


def known_hosts(lab: Lab) -> str:
    """Both hosts' keys by name and address."""
    keys = {node: (lab.place / "keys" / node / "ssh_host_ed25519_key.pub").read_text() for node in NODES}
    return "".join(f"{node},{ADDRESSES[node]} {' '.join(key.split()[:2])}\n" for node, key in keys.items())


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_text(text)
    path.chmod(mode)
