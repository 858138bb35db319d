"""The pair of the session's lab, brought to a known state before each proof: one active host, no run open."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from hamn_flow.lab import control
from hamn_flow.lab.network import BRIDGE
from hamn_flow.lab.place import Lab
from tests.lab.proofs.driving import Begin
from tests.lab.proofs.pair import Pair


@pytest.fixture
def pair(lab: Lab) -> Pair:
    """The lab's pair, one of whose hosts is active."""
    pair = Pair(lab=lab)
    pair.recover()
    return pair


@pytest.fixture
def begin(pair: Pair) -> Iterator[Begin]:
    """hamn-flow on the controlling side, going on while the test does; killed if it outlives the test."""
    begun: list[subprocess.Popen[str]] = []

    def one_more(*words: str) -> subprocess.Popen[str]:
        begun.append(pair.begin(*words))
        return begun[-1]

    yield one_more
    for driver in begun:
        if driver.poll() is None:
            driver.kill()
            driver.communicate(timeout=30)


@pytest.fixture(scope="session")
def brisk(lab: Lab) -> None:
    """The controlling side asks less patiently for the hardware address of a host, and so finds sooner that it is away.

    The kernel asks three times, a second apart (arp(7): mcast_solicit, retrans_time_ms).
    """
    ended = control.run(lab, ("sysctl", "--write", f"net.ipv4.neigh.{BRIDGE}.retrans_time_ms=200"))
    assert ended.returncode == 0, ended.stderr
