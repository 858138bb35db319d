"""File systems: what is mounted, what is let go of, who holds it, and what mount(8) and umount(8) refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hamn_flow.facts.storage import (
    BlockDevice,
    BlockDevices,
    FsHolder,
    Holders,
    Marker,
    Mounts,
    mount_at,
)
from hamn_flow.model.pair import FileSystem
from tests.conformance.row import MN2, NotReadable, Reading, Row, Saying, Scene, There, asks, does
from tests.conformance.vocabulary import (
    held,
    holders,
    is_mounted,
    mount,
    mounted,
    named,
    the_device,
    the_mount,
    unmount,
)

POINT = "/install"
ABSENT = "/dev/disk/by-uuid/00000000-dead"
MARKER = Marker(cluster="standard", mount_point=POINT, source="UUID=5e1f0c6a")
MORE = "       dmesg(1) may have more information after failed mount system call.\n"
FREE: dict[str, Any] = {"scene": Scene.RELEASED, "node": MN2}


def otherwise(**changed: str) -> Saying:
    """Mount the file system with something said otherwise."""
    return lambda there: there.platform.mount(replace(there.file_system(POINT), **changed))


def the_holders(*, of: str = POINT) -> Reading:
    """Kind and detail, and whether it is the kernel; a loop device has a number."""

    def reading(there: There) -> object:
        return {
            (each.kind, each.detail.rpartition(" of ")[2], "kernel" if each.pid == 0 else "process")
            for each in there.get(holders(there, of))
        }

    return named(f"the_holders({of})", reading)


def of_the_root(there: There) -> Holders:
    root = mount_at(there.get(Mounts()), "/")
    assert root is not None
    return Holders(POINT, root.device)


def plainly(found: tuple[FsHolder, ...]) -> object:
    return [(each.kind, each.pid > 1, each.started > 0, each.user, each.detail, each.ours) for each in found]


MOUNTS = (
    asks(
        "every shared file system is mounted where the role is",
        Mounts(),
        read=lambda mounts: [
            (each.mount_point, each.type, each.root, each.read_only, each.own)
            for point in ("/etc/xcat", "/install", "/root/.xcat", "/var/lib/postgresql", "/tftpboot")
            if (each := mount_at(mounts, point))
        ],
        means=[
            (point, "ext4", "/", False, True)
            for point in ("/etc/xcat", "/install", "/root/.xcat", "/var/lib/postgresql", "/tftpboot")
        ],
        sees=((the_device(POINT), "held"),),
    ),
    asks(
        "the root file system is there, and nothing shared on the standby",
        Mounts(),
        read=lambda mounts: (mount_at(mounts, "/") is not None, mount_at(mounts, POINT)),
        means=(True, None),
        node=MN2,
    ),
    does(
        "a mount",
        mount(POINT),
        **FREE,
        sees=(
            (
                the_mount(POINT, lambda mount: (mount.type, mount.root, mount.read_only, mount.own)),
                ("ext4", "/", False, True),
            ),
            (the_device(POINT), "held"),
            (the_holders(), set()),
        ),
        undo=(unmount(POINT),),
    ),
    does(
        "the device that is mounted is the one that was named",
        mount(POINT),
        **FREE,
        sees=(
            (
                lambda there: (
                    (mounted := mount_at(there.get(Mounts()), POINT)) is not None
                    and mounted.device == there.get(BlockDevice(there.file_system(POINT).device)).number
                ),
                True,
            ),
        ),
        undo=(unmount(POINT),),
    ),
    does(
        "a mount for reading alone",
        otherwise(options="ro"),
        **FREE,
        sees=((the_mount(POINT, lambda mount: mount.read_only), True),),
        undo=(unmount(POINT),),
    ),
    does(
        "a mount of what is mounted there already",
        mount(POINT),
        **FREE,
        given=(mounted(POINT),),
        status=32,
        errors=f"mount: {POINT}: /dev/… already mounted on {POINT}.\n{MORE}",
        sees=((is_mounted(POINT), True),),
    ),
    does(
        "a mount of a device that is not there",
        lambda there: there.platform.mount(FileSystem(mount_point=POINT, source="UUID=00000000-dead")),
        **FREE,
        status=32,
        errors=f"mount: {POINT}: special device /dev/disk/by-uuid/00000000-dead does not exist.\n{MORE}",
        sees=((is_mounted(POINT), False),),
    ),
    does(
        "a mount at a point that is not there",
        otherwise(mount_point="/nosuch"),
        **FREE,
        status=32,
        errors=f"mount: /nosuch: mount point does not exist.\n{MORE}",
    ),
    does(
        "a mount as another type",
        otherwise(type="xfs"),
        **FREE,
        status=32,
        errors=f"mount: {POINT}: wrong fs type, bad option, bad superblock on /dev/…, "
        f"missing codepage or helper program, or other error.\n{MORE}",
        sees=((is_mounted(POINT), False), (the_device(POINT), "free")),
    ),
)

UNMOUNTS = (
    does(
        "an unmount",
        unmount(POINT),
        **FREE,
        given=(mounted(POINT),),
        sees=((is_mounted(POINT), False), (the_device(POINT), "free")),
    ),
    does(
        "an unmount of what is not mounted",
        unmount(POINT),
        **FREE,
        status=32,
        errors=f"umount: {POINT}: not mounted.\n",
    ),
    does(
        "an unmount of a path that is not there",
        unmount("/nosuch"),
        **FREE,
        status=32,
        errors="umount: /nosuch: no mount point specified.\n",
    ),
    does(
        "an unmount of a file",
        unmount("/etc/hosts"),
        **FREE,
        status=32,
        errors="umount: /etc/hosts: not mounted.\n",
    ),
    does(
        "an unmount while the role is in use",
        unmount("/tftpboot"),
        status=32,
        errors="umount: /tftpboot: target is busy.\n",
        sees=((is_mounted("/tftpboot"), True),),
    ),
)

BUSY = {
    "cwd": (POINT, "process"),
    "root": (POINT, "process"),
    "file": (f"{POINT}/held", "process"),
    "exe": (f"{POINT}/held", "process"),
    "map": (f"{POINT}/held", "process"),
    "mount": (f"{POINT}/held", "kernel"),
    "loop": (f"{POINT}/held", "kernel"),
}
NOT_HERE = {
    "swap": (f"{POINT}/held", "the whole machine would swap to it"),
    "nfsd": (f"{POINT} exported to *", "the hosts share a kernel that has no NFS server"),
}
LEFT_BEHIND = {"bind": ("/mnt", "kernel"), "namespace": (f"{POINT} in another mount namespace", "process")}

HELD = (
    *(
        does(
            f"an unmount of what is held by: {kind}",
            unmount(POINT),
            **FREE,
            given=(mounted(POINT), held(kind, POINT)),
            status=32,
            errors=f"umount: {POINT}: target is busy.\n",
            sees=((is_mounted(POINT), True), (the_holders(), {(kind, *said)})),
        )
        for kind, said in BUSY.items()
    ),
    *(
        does(
            f"an unmount of what is held by: {kind}",
            unmount(POINT),
            **FREE,
            given=(mounted(POINT), held(kind, POINT)),
            status=32,
            errors=f"umount: {POINT}: target is busy.\n",
            sees=((is_mounted(POINT), True), (the_holders(), {(kind, detail, "kernel")})),
            only_simulated=why,
        )
        for kind, (detail, why) in NOT_HERE.items()
    ),
    *(
        does(
            f"an unmount that leaves the disk in use by: {kind}",
            unmount(POINT),
            **FREE,
            given=(mounted(POINT), held(kind, POINT)),
            sees=(
                (is_mounted(POINT), False),
                (the_device(POINT), "held"),
                (the_holders(), {("mount", *said)}),
            ),
        )
        for kind, said in LEFT_BEHIND.items()
    ),
    asks(
        "a holder is known by its process",
        lambda there: holders(there, POINT),
        read=plainly,
        means=[("cwd", True, True, "root", POINT, False)],
        **FREE,
        given=(mounted(POINT), held("cwd", POINT)),
    ),
    asks(
        "nobody holds what has just been mounted",
        lambda there: holders(there, POINT),
        read=plainly,
        means=[],
        **FREE,
        given=(mounted(POINT),),
    ),
    asks(
        "everybody holds the root file system",
        of_the_root,
        read=plainly,
        means=NotReadable("is the root file system, which everything holds"),
        status=None,
        errors="… is the root file system, which everything holds\n",
    ),
)

DEVICES = (
    asks(
        "a device that nobody uses",
        lambda there: BlockDevice(there.file_system(POINT).device),
        read=lambda device: (device.present, device.superblock, device.exclusive, device.free),
        means=(True, "", "free", True),
        **FREE,
        output="device\t/dev/disk/by-uuid/…\nnode\t…\t…:…\nopen\tfree\n",
    ),
    asks(
        "a device that is mounted",
        lambda there: BlockDevice(there.file_system(POINT).device),
        read=lambda device: (device.superblock == f"/sys/fs/ext4/{device.kernel_name}", device.exclusive, device.free),
        means=(True, "busy", False),
        output="device\t/dev/disk/by-uuid/…\nnode\t…\t…:…\nalive\t/sys/fs/ext4/…\nopen\tbusy\n",
    ),
    asks(
        "a device that is not there",
        BlockDevice(ABSENT),
        read=lambda device: (device.present, device.free),
        means=(False, False),
        output="device\t/dev/disk/by-uuid/00000000-dead\nabsent\n",
    ),
    asks(
        "something else than a device",
        BlockDevice("/etc/hosts"),
        means=NotReadable("is not a block device"),
        status=None,
        output="device\t/etc/hosts\n",
        errors="/etc/hosts is not a block device\n",
    ),
    asks(
        "devices, one of them not there",
        lambda there: BlockDevices((there.file_system(POINT).device, ABSENT, there.file_system("/tftpboot").device)),
        read=lambda devices: [(path == ABSENT, device.present, device.free) for path, device in devices.items()],
        means=[(False, True, False), (True, False, False), (False, True, False)],
    ),
)

ROWS: tuple[Row, ...] = (*MOUNTS, *UNMOUNTS, *HELD, *DEVICES)
