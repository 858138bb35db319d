"""Processes and the clock: who runs, and what a signal does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hamn_flow.facts.platform import Signal
from hamn_flow.facts.services import Clock, Process, Processes, Units
from hamn_flow.model.command import Command
from tests.conformance.row import MN2, Row, Saying, Scene, There, asks, does
from tests.conformance.vocabulary import held, holders, mounted, prepared, runs, soon, start, stop, the_unit

POINT = "/install"
FREE: dict[str, Any] = {"scene": Scene.RELEASED, "node": MN2}
SOMEBODY = (mounted(POINT), held("cwd", POINT))
STUBBORN = (mounted(POINT), held("stubborn", POINT))
NOBODY = 999_999_999  # a pid that no process has


def to_holder(signal: Signal, *, later: int = 0) -> Saying:
    """A signal to the one who holds the file system, or to one that started so many clock ticks later."""

    def command(there: There) -> Command:
        (found,) = there.get(holders(there, POINT))
        return there.platform.signal(found.pid, found.started + later, signal)

    return command


def to_main(unit: str, signal: Signal) -> Saying:
    def command(there: There) -> Command:
        pid = there.get(Units((unit,)))[unit].main_pid
        (found,) = (each for each in there.get(Processes()) if each.pid == pid)
        return there.platform.signal(found.pid, found.started, signal)

    return command


def to(pid: int) -> Saying:
    return lambda there: there.platform.signal(pid, 1, "KILL")


def is_held(there: There) -> object:
    return bool(there.get(holders(there, POINT)))


def the_first(title: str) -> Callable[[tuple[Process, ...]], object]:
    """User and unit of the first process whose title begins so."""
    return lambda found: next(((each.user, each.unit) for each in found if each.title.startswith(title)), None)


TITLES = {
    "xcatd: SSL listener": ("root", "xcatd.service"),
    "xcatd: DB Access": ("root", "xcatd.service"),
    "xcatd: UDP listener": ("root", "xcatd.service"),
    "xcatd: Discovery worker": ("root", "xcatd.service"),
    "xcatd: install monitor": ("root", "xcatd.service"),
    "xcatd: Command log writer": ("root", "xcatd.service"),
    "in.tftpd": ("root", "xcatd.service"),
    "postgres: 15/main: checkpointer": ("postgres", "postgresql@15-main.service"),
    "named": ("bind", "named.service"),
}

ROWS: tuple[Row, ...] = (
    asks(
        "who runs where the role is",
        Processes(),
        read=lambda found: {title: the_first(title)(found) for title in TITLES},
        means=TITLES,
    ),
    asks(
        "who runs on the standby",
        Processes(),
        read=lambda found: ({title: the_first(title)(found) for title in TITLES}, found[0].pid, found[0].title),
        means=(dict.fromkeys(TITLES), 1, "systemd"),
        node=MN2,
    ),
    does(
        "a process is asked to end",
        to_holder("TERM"),
        **FREE,
        given=SOMEBODY,
        output="sent\n",
        sees=(soon(is_held, expected=False),),
    ),
    does(
        "a process is asked to end that does not listen",
        to_holder("TERM"),
        **FREE,
        given=STUBBORN,
        output="sent\n",
        sees=((is_held, True),),
    ),
    does(
        "a process is ended",
        to_holder("KILL"),
        **FREE,
        given=STUBBORN,
        output="sent\n",
        sees=(soon(is_held, expected=False),),
    ),
    does(
        "a process is signalled that is another one now",
        to_holder("KILL", later=1),
        **FREE,
        given=SOMEBODY,
        output="gone\n",
        sees=((is_held, True),),
    ),
    does("a process is signalled that is gone", to(NOBODY), output="gone\n"),
    does("the first process is never signalled", to(1), status=None, errors="process 1 is never signalled\n"),
    does(
        "a daemon that is asked to end has ended well",
        to_main("named", "TERM"),
        node=MN2,
        given=(prepared(start("named"), stop("named")),),
        output="sent\n",
        sees=(soon(the_unit("named"), ("loaded", "inactive")), (runs("named"), False)),
    ),
    does(
        "xcatd is started again where it was killed",
        to_main("xcatd", "KILL"),
        output="sent\n",
        sees=(soon(the_unit("xcatd"), ("loaded", "active")), (runs("xcatd: SSL listener"), True)),
    ),
    asks("the clock", Clock(), read=lambda seconds: abs(seconds - time.time()) < 60, means=True, output="….…\n"),
)
