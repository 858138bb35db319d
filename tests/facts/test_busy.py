"""Who holds a file system, where it is mounted, whether it is let go: on a real disk, in a namespace of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hamn_flow.facts.scripts import source
from hamn_flow.facts.storage import BlockDevice, Device, FsHolder, Holders, Mounts, below, mount_at
from hamn_flow.facts.unreadable import Unreadable
from tests.facts.machine import Disk, Living, run

Holder = Callable[[Disk], Living | None]


def holders(disk: Disk) -> tuple[FsHolder, ...]:
    fact = Holders(disk.mount_point, disk.number)
    return fact.parse(disk.script("holders.pl", fact.mount_point, fact.device_number))


def device(disk: Disk) -> Device:
    return BlockDevice(disk.device).parse(disk.script("device.pl", disk.device))


def in_directory(disk: Disk) -> Living:
    return disk.holder("chdir $ARGV[0] or die", disk.mount_point)


def in_root(disk: Disk) -> Living:
    return disk.holder("chdir '/'; chroot $ARGV[0] or die", disk.mount_point)


def with_open_file(disk: Disk) -> Living:
    return disk.holder("open $f, '>', shift or die", f"{disk.mount_point}/a log")


def with_deleted_file(disk: Disk) -> Living:
    return disk.holder("open $f, '>', $ARGV[0] or die; unlink $ARGV[0]", f"{disk.mount_point}/gone")


def running_from_it(disk: Disk) -> Living:
    program = f"{disk.mount_point}/conserver"
    disk.do("cp", "/usr/bin/perl", program)
    return disk.keep(*disk.inside(program, "-e", '$| = 1; print "ready\n"; <STDIN>'))


def with_mapping(disk: Disk) -> Living:
    library = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line)
    disk.do("cp", library, f"{disk.mount_point}/lib.so")
    return disk.holder("require DynaLoader; DynaLoader::dl_load_file($ARGV[0]) or die", f"{disk.mount_point}/lib.so")


def listening_on_a_socket(disk: Disk) -> Living:
    bound = "socket $s, AF_UNIX, SOCK_STREAM, 0; bind $s, pack_sockaddr_un(shift) or die; listen $s, 1"
    return disk.holder(bound, f"{disk.mount_point}/mysql.sock")


def mounted_upon(disk: Disk) -> None:
    disk.do("mkdir", f"{disk.mount_point}/sub")
    disk.do("mount", "-t", "tmpfs", "none", f"{disk.mount_point}/sub")


def bound_elsewhere(disk: Disk) -> None:
    disk.do("mkdir", str(disk.place / "else where"))
    disk.do("mount", "--bind", disk.mount_point, str(disk.place / "else where"))


def looped(disk: Disk) -> None:
    disk.do("truncate", "-s", "1M", f"{disk.mount_point}/iso")
    loop = disk.do("losetup", "-f", "--show", f"{disk.mount_point}/iso").text.strip()
    disk.stack.callback(run, "losetup", "-d", loop)


def in_another_namespace(disk: Disk) -> Living:
    return disk.keep(*disk.inside("unshare", "-m", "--propagation", "private", "sh", "-c", "echo ready; exec cat"))


def swapping(disk: Disk) -> None:
    disk.do("touch", f"{disk.mount_point}/swap")
    (disk.place / "swaps").write_text(
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        f"{disk.mount_point}/swap\t\t\tfile\t\t1024\t\t0\t\t-2\n/dev/dm-1\t\t\tpartition\t1024\t\t0\t\t-3\n"
    )
    disk.do("mount", "--bind", str(disk.place / "swaps"), "/proc/swaps")


def serving(disk: Disk) -> None:
    disk.do("mount", "-t", "tmpfs", "none", "/proc/fs")
    minor = int(disk.number.partition(":")[2])
    states = f'- 0x0: {{ type: open, access: rw, superblock: "07:{minor:02x}:13", filename: "vmlinuz" }}'
    exports = (
        f"# Version 1.1\n# Path Client(Flags) # IPs\n{disk.mount_point}\t10.97.0.0/24(rw,no_root_squash)\n/\t*(ro)"
    )
    for path, text in {"exports": exports, "clients/3/states": states}.items():
        disk.do("mkdir", "-p", f"/proc/fs/nfsd/{path.rpartition('/')[0]}")
        disk.do("sh", "-c", 'printf "%s\\n" "$1" > "$2"', "sh", text, f"/proc/fs/nfsd/{path}")


HOLDERS: list[tuple[Holder, set[tuple[str, str]]]] = [
    (in_directory, {("cwd", "{at}")}),
    (in_root, {("root", "{at}")}),
    (with_open_file, {("file", "{at}/a log")}),
    (with_deleted_file, {("file", "{at}/gone (deleted)")}),
    (running_from_it, {("exe", "{at}/conserver")}),
    (with_mapping, {("map", "{at}/lib.so")}),
    (listening_on_a_socket, {("file", "{at}/mysql.sock")}),
    (mounted_upon, {("mount", "{at}/sub")}),
    (bound_elsewhere, {("mount", "{place}/else where")}),
    (looped, {("loop", "{at}/iso")}),
    (in_another_namespace, {("mount", "{at} in another mount namespace")}),
    (swapping, {("swap", "{at}/swap")}),
    (serving, {("nfsd", "{at} exported to 10.97.0.0/24"), ("nfsd", "opened over NFS 4: vmlinuz")}),
]


@pytest.mark.parametrize(("hold", "expected"), HOLDERS, ids=[hold.__name__ for hold, _ in HOLDERS])
def test_every_kind_of_holder_is_named_and_nobody_else(
    disk: Disk, hold: Holder, expected: set[tuple[str, str]]
) -> None:
    disk.mount()
    assert holders(disk) == ()

    living = hold(disk)

    found = holders(disk)
    kinds = {(holder.kind, holder.detail.rpartition(" of ")[2]) for holder in found}
    assert kinds == {(kind, detail.format(at=disk.mount_point, place=disk.place)) for kind, detail in expected}
    assert not any(holder.ours for holder in found)
    if living is None:
        assert {(holder.pid, holder.command) for holder in found} == {(0, "kernel")}
    else:
        assert {(holder.pid, holder.started) for holder in found} == {(living.pid, living.started)}
        assert {holder.user for holder in found} == {"root"}
    if hold not in {swapping, serving}:  # these two are only told to us
        run(*disk.inside("umount", disk.mount_point))
        assert not device(disk).free


def test_the_shell_that_it_was_typed_in_is_marked_as_ours(disk: Disk) -> None:
    disk.mount()
    fact = Holders(disk.mount_point, disk.number)
    from_shell = run(
        *disk.inside("sh", "-c", 'cd "$1"; perl - "$1" "$2"; :', "sh", fact.mount_point, fact.device_number),
        text_in=source("holders.pl"),
    )

    assert [(holder.kind, holder.ours) for holder in fact.parse(from_shell)] == [("cwd", True)]


def test_copies_that_go_with_our_mounts_are_no_holders(disk: Disk) -> None:
    disk.do("mount", "--make-rshared", "/")
    service = disk.keep(*disk.inside("unshare", "-m", "--propagation", "slave", "sh", "-c", "echo ready; exec cat"))
    disk.mount()
    mounts = Mounts().parse(disk.script("mounts.pl"))
    assert len([mount for mount in mounts if mount.device == disk.number]) == 2
    assert holders(disk) == ()

    mounted_upon(disk)
    assert [(found.pid, found.detail) for found in holders(disk)] == [(0, f"{disk.mount_point}/sub")]

    inside = ("nsenter", "-t", str(service.pid), "-m", "--", "mount", "-t", "tmpfs", "none")
    assert run(*inside, f"{disk.mount_point}/lost+found").status == 0
    only_there = f"{disk.mount_point}/lost+found in another mount namespace"
    assert {(found.pid, found.detail) for found in holders(disk)} == (
        {(0, f"{disk.mount_point}/sub"), (service.pid, only_there)}
    )
    disk.do("umount", f"{disk.mount_point}/sub")
    disk.do("umount", disk.mount_point)
    assert not device(disk).free  # the service's copy stays, with what is mounted upon it
    assert {found.pid for found in holders(disk)} == {service.pid}


ON_AN_AUTOMOUNTER = """
import ctypes, sys
mount = ctypes.CDLL(None, use_errno=True).mount
device, at = (word.encode() for word in sys.argv[1:])
with open("/dev/fuse", "r+b", buffering=0) as link:
    options = f"fd={link.fileno()},rootmode=40000,user_id=0,group_id=0".encode()
    assert mount(b"automounter", at, b"fuse", 0, options) == 0, ctypes.get_errno()
    assert mount(device, at, b"ext4", 0, None) == 0, ctypes.get_errno()
