"""The standing probes see what they are there for: each is shown what must never be, once, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from hamn_flow.lab import disk
from hamn_flow.lab.network import INTERFACE
from hamn_flow.lab.place import NODES, PREFIX, VIRTUAL_IP, labelled
from tests.lab.proofs.pair import SHARED, XCATD_PORT, Pair, listens
from tests.lab.proofs.standing import Part, Seen, Standing, watched
from tests.waiting import until

pytestmark = pytest.mark.lab

Planted = Callable[[Pair, str], AbstractContextManager[None]]
_TFTP = labelled("tftpboot")
_TWO_SUPERBLOCKS = f"a superblock of {_TFTP.mount_point} on both"


@contextmanager
def two_addresses(pair: Pair, node: str) -> Iterator[None]:
    """A second host has the virtual IP."""
    address = (f"{VIRTUAL_IP}/{PREFIX}", "dev", INTERFACE)
    pair.inside(node, "ip", "addr", "add", *address)
    try:
        yield
    finally:
        pair.inside(node, "ip", "addr", "del", *address)


@contextmanager
def two_mounts(pair: Pair, node: str, place: str = _TFTP.mount_point) -> Iterator[None]:
    """A second host reads a shared file system; nothing is written to it, not even its journal."""
    device = str(disk.partition(pair.lab, node, _TFTP))
    pair.inside(node, "mount", "-t", "ext4", "-o", "ro,noload", device, place)
    try:
        yield
    finally:
        pair.inside(node, "umount", place)


def two_mounts_elsewhere(pair: Pair, node: str) -> AbstractContextManager[None]:
    """The same, where nobody looks for it."""
    return two_mounts(pair, node, "/mnt")


@contextmanager
def two_daemons(pair: Pair, node: str) -> Iterator[None]:
    """Something on a second host listens where xcatd does."""
    unit = "second-xcatd"
    given = f"LocalPort => {XCATD_PORT}, Listen => 1, ReuseAddr => 1"
    program = f"my $socket = IO::Socket::INET->new({given}) or die; sleep 60"
    pair.inside(node, "systemd-run", f"--unit={unit}", "perl", "-MIO::Socket::INET", "-e", program)
    try:
        until(lambda: listens(pair.lab, node, XCATD_PORT))
        yield
    finally:
        pair.inside(node, "systemctl", "stop", unit)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (two_addresses, {"the virtual IP on both"}),
        (two_mounts, {f"{_TFTP.mount_point} on both", _TWO_SUPERBLOCKS}),
        (two_mounts_elsewhere, {_TWO_SUPERBLOCKS}),
        (two_daemons, {"xcatd on both"}),
    ],
)
def test_what_must_never_be_is_seen_and_nothing_else(pair: Pair, wrong: Planted, said: set[str]) -> None:
    (active,) = pair.active()
    (standby,) = set(NODES) - {active}
    with watched(pair.lab) as before:
        until(lambda: len(before.looks) > 40)
    before.assert_moved(active)
    before.assert_taken_once(active)
    with watched(pair.lab) as standing, wrong(pair, standby):
        seen = len(standing.looks)
        until(lambda: len(standing.looks) > seen + 40)
    with pytest.raises(AssertionError, match="on both"):
        standing.assert_never_two()
    assert {one for look in standing.looks for one in look.violations} == said
    assert set(standing.answered) == ({active, standby} if wrong is two_addresses else {active})


def test_a_role_that_comes_twice_and_a_part_that_is_taken_twice_are_seen() -> None:
    mn1, mn2 = NODES
    holds, lacks = on(mn1, SHARED), on(mn1, SHARED - {"/install"})
    nobody, over = on(mn1, frozenset()), on(mn2, SHARED)

    Standing(looks=[holds] * 9 + [lacks, nobody] * 9 + [over] * 9, answered=[mn1, mn2]).assert_moved(mn1, mn2)
    for looks, answered in (
        ([holds, lacks, holds, nobody, over], [mn1, mn2]),  # two outages
        ([holds, nobody, over], [mn1, mn2, mn1]),  # an answer out of turn
        ([holds, over], [mn1, mn2]),  # no outage
        ([holds, nobody], [mn1]),  # nobody takes it
    ):
        standing = Standing(looks=[look for look in looks for _ in range(9)], answered=answered)
        with pytest.raises(AssertionError):
            standing.assert_moved(mn1, mn2)
    with pytest.raises(AssertionError, match="/install"):
        Standing(looks=[holds, lacks, holds]).assert_taken_once(mn1)


def on(node: str, mounts: frozenset[str]) -> Seen:
    """A look at which one host had these file systems and, with all of them, the rest of the role."""
    part = Part(mounted=mounts, addressed=mounts == SHARED, serving=mounts == SHARED)
    return Seen(parts=tuple(part if each == node else Part() for each in NODES))
