"""The planned failover, there and back: what was written stays, what was served is served, and never two are active."""

from __future__ import annotations

import pytest

from hamn_flow.lab import host
from hamn_flow.lab.place import COMPUTE_NODE, HARDWARE_ADDRESS, NODES
from tests.lab.proofs import served
from tests.lab.proofs.pair import STARTED, Pair
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_NAME, _ADDRESS, _HARDWARE = "cn9", "10.97.0.29", "aa:bb:cc:dd:ee:09"
_BACKUP = "/var/backups/proof"


def test_there_and_back_nothing_is_lost(pair: Pair) -> None:
    here, there = pair.roles()
    served.sql(pair, here, "DROP TABLE IF EXISTS proof; CREATE TABLE proof (word text);")
    served.sql(pair, here, "INSERT INTO proof VALUES ('a');")
    exported = served.exports(pair, here)
    with watched(pair.lab) as standing:
        before = served.dump(pair, here, f"{_BACKUP}/1")
        pair.succeed("start", STARTED, f"to={there}", "--yes")
        pair.assert_active(there)
        assert served.dump(pair, there, f"{_BACKUP}/2") == before
        assert len(before) > 50
        assert served.exports(pair, there) == exported
        assert_served(pair, there, COMPUTE_NODE, HARDWARE_ADDRESS)

        served.sql(pair, there, "INSERT INTO proof VALUES ('b');")
        define(pair, there)
        before = served.dump(pair, there, f"{_BACKUP}/3")
        assert _HARDWARE in before["mac"]
        pair.succeed("start", STARTED, f"to={here}", "--yes")
        pair.assert_active(here)
        assert served.dump(pair, here, f"{_BACKUP}/4") == before
        assert served.exports(pair, here) == exported
    standing.assert_moved(here, there, here)
    standing.assert_taken_once(here, there, here)

    assert served.sql(pair, here, "SELECT word FROM proof ORDER BY word;") == ["a", "b"]
    assert_served(pair, here, COMPUTE_NODE, HARDWARE_ADDRESS)
    assert_served(pair, here, _NAME, _HARDWARE)

    served.sql(pair, here, "DROP TABLE proof;")
    forget(pair, here)


def assert_served(pair: Pair, node: str, name: str, hardware: str) -> None:
    """The one xcatd, the name server and the DHCP server of a host know a compute node."""
    (address,) = pair.inside(node, "getent", "ahostsv4", name).split()[:1]
    assert served.xcatds(pair) == [node]
    assert f"mac={hardware}" in pair.inside(node, "lsdef", name)
    assert served.named_answer(pair, name) == address
    assert hardware in pair.inside(node, "makedhcp", "-q", name)


def define(pair: Pair, node: str) -> None:
    """A new compute node; /etc/hosts, from which its names are made, is copied over as the pair's cron job would."""
    pair.inside(node, "mkdef", "-t", "node", _NAME, "groups=compute,all", "mgt=ipmi", "netboot=xnba")
    pair.inside(node, "chdef", "-t", "node", _NAME, f"ip={_ADDRESS}", f"mac={_HARDWARE}")
    pair.inside(node, "makehosts", _NAME)
    copy_hosts(pair, node)


def forget(pair: Pair, node: str) -> None:
    """The same undone."""
    pair.inside(node, "makedhcp", "-d", _NAME)
    pair.inside(node, "makehosts", "-d", _NAME)
    pair.inside(node, "rmdef", _NAME)
    pair.inside(node, "makeconservercf")
    copy_hosts(pair, node)


def copy_hosts(pair: Pair, node: str) -> None:
    """Give the other host this one's names."""
    (other,) = (each for each in NODES if each != node)
    host.write(pair.lab, other, "/etc/hosts", pair.inside(node, "cat", "/etc/hosts"))