"""


@pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="needs /dev/fuse")
def test_holders_are_found_where_an_automounter_lies_below(disk: Disk) -> None:
    disk.do(sys.executable, "-c", ON_AN_AUTOMOUNTER, disk.device, disk.mount_point)
    holder = in_directory(disk)
    assert [(found.kind, found.pid) for found in holders(disk)] == [("cwd", holder.pid)]


def test_a_wrong_mount_point_lists_nothing_of_the_root_file_system(disk: Disk) -> None:
    assert holders(disk) == ()
    root = mount_at(Mounts().parse(disk.script("mounts.pl")), "/")
    assert root is not None
    fact = Holders(disk.mount_point, root.device)
    with pytest.raises(Unreadable, match="is the root file system, which everything holds"):
        fact.parse(disk.script("holders.pl", fact.mount_point, fact.device_number))


def test_a_lazy_unmount_is_seen_through(disk: Disk) -> None:
    disk.mount()
    holder = in_directory(disk)
    assert run(*disk.inside("umount", disk.mount_point)).status == 32  # target is busy

    disk.do("umount", "--lazy", disk.mount_point)

    assert mount_at(Mounts().parse(disk.script("mounts.pl")), disk.mount_point) is None
    left = device(disk)
    assert (left.exclusive, bool(left.superblock), left.free) == ("busy", True, False)
    assert [(found.kind, found.pid) for found in holders(disk)] == [("cwd", holder.pid)]


def test_a_device_is_alive_and_busy_while_mounted_and_free_before_and_after(disk: Disk) -> None:
    name = disk.device.removeprefix("/dev/")
    free = Device(present=True, kernel_name=name, number=disk.number, superblock="", exclusive="free")
    assert device(disk) == free
    assert free.free

    disk.mount()
    mounted = device(disk)
    assert (mounted.superblock, mounted.exclusive, mounted.free) == (f"/sys/fs/ext4/{name}", "busy", False)

    disk.do("umount", disk.mount_point)
    assert device(disk) == free


def test_mounts_are_read_with_their_spaces_their_stacking_and_their_namespace(disk: Disk) -> None:
    disk.mount()
    disk.do("mkdir", f"{disk.mount_point}/a b\\c")
    disk.do("mount", "-t", "tmpfs", "-o", "ro", "lower", f"{disk.mount_point}/a b\\c")
    disk.do("mount", "-t", "tmpfs", "upper", f"{disk.mount_point}/a b\\c")

    mounts = Mounts().parse(disk.script("mounts.pl"))

    ours = mount_at(mounts, disk.mount_point)
    assert ours is not None
    assert (ours.source, ours.type, ours.device, ours.root, ours.own, ours.read_only) == (
        (disk.device, "ext4", disk.number, "/", True, False)
    )
    assert [(mount.source, mount.read_only) for mount in below(mounts, disk.mount_point)] == (
        [("lower", True), ("upper", False)]
    )
    top = mount_at(mounts, f"{disk.mount_point}/a b\\c")
    assert top is not None
    assert top.source == "upper"
    from_outside = Mounts().parse(run("perl", "-", text_in=source("mounts.pl")))
    seen = next(mount for mount in from_outside if mount.device == disk.number and mount.type == "ext4")
    assert (seen.own, seen.pid) == (False, disk.keeper.pid)
    assert mount_at(from_outside, disk.mount_point) is None


def test_another_look_is_not_taken_for_a_holder(disk: Disk) -> None:
    """Each look opens the device exclusively for a moment; steps that run side by side look at the same time."""
    exclusively = "use Fcntl; use Time::HiRes 'ualarm'; sysopen $f, shift, O_RDONLY | O_EXCL or die"
    disk.holder(f"{exclusively}; $SIG{{ALRM}} = sub {{ close $f }}; ualarm 150_000", disk.device)
    assert device(disk).exclusive == "free"
    disk.holder(exclusively, disk.device)
    assert device(disk).exclusive == "busy"
