"""The shared disk: one image behind two loop devices, as a disk between two adapters."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from hamn_flow.errors import StepFailed
from hamn_flow.lab.place import FILE_SYSTEMS, NODES, Lab, SharedFileSystem
from hamn_flow.lab.programs import run

_MARGIN = 2  # megabytes, for the partition tables at both ends
_LET_GO = 20.0  # seconds that the kernel may take to give a loop device back


def make(lab: Lab) -> None:
    """Lay out the image and make its file systems; it takes only the room that is written to."""
    lab.image.touch(mode=0o600)
    os.truncate(lab.image, (sum(each.megabytes for each in FILE_SYSTEMS) + 2 * _MARGIN) << 20)
    lines = "".join(f'size={each.megabytes}MiB, name="{each.label}"\n' for each in FILE_SYSTEMS)
    run("sfdisk", "--quiet", lab.image, text_in=f"label: gpt\n{lines}")
    attach(lab)
    for each in FILE_SYSTEMS:
        small = ("-J", "size=4", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")
        names = ("-L", each.label, "-U", each.uuid(lab))
        run("mkfs.ext4", "-q", *small, *names, partition(lab, NODES[0], each))


def attach(lab: Lab) -> None:
    """Put the image behind a loop device for each host; the kernel's name is written into the host's folder."""
    for node in NODES:
        loop = run("losetup", "--find", "--show", lab.image).strip()
        (lab.folder(node) / "loop").write_text(f"{Path(loop).name}\n")
        run("partx", "--update", loop)


def loop(lab: Lab, node: str) -> str:
    """The kernel's name of a host's loop device: `loop0`."""
    return (lab.folder(node) / "loop").read_text().strip()


def partition(lab: Lab, node: str, file_system: SharedFileSystem) -> Path:
    """A host's device node of a shared file system; it has the same name inside the host."""
    return Path("/dev") / f"{loop(lab, node)}p{file_system.number}"


def loops(lab: Lab) -> list[str]:
    """All loop devices that the image is behind, whether or not they were recorded: `/dev/loop0`."""
    listed = json.loads(run("losetup", "--json", "--list", "--output", "NAME,BACK-FILE") or "{}")
    ours = {str(lab.image), f"{lab.image} (deleted)"}
    return sorted(str(each["name"]) for each in listed.get("loopdevices", []) if each["back-file"] in ours)


def detach(lab: Lab, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
    """Take the image from its loop devices; StepFailed if something keeps one.

    A kernel that still unmounts for a host that was just ended is waited for.
    """
    end = clock() + _LET_GO
    while held := loops(lab):
        for each in held:
            run("partx", "--delete", each, anyway=True)
            run("losetup", "--detach", each, anyway=True)
        if clock() > end:
            raise StepFailed(f"{', '.join(held)} is still in use", hint=f"See who uses it: lsblk {held[0]}")
        sleep(0.05)
