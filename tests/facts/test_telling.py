"""What is told of a unit's last lines, whenever they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamn_flow.facts.services import LastLines, telling
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.model.command import NodeName

# Debian's named: a start that went well, a stop, and two of the starts that systemd made of it with a mistake in its
# configuration, until it gave up.
RECORDED = (Path(__file__).parent / "recorded" / "named.txt").read_text().splitlines()
WRONG = "/etc/bind/named.conf.options:9: unknown option 'no-such-clause-fault-1'"
READ = int(LastLines("named").command(SystemdLinux(node=NodeName("mn1"))).argv[4])


def test_what_is_wrong_is_told_at_every_moment_after_it_was_said() -> None:
    """Also while systemd is just starting it again, and the daemon has not come to what is wrong."""
    said_at = RECORDED.index(WRONG) + 1
    moments = range(said_at, len(RECORDED) + 1)
    assert len([line for line in RECORDED if line == WRONG]) == 2
    for moment in moments:
        assert WRONG in telling("\n".join(RECORDED[:moment][-READ:])), RECORDED[moment - 1]


STARTED, WELL = "Started xcatd.service - xCAT.", "xcatd.service: Deactivated successfully."
EXITED = "xcatd.service: Main process exited, code=exited, status=1/FAILURE"
AGAIN = ["xcatd.service: Scheduled restart job, restart counter is at 1.", "Stopped xcatd.service - xCAT."]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], ()),
        ([STARTED, EXITED], (EXITED,)),
        ([STARTED, EXITED, *AGAIN, STARTED], (EXITED,)),
        ([STARTED, "xcatd: port 3001: already in use", EXITED], ("xcatd: port 3001: already in use",)),
        ([STARTED, "cannot bind", EXITED, *AGAIN, STARTED, EXITED], ("cannot bind",)),
        ([STARTED, "cannot bind", EXITED, STARTED, WELL, STARTED, EXITED], (EXITED,)),  # that was mended
        ([STARTED, WELL], (WELL,)),  # a daemon ought not to end by itself
        ([STARTED, WELL, STARTED], (STARTED,)),
        ([STARTED, "fatal: a", "fatal: a", "error b"], ("fatal: a", "error b")),
        ([STARTED, *(f"error {number}" for number in range(9))], tuple(f"error {number}" for number in range(4))),
    ],
)
def test_the_telling_lines(lines: list[str], told: tuple[str, ...]) -> None:
    assert telling("\n".join(lines)) == told
