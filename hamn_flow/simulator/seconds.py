"""How long commands usually take on a real management node, in seconds."""

from __future__ import annotations

from hamn_flow.model.command import Result
from hamn_flow.simulator.database import NO_HANDLE

_USUAL: tuple[tuple[tuple[str, ...], float], ...] = (
    (("systemctl", "stop", "xcatd"), 1.0),
    (("systemctl", "start", "xcatd"), 3.5),
    (("systemctl", "start", "postgresql"), 2.3),
    (("systemctl",), 0.1),
    (("umount",), 0.02),
    (("mount",), 0.01),
    (("ip", "addr"), 0.01),
    (("arping", "-D"), 2.1),
    (("arping", "-0"), 2.1),
    (("arping", "-U"), 2.1),
    (("lsxcatd",), 0.2),
    (("tabdump",), 0.2),
    (("makedns",), 3.9),
    (("makedhcp", "-q"), 0.3),
    (("makedhcp",), 3.7),
    (("makeconservercf",), 0.3),
    (("dumpxCATdb",), 15.0),
)
_BETWEEN_TRIES = (1.0, 2.0, 4.0)


def usual(words: tuple[str, ...]) -> float:
    """The time of the first row whose words begin those of the command; the last word may itself only begin."""
    for beginning, seconds in _USUAL:
        *exact, last = beginning
        count = len(beginning)
        if list(words[: count - 1]) == exact and len(words) >= count and words[count - 1].startswith(last):
            return seconds
    return 0.01


def taken(words: tuple[str, ...], result: Result) -> float:
    """The usual time; and for each failure to connect to the database, what xCAT waits between its tries."""
    return usual(words) + result.error_text.count(NO_HANDLE) * sum(_BETWEEN_TRIES)
