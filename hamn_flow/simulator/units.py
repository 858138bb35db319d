"""systemd and processes: `systemctl`, `journalctl`, processes.pl, signal.pl, `date`."""

from __future__ import annotations

from hamn_flow.model.command import Result
from hamn_flow.simulator.daemons import DAEMONS
from hamn_flow.simulator.host import Host, Program, line, ok, refused, shown_title
from hamn_flow.simulator.state import Node, Process, State, Unit


def unit_named(node: Node, name: str) -> Unit | None:
    """The loaded unit that bears this name, with or without `.service`."""
    full = name if "." in name.rpartition("@")[2] else f"{name}.service"
    return next((unit for unit in node.units.values() if full in unit.names), None)


def is_held(unit: Unit) -> bool:
    """Whether a mask is in force. A unit file in /etc is found before the one that `mask --runtime` puts in /run."""
    return unit.masked == "permanent" or (unit.masked == "runtime" and not unit.fragment_path.startswith("/etc/"))


SETTLING = 2000  # commands: more than a run sends before it waits by systemctl start


_REASONS = {  # Debian's unit takes no notice of its command's status, and then finds no server
    "postgresql": "the service did not take the steps required by its unit configuration"
}


def start(state: State, node: Node, unit: Unit) -> str:
    """Start a unit; the reason why it could not, or nothing."""
    if is_held(unit):
        return f"Unit {unit.id} is masked."
    unit.restart_due, unit.settling = False, 0
    if unit.active:
        return ""
    failure = DAEMONS[unit.daemon].start(state, node, unit)
    if failure:
        unit.journal += failure
        _end(node, unit)
        unit.active_state, unit.sub_state = "failed", "failed"
        reason = _REASONS.get(unit.daemon, "the control process exited with error code")
        return (
            f"Job for {unit.id} failed because {reason}.\n"
            f'See "systemctl status {unit.id}" and "journalctl -xeu {unit.id}" for details.'
        )
    unit.active_state = "active"
    unit.sub_state = "exited" if unit.type == "oneshot" else "running"
    unit.journal.append(f"Started {unit.id}.")
    for name in unit.brings:
        start(state, node, node.units[name])
    return ""


def stop(state: State, node: Node, unit: Unit) -> None:
    """Stop a unit, and those that follow it; one that failed stays so, but is not started again."""
    for name in unit.brings:
        stop(state, node, node.units[name])
    if unit.active_state == "failed" and not unit.restart_due:
        return
    unit.restart_due, unit.settling = False, 0
    if unit.active:
        unit.journal.append(f"Stopped {unit.id}.")
        DAEMONS[unit.daemon].stop(state, node, unit)
    _end(node, unit)
    unit.active_state, unit.sub_state = "inactive", "dead"


def _end(node: Node, unit: Unit) -> None:
    for pid in [process.pid for process in node.processes.values() if process.unit == unit.id]:
        del node.processes[pid]
    unit.main_pid = 0
    unit.started_on = ""


def go_on(state: State, node: Node) -> None:
    """What systemd does with time, here before each command of the node.

    What was killed is started again by Restart=on-failure; what began to start is one command nearer to be active.
    """
    for unit in node.units.values():
        unit.settling = max(0, unit.settling - 1)
        if unit.restart_due:
            unit.restart_due = False
            start(state, node, unit)


def systemctl(host: Host) -> Result:
    """`systemctl start [--no-block]|stop|restart|mask --runtime|unmask --runtime|is-active|show`."""
    match host.words:
        case ("start" | "restart" as action, name):
            return _start(host, action, name)
        case ("start", "--no-block", name):
            return _begin(host, name)
        case ("stop", name):
            return _stop(host, name)
        case ("mask" | "unmask" as action, "--runtime", *names):
            done = [_mask(host, action, name) for name in names]
            failed = next((one.status for one in done if one.status), 0)
            return Result(
                status=failed, output=b"".join(x.output for x in done), errors=b"".join(x.errors for x in done)
            )
        case ("is-active", name):
            return _is_active(host, name)
        case ("show", "--property=Id,Names,LoadState,ActiveState,SubState,Type,UnitFileState,FragmentPath,MainPID,Job",
              "--", *names):  # fmt: skip
            return ok("\n".join(_shown(host.node, name) for name in names))
        case _:
            raise host.unknown()


def _start(host: Host, action: str, name: str) -> Result:
    host.change()
    unit = unit_named(host.node, name)
    full = _full(name)
    if unit is None:
        return refused(5, f"Failed to {action} {full}: Unit {full} not found.\n")
    if _hidden(unit, name):
        words = f"Unit {full} failed to load properly, please adjust/correct and reload service manager: File exists"
        more = f"See system logs and 'systemctl status {full}' for details."
        return refused(1, f"Failed to {action} {full}: {words}\n{more}\n")
    if is_held(unit):
        return refused(1, f"Failed to {action} {unit.id}: Unit {unit.id} is masked.\n")
    if action == "restart":
        stop(host.state, host.node, unit)
    failure = start(host.state, host.node, unit)
    return refused(1, failure + "\n") if failure else ok()


def _begin(host: Host, name: str) -> Result:
    """Nobody is told how it ended, unless it cannot even begin; PostgreSQL serves before its unit is active."""
    unit = unit_named(host.node, name)
    was_active = unit is not None and unit.active
    result = _start(host, "start", name)
    if unit is None or is_held(unit) or _hidden(unit, name):
        return result
    if unit.active and not was_active and unit.daemon == "postgresql":
        unit.settling = SETTLING
    return ok()


