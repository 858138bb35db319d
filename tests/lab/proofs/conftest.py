"""The pair of the session's lab, brought to a known state before each proof: one active host, no run open."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from hamn_flow.lab import control
from hamn_flow.lab.network import BRIDGE
from hamn_flow.lab.place import Lab
from tests.lab.proofs import hostlog
from tests.lab.proofs.driving import Begin
from tests.lab.proofs.pair import Pair


@pytest.fixture
def pair(lab: Lab) -> Pair:
    """The lab's pair, one of whose hosts is active."""
    pair = Pair(lab=lab)
    pair.recover()
    hostlog.install(lab)
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


@pytest.fixture
def brisk(lab: Lab) -> Iterator[None]:
    """The controlling side believes less long that a silent host is there, and so finds sooner that it is away.

    A hardware address that answered is believed for half a minute, then after five seconds it is asked for three times,
    a second apart, before a connection ends with "No route to host" (arp(7)).
    """
    settings = {"base_reachable_time_ms": 1000, "delay_first_probe_time": 1, "retrans_time_ms": 200}
    names = {f"net.ipv4.neigh.{BRIDGE}.{key}": value for key, value in settings.items()}
    before = sysctl(lab, "--values", *names).split()
    sysctl(lab, "--write", *(f"{name}={value}" for name, value in names.items()))
    yield
    sysctl(lab, "--write", *(f"{name}={value}" for name, value in zip(names, before, strict=True)))


def sysctl(lab: Lab, *words: str) -> str:
    """The kernel's settings on the controlling side."""
    ended = control.run(lab, ("sysctl", *words))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
