"""Mounts and block devices: `mount`, `umount`, mounts.pl, device.pl, holders.pl."""

from __future__ import annotations

from collections.abc import Iterator

from hamn_flow.model.command import Result
from hamn_flow.simulator.host import Host, Program, is_directory, line, ok, refused, shown_title
from hamn_flow.simulator.state import FileSystem, Mount, Node, State

MOUNT_FAILED = 32  # mount(8) and umount(8): the mount or the unmount failed


def device_paths(file_system: FileSystem, kernel_name: str) -> tuple[str, ...]:
    """The names that udev gives to a block device."""
    return (
        f"/dev/disk/by-uuid/{file_system.uuid}",
        f"/dev/disk/by-label/{file_system.label}",
        f"/dev/disk/by-id/{file_system.hardware_id}",
        f"/dev/{kernel_name}",
    )


def device_at(state: State, node: Node, path: str) -> FileSystem | None:
    """The shared file system whose block device a path names on a node."""
    for name, disk in node.disks.items():
        if path in device_paths(state.disks[name], disk.kernel_name):
            return state.disks[name]
    return None


def alive(node: Node, file_system: str) -> bool:
    """Whether the node's kernel still has the superblock: mounted in any namespace, or let go lazily and held."""
    return file_system in node.lingering or any(mount.file_system == file_system for mount in node.mounts)


def holders_of(state: State, node: Node, mount: Mount) -> Iterator[tuple[str, int, str]]:
    """What makes an unmount say busy: kind, pid (0: the kernel) and where."""
    base = mount.mount_point.rstrip("/")
    for other in node.mounts:
        if other.own and other.mount_point.startswith(base + "/"):
            yield "mount", 0, other.mount_point
    for hold in node.loops:
        if hold.file_system == mount.file_system:
            yield hold.kind, 0, hold.detail
    for what in nfsd_holds(state, node, mount.file_system):
        yield "nfsd", 0, what
    for process in node.processes.values():
        for hold in process.holds:
            if hold.file_system == mount.file_system:
                yield hold.kind, process.pid, base + hold.detail.rstrip("/") or "/"


def mounted_elsewhere(node: Node, mount: Mount) -> Iterator[tuple[str, int, str]]:
    """What does not hinder an unmount, but keeps the disk in use: bind mounts, and other mount namespaces."""
    below = mount.mount_point.rstrip("/") + "/"
    for other in node.mounts:
        if other.file_system != mount.file_system:
            continue
        if not other.own:
            yield "mount", other.pid, f"{other.mount_point} in another mount namespace"
        elif other.mount_point != mount.mount_point and not other.mount_point.startswith(below):
            yield "mount", 0, other.mount_point


def nfsd_holds(state: State, node: Node, file_system: str) -> list[str]:
    """What the kernel's NFS server keeps of a file system: what is exported, and what a client opened over NFS 4.

    `exportfs -u` ends the first, only stopping the server the second.
    """
    if not any(unit.daemon == "nfs" and unit.active for unit in node.units.values()):
        return []
    held = [(each.path, f"{each.path} exported to {each.client}") for each in node.exports]
    held += [(each.path, f"opened over NFS 4: {each.path}") for each in node.nfs_clients if each.opens]
    return sorted({what for path, what in held if state.locate(node, path)[0].name == file_system})


def mount(host: Host) -> Result:
    """`mount -t TYPE -o OPTIONS DEVICE MOUNT_POINT`."""
    match host.words:
        case ("-t", kind, "-o", options, device, mount_point):
            pass
        case _:
            raise host.unknown()
    host.change()
    file_system = device_at(host.state, host.node, device)
    where, relative = host.state.locate(host.node, mount_point)
    more = "       dmesg(1) may have more information after failed mount system call.\n"
    if not is_directory(where, relative):
        return refused(MOUNT_FAILED, f"mount: {mount_point}: mount point does not exist.\n{more}")
    if file_system is None:
        return refused(MOUNT_FAILED, f"mount: {mount_point}: special device {device} does not exist.\n{more}")
    source = f"/dev/{host.node.disks[file_system.name].kernel_name}"
    if any(
        held.own and held.mount_point == mount_point and held.file_system == file_system.name
        for held in host.node.mounts
    ):
        return refused(MOUNT_FAILED, f"mount: {mount_point}: {source} already mounted on {mount_point}.\n{more}")
    if file_system.type != kind:
        words = "wrong fs type, bad option, bad superblock on"
        rest = "missing codepage or helper program, or other error"
        return refused(MOUNT_FAILED, f"mount: {mount_point}: {words} {source}, {rest}.\n{more}")
    file_system.clean = True  # the journal is replayed by the mount itself
    host.node.mounts.append(Mount(file_system.name, source, mount_point, kind, options))
    return ok()


