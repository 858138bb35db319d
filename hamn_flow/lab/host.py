"""A host: booted, waited for, entered, and powered off."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.lab import groups, network, programs
from hamn_flow.lab.place import Lab
from hamn_flow.lab.programs import failed

_WITHHELD = "-sys_time,-sys_module,-sys_rawio"  # as in the host: the machine's clock and kernel are not its own
_BOOT = 60.0  # seconds
_START = Path(__file__).with_name("start.sh")
_PATH = "/opt/xcat/bin:/opt/xcat/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": _PATH, "HOME": "/root", "USER": "root", "LOGNAME": "root", "LANG": "C.UTF-8"}


def power_on(lab: Lab, node: str, *, lock: int = subprocess.DEVNULL) -> None:
    """Plug the host into the network and have it boot; what its own disk holds is left as it is. It outlives us.

    `lock` is held until the host's processes are in its control groups, where `groups.end` finds them.
    """
    network.unplug(lab, node)
    network.plug_in(lab, node)
    folder = lab.folder(node)
    lower = (folder / "lower").readlink()
    overlay = f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    argv = (
        *("nsenter", f"--net={network.path(lab.host(node))}", "unshare", "--mount", "--propagation", "slave"),
        *("sh", str(_START), overlay, str(folder / "root"), *map(str, groups.make(lab, node)), "--"),
        *_nspawn(lab, node),
    )
    with (folder / "console").open("ab") as console:
        started = subprocess.run(  # noqa: S603 - no shell
            argv,
            stdin=lock,
            stdout=console,
            stderr=console,
            env={**os.environ, "PATH": programs.search_path()},
            timeout=_BOOT,
            check=False,
        )
    if started.returncode:
        raise StepFailed(f"{node} does not start; its console says: {_last_lines(lab, node)}")


def _nspawn(lab: Lab, node: str) -> tuple[str, ...]:
    """The program that boots the host, on the namespaces that it is started in.

    Its mounts are in a namespace of its own, and vanish with it. It shares no network with the machine, although it
    is not told to make one: so its /sys shows its own interfaces.
    """
    return (
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-users=no"),
        *(f"--machine={lab.host(node)}", f"--hostname={node}", f"--directory={lab.folder(node) / 'root'}"),
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"),
        *("--capability=CAP_NET_ADMIN", "--drop-capability=CAP_SYS_TIME"),
    )


def wait(
    lab: Lab, node: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until the host has booted with all its units; StepFailed if it does not, or with a unit that failed."""
    if failed_units := booted(lab, node, clock, sleep):
        raise StepFailed(f"{node} booted, but these units failed: {failed_units}")


def booted(
    lab: Lab, node: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Wait until the host has booted, and return the names of the units that failed; StepFailed if it does not boot."""
    end = clock() + _BOOT
    while (state := _state(lab, node)) not in {"running", "degraded"}:
        if clock() > end or not groups.members(lab, node):
            raise StepFailed(
                f"{node} did not boot: it is {state or 'not running'}; its console says: {_last_lines(lab, node)}"
            )
        sleep(0.05)
    if state == "running":
        return ""
    units = run(lab, node, "systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager")
    return ", ".join(line.split()[0] for line in units.splitlines())


def _state(lab: Lab, node: str) -> str:
    if groups.leader(lab, node) is None:
        return ""
    return exec(lab, node, ("systemctl", "is-system-running")).stdout.strip()


def _last_lines(lab: Lab, node: str) -> str:
    """The last lines of the host's console."""
    lines = (lab.folder(node) / "console").read_text(errors="replace").split("\n")
    return " / ".join(line.strip() for line in lines[-6:] if line.strip()) or "nothing"


def power_off(lab: Lab, node: str) -> None:
    """Cut the host's power: all its processes are killed at once. Nothing if it is off."""
    groups.end(lab, node)
    network.unplug(lab, node)


def words_in(lab: Lab, node: str, argv: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs a program in the host; Refused if the host is not running."""
    leader = groups.leader(lab, node)
    if leader is None:
        raise Refused(
            f"{node} of lab {lab.name} is not running",
            hint=f"Type {lab.typed('up')}, which boots it; or {lab.typed('fault list')}, if a fault has cut its power.",
        )
    entered = ("nsenter", f"--target={leader}", "--all", "--root", "--wd", "--")
    return (*entered, "setpriv", f"--bounding-set={_WITHHELD}", "--", *argv)


def exec(  # noqa: A001 - the command that it carries out is called so
    lab: Lab, node: str, argv: Sequence[str], *, text_in: str = "", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a program inside the host, past its sshd, and return how it ended; StepFailed if it takes too long."""
    try:
        return subprocess.run(  # noqa: S603 - a list of arguments, no shell
            words_in(lab, node, argv),
            input=text_in,
            capture_output=True,
            text=True,
            errors="replace",
            env=_ENVIRONMENT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepFailed(f"{node}: `{shlex.join(argv)}` did not end within {timeout:.0f} s") from error


def run(lab: Lab, node: str, *argv: str, text_in: str = "", timeout: float = 60.0) -> str:
    """Run a program inside the host, and return what it printed; StepFailed if it ends with another status than 0."""
    ended = exec(lab, node, argv, text_in=text_in, timeout=timeout)
    if ended.returncode:
        raise failed((f"{node}:", *argv), ended)
    return ended.stdout


def start_unit(lab: Lab, node: str, unit: str, *, timeout: float = 120.0) -> None:
    """Start a unit inside the host; StepFailed with its last lines if it does not start."""
    ended = exec(lab, node, ("systemctl", "start", unit), timeout=timeout)
    if ended.returncode:
        lines = run(lab, node, "journalctl", "--unit", unit, "--lines=8", "--output=cat", "--no-pager")
        raise StepFailed(f"{unit} does not start on {node}: {' / '.join(lines.splitlines())}")


def write(lab: Lab, node: str, path: str, text: str, mode: str = "0644") -> None:
    """Write a file inside the host; what stands in it is on no command line."""
    run(lab, node, "install", f"--mode={mode}", "/dev/stdin", path, text_in=text)


def become(lab: Lab, node: str, argv: Sequence[str]) -> NoReturn:
    """Turn this process into a program inside the host, with this terminal."""
    programs.become(words_in(lab, node, argv), _ENVIRONMENT | {"TERM": os.environ.get("TERM", "dumb")})
