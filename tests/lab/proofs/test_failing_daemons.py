"""Daemons that are not there, do not start, do not answer or die at once: each halt says which, and in whose words."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamn_flow.errors import Refused, Unreachable
from tests.lab.proofs import served
from tests.lab.proofs.driving import commands
from tests.lab.proofs.halting import Failover, Met, Planted, changed_unit, running, struck
from tests.lab.proofs.pair import Pair
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_REFUSED, _UNREAD = Refused.exit_status, Unreachable.exit_status
_NEEDED = ("xcatd", "named", "postgresql@15-main")
_FAILED = "status=1/FAILURE"  # as systemd says it of a daemon that said nothing itself
_PORT = 3001
# Somebody else's server: it hangs up on whoever calls.
_HANGS_UP = (
    f'my $own = IO::Socket::INET->new(LocalPort => {_PORT}, Listen => 5, ReuseAddr => 1) or die "{_PORT}: $!"; '
    "while (1) { close($own->accept) }"
)


def test_a_unit_that_the_standby_does_not_have_is_found_before_anything_is_touched(pair: Pair, tmp_path: Path) -> None:
    failover = Failover.of(pair, tmp_path)
    before = [served.standing_of(pair, node) for node in (failover.here, failover.there)]
    for unit in _NEEDED:
        missing = Planted(side="there", kind="missing", what=(unit,))
        with struck(pair.lab, failover.there, missing):
            ended = pair.flow(*failover.policy, "start", "planned-failover", "--yes")
        assert ended.returncode == _REFUSED, ended.stdout + ended.stderr
        assert f"{failover.there} has no unit for " in ended.stderr
        assert unit in ended.stderr
        assert "HINT: Install it there" in ended.stderr
        assert commands(pair.last_run()) == []
    assert [served.standing_of(pair, node) for node in (failover.here, failover.there)] == before
    pair.assert_active(failover.here)


def test_each_daemon_that_does_not_run_is_named_with_what_it_says(pair: Pair, tmp_path: Path) -> None:
    """At last nobody can mend what is wrong there, and the role goes back."""
    failover = Failover.of(pair, tmp_path)
    here, there = failover.here, failover.there
    with watched(pair.lab) as standing:
        failover.meets_all("start", _NEED_THE_NODE)
        failover.meets_all("resume", _XCATD)
        pair.inside(there, "systemctl", "stop", "xcatd")  # which systemd would start again by itself
        with running(pair, there, "stranger", "perl", "-MIO::Socket::INET", "-e", _HANGS_UP):
            failover.halts("resume", "xcatd: ", "Unable to perform socket takeover", "journalctl -u xcatd on {there}")
        failover.meets("resume", _SILENT)
        with changed_unit(pair, there, "conserver", "ExecStart=", "ExecStart=/bin/true"):
            failover.halts("resume", "conserver: its unit conserver is inactive", "journalctl -u conserver on {there}")
            reason = pair.last_run()["halt"]["reason"]
            assert reason in " ".join(pair.succeed("status").split())
        failover.ends("rollback")
    pair.assert_active(here)
    assert all(pair.running(here, unit) for unit in served.UNITS)
    standing.assert_moved(here, there, here)


_NEED_THE_NODE = (
    Met(
        faults=(
            Planted(side="there", kind="broken-zones"),
            Planted(side="there", kind="fails", what=("nfs-server",)),
        ),
        says=(
            *("named: ", "unknown option 'no-such-clause", "journalctl -u named on {there}"),
            *("nfs: ", _FAILED, "journalctl -u nfs-server on {there}"),
        ),
    ),
)
_XCATD = (
    Met(
        faults=(Planted(side="there", kind="missing", what=("xcatd",)),),  # it was there when all was checked
        says=("xcatd: its unit xcatd is inactive", "Unit xcatd.service not found", "{there}"),
    ),
    Met(
        faults=(Planted(side="there", kind="fails", what=("xcatd",)),),
        says=("xcatd: its unit xcatd is ", _FAILED, "journalctl -u xcatd on {there}"),
    ),
)
_SILENT = Met(
    faults=(Planted(side="there", kind="lies", what=("lsxcatd",)),),
    says=("start.xcatd", "xcatd could not be read: lsxcatd named no version"),
    status=_UNREAD,
)