def _stop(host: Host, name: str) -> Result:
    host.change()
    unit = unit_named(host.node, name)
    if unit is None or _hidden(unit, name):
        full = _full(name)
        return refused(5, f"Failed to stop {full}: Unit {full} not loaded.\n")
    stop(host.state, host.node, unit)
    return ok()


def _is_active(host: Host, name: str) -> Result:
    unit = unit_named(host.node, name)
    state = _states(unit)[0] if unit else "inactive"
    return ok(f"{state}\n") if state == "active" else refused(3, "", f"{state}\n")


def _states(unit: Unit) -> tuple[str, str]:
    """ActiveState and SubState as systemd shows them."""
    if unit.restart_due:
        return "activating", "auto-restart"
    return ("activating", "start") if unit.settling else (unit.active_state, unit.sub_state)


def _mask(host: Host, action: str, name: str) -> Result:
    host.change()
    unit = unit_named(host.node, name)
    absent = ""
    if unit is None:
        absent = f"Unit {_full(name)} does not exist, proceeding anyway.\n"
        unit = Unit(id=_full(name), names=(_full(name),), type="", daemon="", fragment_path="")
    link = f"/run/systemd/system/{unit.id}"
    if action == "mask" and not unit.masked:
        unit.masked = "runtime"
        host.node.units[unit.id] = unit
        return ok("", f"{absent}Created symlink {link} -> /dev/null.\n")
    if action == "unmask" and unit.masked == "runtime":
        unit.masked = ""
        forget_masks(host.node)
        return ok("", f'Removed "{link}".\n')
    return ok("", absent)


def forget_masks(node: Node) -> None:
    """A mask that is gone leaves nothing where there was no unit below it."""
    for name in [unit.id for unit in node.units.values() if not unit.daemon and not unit.masked]:
        del node.units[name]


def _full(name: str) -> str:
    return name if name.endswith(".service") else f"{name}.service"


def _hidden(unit: Unit, name: str) -> bool:
    """Whether a name leads to a mask that was put on the unit by another name: systemd cannot load such a one."""
    return is_held(unit) and _full(name) != unit.id


def _shown(node: Node, name: str) -> str:
    unit = unit_named(node, name)
    if unit is None or _hidden(unit, name):
        full = name if "." in name.rpartition("@")[2] else f"{name}.service"
        head, load = "Type=\nMainPID=0\n", "error" if unit else "not-found"
        return f"{head}Id={full}\nNames={full}\nLoadState={load}\nActiveState=inactive\nSubState=dead\n"
    held = is_held(unit)
    load = "masked" if held else "loaded"
    fragment = f"/run/systemd/system/{unit.id}" if held and unit.masked == "runtime" else unit.fragment_path
    file_state = unit.unit_file_state
    if held:
        file_state = "masked-runtime" if unit.masked == "runtime" else "masked"
    active, sub = _states(unit)
    kind, names = ("", unit.id) if held else (unit.type, " ".join(unit.names))
    return (
        f"Type={kind}\nMainPID={unit.main_pid}\nId={unit.id}\nNames={names}\n"
        f"LoadState={load}\nActiveState={active}\nSubState={sub}\n"
        f"FragmentPath={fragment}\nUnitFileState={file_state}\n" + ("Job=4711\n" if unit.due else "")
    )


def journalctl(host: Host) -> Result:
    """`journalctl -u UNIT -n 100 -o cat --no-pager`."""
    match host.words:
        case ("-u", name, "-n", "100", "-o", "cat", "--no-pager"):
            pass
        case _:
            raise host.unknown()
    unit = unit_named(host.node, name)
    lines = unit.journal[-100:] if unit else []
    return ok("".join(f"{text}\n" for text in lines))


def processes_script(host: Host) -> Result:
    """processes.pl: every process with its start time, user, unit and title."""
    if host.words:
        raise host.unknown()
    found = (each for each in host.node.processes.values() if not each.title.startswith("["))  # kernel threads
    return ok("".join(line(each.pid, each.started, each.user, each.unit, shown_title(each)) for each in found))


def signal_script(host: Host) -> Result:
    """signal.pl TERM|KILL PID STARTED."""
    match host.words:
        case ("TERM" | "KILL" as signal, pid, started):
            pass
        case _:
            raise host.unknown()
    host.change()
    if int(pid) <= 1:
        return refused(255, f"process {pid} is never signalled\n")
    process = host.node.processes.get(int(pid))
    if process is None or process.started != int(started):
        return ok("gone\n")
    deliver(host.node, process, signal)
    return ok("sent\n")


def deliver(node: Node, process: Process, signal: str) -> None:
    """A signal to a process, and what systemd makes of it when it was a unit's main process."""
    if signal == "TERM" and "TERM" in process.ignores:
        return
    del node.processes[process.pid]
    unit = node.units.get(process.unit)
    if unit is None or unit.main_pid != process.pid:
        return
    _end(node, unit)
    if signal == "KILL":
        unit.journal.append(f"{unit.id}: Main process exited, code=killed, status=9/KILL")
        unit.active_state, unit.sub_state = "failed", "failed"
        unit.restart_due = unit.restart_on_failure
    else:  # systemd takes an end by TERM for a clean one
        unit.active_state, unit.sub_state = "inactive", "dead"


def date(host: Host) -> Result:
    """`date +%s.%N`."""
    if host.words != ("+%s.%N",):
        raise host.unknown()
    return ok(f"{host.clock() + host.node.clock_offset:.9f}\n")


PROGRAMS: dict[str, Program] = {
    "systemctl": systemctl,
    "journalctl": journalctl,
    "processes.pl": processes_script,
    "signal.pl": signal_script,
    "date": date,
}
