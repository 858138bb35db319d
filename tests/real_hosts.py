"""Real hosts for tests: one lab for all tests of a worker, and others for those who break one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from hamn_flow.errors import Refused
from hamn_flow.lab import requirements
from hamn_flow.lab.down import down
from hamn_flow.lab.place import Lab
from hamn_flow.lab.up import Options, up

_NUMBERS = count()


@pytest.fixture(scope="session")
def able() -> None:
    """Skips where the machine has not what a lab needs; fails there if HAMN_FLOW_REQUIRE_LAB is set."""
    try:
        for dhcp in ("isc", "kea"):
            requirements.check(Path("/"), dhcp=dhcp, stand_ins=True)
    except Refused as error:
        if os.environ.get("HAMN_FLOW_REQUIRE_LAB"):
            pytest.fail(error.sentence)
        pytest.skip(error.sentence)


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


@pytest.fixture
def another(able: None, tmp_path: Path) -> Iterator[Lab]:
    """A lab that is not up, to be set up in the test; it is taken down afterwards."""
    del able
    made = named(tmp_path)
    yield made
    down(made, print)


def named(directory: Path) -> Lab:
    """A lab whose name nobody else on this machine uses at the same time."""
    return Lab(name=f"t{os.getpid() % 0x100000:x}{next(_NUMBERS) % 0x100:x}", directory=directory)
