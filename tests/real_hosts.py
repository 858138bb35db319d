"""Real hosts for tests: one lab for all tests of a worker, and others for those who break one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

from hamn_flow.errors import Refused
from hamn_flow.lab import groups, requirements
from hamn_flow.lab.down import down
from hamn_flow.lab.place import Lab
from hamn_flow.lab.up import Options, up

_NUMBERS = count()


@pytest.fixture(scope="session")
def able() -> None:
    """The machine has what a lab needs."""
    try:
        for dhcp in ("isc", "kea"):
            requirements.check(Path("/"), dhcp=dhcp, stand_ins=True)
    except Refused as error:
        unable(error.sentence)


def unable(why: str) -> NoReturn:
    """Skip what the machine cannot do; fail if HAMN_FLOW_REQUIRE_LAB is set."""
    if os.environ.get("HAMN_FLOW_REQUIRE_LAB"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def lab(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that is up, mn1 active. Who moves the role moves it back."""
    del able
    made = named(tmp_path_factory.mktemp("labs"))
    try:
        up(made, Options(), print)
        yield made
    finally:
        down(made, print)
    assert traces(made) == []


@pytest.fixture
def another(able: None, tmp_path: Path) -> Iterator[Lab]:
    """A lab that is not up, to be set up in the test; it is taken down afterwards."""
    del able
    made = named(tmp_path)
    yield made
    down(made, print)
    assert traces(made) == []


def named(directory: Path) -> Lab:
    """A lab whose name nobody else on this machine uses at the same time."""
    return Lab(name=f"t{os.getpid() % 0x100000:x}{next(_NUMBERS) % 0x100:x}", directory=directory)


def traces(lab: Lab) -> list[str]:
    """All that a lab could have left on this machine."""
    place, names = str(lab.place), f"{lab.family}-"
    found = [f"namespace {line}" for line in _listed("ip", "netns", "list").splitlines() if names in line]
    found += [f"loop {line}" for line in _listed("losetup", "--list").splitlines() if place in line]
    found += [f"group {each}" for top in groups.hierarchies() for each in top.glob(f"{names}*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, mounts = (process / "cmdline").read_bytes(), (process / "mountinfo").read_text()
        except OSError:
            continue  # it has ended, or is a zombie
        if place.encode() in words and int(process.name) != os.getpid():
            found.append(f"process {process.name}")
        if place in mounts:
            found.append(f"mount of {process.name}")
    return found + [f"folder {lab.place}"] * lab.place.exists()


def _listed(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
