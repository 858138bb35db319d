"""Programs that end with the test, and a disk that may be mounted where nobody else sees it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.facts.machine import Disk, Living, live, run


@pytest.fixture
def start() -> Iterator[Callable[..., Living]]:
    """Start programs that end with the test."""
    with ExitStack() as stack:

        def begin(*argv: str) -> Living:
            living = live(*argv)
            stack.callback(living.let_go)
            return living

        yield begin


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Skipped where this machine does not let us have one: root, loop devices and mount namespaces are needed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    needed = ("losetup", "mkfs.ext4", "unshare", "nsenter")
    if lacking := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    if run("unshare", "-m", "true").status != 0:
        pytest.skip("mount namespaces are not allowed here")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    looped = run("losetup", "-f", "--show", str(image))
    if looped.status != 0:
        pytest.skip(f"no loop devices: {looped.error_text.strip()}")
    device = looped.text.strip()
    (tmp_path / "install").mkdir()
    with ExitStack() as stack:
        stack.callback(run, "losetup", "-d", device)
        made = run("mkfs.ext4", "-q", device)
        assert made.status == 0, made.error_text
        keeper = live("unshare", "-m", "--propagation", "private", "sh", "-c", "echo ready; exec cat")
        stack.callback(keeper.let_go)
        disk = Disk(device=device, place=tmp_path, keeper=keeper)
        stack.push(disk.stack)
        yield disk
