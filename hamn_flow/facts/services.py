"""Daemons: their units and processes, and the clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hamn_flow.facts.platform import Platform
from hamn_flow.facts.scripts import rows
from hamn_flow.facts.unreadable import succeeded, unreadable
from hamn_flow.model.command import Command, Result

_PROPERTIES = "Id,Names,LoadState,ActiveState,SubState,Type,UnitFileState,FragmentPath,MainPID,Job"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit as systemd sees it; it may not see a daemon that was started past it (xcat-core #2742)."""

    id: str  # the unit that a name stands for
    load_state: str
    active_state: str
    sub_state: str
    type: str
    unit_file_state: str
    fragment_path: str
    main_pid: int
    due: bool = False  # systemd has been asked to start or stop it, and is not done with that

    @property
    def loaded(self) -> bool:
        """Whether it can be started now; a held unit cannot."""
        return self.load_state == "loaded"

    @property
    def held(self) -> bool:
        """Whether it is masked, for good or until the next boot.

        By what systemd has loaded: a mask in /run is no use against a unit file in /etc.
        """
        return self.load_state == "masked"

    @property
    def present(self) -> bool:
        """Whether there is such a unit at all, held or not."""
        return self.loaded or self.held

    @property
    def active(self) -> bool:
        """Whether it runs; one that is just starting or stopping is neither."""
        return self.active_state in {"active", "reloading"}

    @property
    def stopped(self) -> bool:
        """Whether it does not run and is not on its way up or down."""
        return self.active_state in {"inactive", "failed"}


@dataclass(frozen=True)
class Units:
    """Units by the names they were asked for; one that does not exist is an answer too (`not-found`)."""

    names: tuple[str, ...]

    def command(self, platform: Platform) -> Command:
        """One look for all; `systemctl is-active` would tell less."""
        return platform.run("systemctl", "show", f"--property={_PROPERTIES}", "--", *self.names)

    def parse(self, result: Result) -> dict[str, Unit]:
        """Exactly the names that were asked for."""
        text = succeeded("the units", result)
        blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n")]
        by_name: dict[str, Unit] = {}
        for block in blocks:
            if "Id" in block and "LoadState" in block and "ActiveState" in block:
                unit = _unit(block)
                by_name |= dict.fromkeys((*block.get("Names", "").split(), unit.id), unit)
        try:
            return {name: by_name[_with_suffix(name)] for name in self.names}
        except KeyError as error:
            raise unreadable("the units", result, why=f"systemd said nothing about {error.args[0]}") from error


def _unit(block: dict[str, str]) -> Unit:
    pid = block.get("MainPID", "")
    return Unit(
        id=block["Id"],
        load_state=block["LoadState"],
        active_state=block["ActiveState"],
        sub_state=block.get("SubState", ""),
        type=block.get("Type", ""),
        unit_file_state=block.get("UnitFileState", ""),
        fragment_path=block.get("FragmentPath", ""),
        main_pid=int(pid) if pid.isdecimal() else 0,
        due=block.get("Job", "") not in {"", "0"},
    )


_SUFFIXES = ("service", "socket", "mount", "automount", "target", "timer", "path", "slice", "scope", "swap", "device")


def _with_suffix(name: str) -> str:
    return name if name.rpartition(".")[2] in _SUFFIXES and "." in name else f"{name}.service"


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process; pid and `started` (clock ticks since boot) together are its identity."""

    pid: int
    started: int
    user: str
    unit: str  # the systemd unit that it belongs to, empty if none
    title: str  # a title it gave itself, or its name; never its arguments


@dataclass(frozen=True)
class Processes:
    """All processes but kernel threads and zombies, without their arguments, which may hold passwords."""

    def command(self, platform: Platform) -> Command:
        """Look at /proc; an incomplete answer is none."""
        return platform.script("processes.pl")

    def parse(self, result: Result) -> tuple[Process, ...]:
        """By pid."""
        found = []
        for fields in rows(succeeded("the processes", result)):
            if len(fields) != 5 or not (fields[0].isdecimal() and fields[1].isdecimal()):
                raise unreadable("the processes", result, why="a line has not five fields")
            pid, started, user, unit, title = fields
            found.append(Process(pid=int(pid), started=int(started), user=user, unit=unit, title=title))
        if not found:
            raise unreadable("the processes", result, why="there are none")
        return tuple(found)


def titled(processes: Iterable[Process], beginnings: Iterable[str]) -> tuple[Process, ...]:
    """The processes whose title begins with one of these."""
    starts = tuple(beginnings)
    return tuple(process for process in processes if process.title.startswith(starts)) if starts else ()


# systemd's own lines among those of a unit, and words by which a daemon says what is wrong.
_BY_SYSTEMD = re.compile(r"(Start|Stopp|Reload)(ing|ed) |Failed to (start|stop|reload) |\S+\.(service|socket): ")
_BEGINS = re.compile(r"Start(ing|ed) ")
_ENDED_WELL = ": Deactivated successfully"
_TROUBLE = re.compile(
    r"\b(error|fatal|panic|fail\w*|could not|cannot|can't|unable|unknown|invalid|must|denied|refused|already)\b",
    re.IGNORECASE,
)
_TOLD_AT_MOST = 4


def starts(text: str) -> list[list[str]]:
    """A unit's last lines by the starts that they belong to, since it last ran and ended well."""
    found: list[list[str]] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        if _BEGINS.match(line):
            if any(_ENDED_WELL in earlier for earlier in found[-1]):
                found.clear()
            found.append([])
        found[-1].append(line)
    return found


def telling(text: str) -> tuple[str, ...]:
    """The few of a unit's last lines that tell why it does not run.

    What the daemon itself said is wrong when it was last started, else what systemd saw of its end. Where systemd is
    just starting it once more, the last start has nothing to tell yet, and the one before it does.
    """
    newest_first = starts(text)[::-1]
    for lines in newest_first:
        own = [line for line in lines if not _BY_SYSTEMD.match(line)]
        if found := [line for line in own if _TROUBLE.search(line)]:
            return tuple(dict.fromkeys(found))[:_TOLD_AT_MOST]
    for lines in newest_first:
        if seen := [line for line in lines if _BY_SYSTEMD.match(line) and ": " in line]:
            return (seen[0],)
    return tuple(newest_first[0][-1:])


@dataclass(frozen=True)
class LastLines:
    """What a unit said last: for a person to read, never to conclude from."""

    unit: str

    def command(self, platform: Platform) -> Command:
        """Lines of systemd's journal: two whole starts of a daemon as talkative as named, which says fifty at each."""
        return platform.run("journalctl", "-u", self.unit, "-n", "100", "-o", "cat", "--no-pager")

    def parse(self, result: Result) -> str:
        """The lines, or what journalctl said instead; never Unreadable."""
        return result.text.strip() or result.error_text.strip()


@dataclass(frozen=True)
class Clock:
    """The node's clock, in seconds since 1970 (trap T55)."""

    def command(self, platform: Platform) -> Command:
        """Ask once; the answer is as old as the way it took."""
        return platform.run("date", "+%s.%N")

    def parse(self, result: Result) -> float:
        """Seconds."""
        try:
            return float(succeeded("the clock", result).strip())
        except ValueError as error:
            raise unreadable("the clock", result, why="date printed no number") from error