def umount(host: Host) -> Result:
    """`umount MOUNT_POINT`, and lazily by `-l`: what is in use then lives on unseen; no forced one is known here."""
    match host.words:
        case ("-l", mount_point):
            pass
        case (mount_point,) if not mount_point.startswith("-"):
            pass
        case _:
            raise host.unknown()
    host.change()
    found = [held for held in host.node.mounts if held.own and held.mount_point == mount_point]
    if not found:
        where, relative = host.state.locate(host.node, mount_point)
        there = is_directory(where, relative) or relative in where.files
        words = "not mounted" if there else "no mount point specified"
        return refused(MOUNT_FAILED, f"umount: {mount_point}: {words}.\n")
    if next(holders_of(host.state, host.node, found[-1]), None) is not None:
        if host.words[0] != "-l":
            return refused(MOUNT_FAILED, f"umount: {mount_point}: target is busy.\n")
        host.node.lingering.add(found[-1].file_system)
    host.node.mounts.remove(found[-1])
    return ok()


_PSEUDO = (
    ("proc", "proc", "/proc", "0:21", "rw,nosuid,nodev,noexec,relatime"),
    ("sysfs", "sysfs", "/sys", "0:22", "rw,nosuid,nodev,noexec,relatime"),
    ("devtmpfs", "udev", "/dev", "0:6", "rw,nosuid,relatime"),
    ("tmpfs", "tmpfs", "/run", "0:24", "rw,nosuid,nodev,noexec,relatime"),
)


def mounts_script(host: Host) -> Result:
    """mounts.pl: every mount of every distinct namespace, as mountinfo has it."""
    if host.words:
        raise host.unknown()
    text = line(1, "own", "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw")
    for index, (kind, source, mount_point, number, options) in enumerate(_PSEUDO, start=26):
        text += line(1, "own", f"{index} 25 {number} / {mount_point} {options} shared:{index} - {kind} {source} rw")
    for index, held in enumerate(host.node.mounts, start=40):
        disk = host.node.disks.get(held.file_system)
        number = disk.number if disk else "8:1"
        words = f"{index} 25 {number} / {held.mount_point} {held.options},relatime shared:{index}"
        text += line(held.pid, "own" if held.own else "other", f"{words} - {held.type} {held.source} {held.options}")
    return ok(text)


def device_script(host: Host) -> Result:
    """device.pl PATH ...: each block device, whether its superblock lives, and an exclusive open."""
    if not host.words:
        raise host.unknown()
    text = ""
    for path in host.words:
        file_system = device_at(host.state, host.node, path)
        text += line("device", path)
        if file_system is None and host.read(path) is not None:
            return refused(255, f"{path} is not a block device\n", text)
        if file_system is None:
            text += line("absent")
            continue
        disk = host.node.disks[file_system.name]
        held = alive(host.node, file_system.name)
        text += line("node", disk.kernel_name, disk.number)
        text += line("alive", f"/sys/fs/{file_system.type}/{disk.kernel_name}") if held else ""
        text += line("open", "busy" if held else "free")
    return ok(text)


def holders_script(host: Host) -> Result:
    """holders.pl MOUNT_POINT MAJOR:MINOR: who holds the file system."""
    match host.words:
        case (mount_point, number):
            pass
        case _:
            raise host.unknown()
    if number == "8:1":
        return refused(255, "8:1 is the root file system, which everything holds\n")
    name = next((name for name, disk in host.node.disks.items() if disk.number == number), "")
    text = ""
    seen = Mount(name, "", mount_point, "", "")
    for kind, pid, where in (*mounted_elsewhere(host.node, seen), *holders_of(host.state, host.node, seen)):
        process = host.node.processes.get(pid)
        if process is None:
            text += line(kind, 0, 0, "", "", "kernel", where)
        else:
            text += line(kind, pid, process.started, process.user, process.unit, shown_title(process), where)
    return ok(text)


PROGRAMS: dict[str, Program] = {
    "mount": mount,
    "umount": umount,
    "mounts.pl": mounts_script,
    "device.pl": device_script,
    "holders.pl": holders_script,
}
