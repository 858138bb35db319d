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


def start(state: State, node: Node, unit: Unit) -> str:
    """Start a unit; the reason why it could not, or nothing."""
    if is_held(unit):
        return f"Unit {unit.id} is masked."
    unit.restart_due = False
    if unit.active:
        return ""
    failure = DAEMONS[unit.daemon].start(state, node, unit)
    if failure:
        unit.journal += failure
        _end(node, unit)
        unit.active_state, unit.sub_state = "failed", "failed"
        return (
            f"Job for {unit.id} failed because the control process exited with error code.\n"
            f'See "systemctl status {unit.id}" and "journalctl -xeu {unit.id}" for details.'
        )
    unit.active_state = "active"
    unit.sub_state = "exited" if unit.type == "oneshot" else "running"
    unit.journal.append(f"Started {unit.id}.")
    for name in unit.brings:
        start(state, node, node.units[name])
    return ""


def stop(state: State, node: Node, unit: Unit) -> None:
    """Stop a unit, and those that follow it."""
    for name in unit.brings:
        stop(state, node, node.units[name])
    unit.restart_due = False
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


def restart_failed(state: State, node: Node) -> None:
    """What Restart=on-failure does, some time after a daemon was killed: here before the node's next command."""
    for unit in node.units.values():
        if unit.restart_due:
            unit.restart_due = False
            start(state, node, unit)


def systemctl(host: Host) -> Result:
    """`systemctl start|stop|restart|mask --runtime|unmask --runtime|is-active|show`."""
    match host.words:
        case ("start" | "restart" as action, name):
            return _start(host, action, name)
        case ("stop", name):
            host.change()
            unit = unit_named(host.node, name)
            if unit is None:
                full = name if name.endswith(".service") else f"{name}.service"
                return refused(5, f"Failed to stop {full}: Unit {full} not loaded.\n")
            stop(host.state, host.node, unit)
            return ok()
        case ("mask" | "unmask" as action, "--runtime", name):
            return _mask(host, action, name)
        case ("is-active", name):
            unit = unit_named(host.node, name)
            state = unit.active_state if unit else "inactive"
            return ok(f"{state}\n") if state == "active" else refused(3, "", f"{state}\n")
        case ("show", "--property=Id,Names,LoadState,ActiveState,SubState,Type,UnitFileState,FragmentPath,MainPID",
              "--", *names):  # fmt: skip
            return ok("\n".join(_shown(host.node, name) for name in names))
        case _:
            raise host.unknown()


def _start(host: Host, action: str, name: str) -> Result:
    host.change()
    unit = unit_named(host.node, name)
    full = name if name.endswith(".service") else f"{name}.service"
    if unit is None:
        return refused(5, f"Failed to {action} {full}: Unit {full} not found.\n")
    if is_held(unit):
        return refused(1, f"Failed to {action} {unit.id}: Unit {unit.id} is masked.\n")
    if action == "restart":
        stop(host.state, host.node, unit)
    failure = start(host.state, host.node, unit)
    return refused(1, failure + "\n") if failure else ok()


def _mask(host: Host, action: str, name: str) -> Result:
    host.change()
    unit = unit_named(host.node, name)
    full = name if name.endswith(".service") else f"{name}.service"
    if unit is None:
        return refused(1, f"Unit {full} does not exist, proceeding anyway.\n") if action == "mask" else ok()
    link = f"/run/systemd/system/{unit.id}"
    if action == "mask" and not unit.masked:
        unit.masked = "runtime"
        return ok("", f"Created symlink {link} → /dev/null.\n")
    if action == "unmask" and unit.masked == "runtime":
        unit.masked = ""
        return ok("", f'Removed "{link}".\n')
    return ok()


def _shown(node: Node, name: str) -> str:
    unit = unit_named(node, name)
    if unit is None:
        full = name if "." in name.rpartition("@")[2] else f"{name}.service"
        head = "Type=\nMainPID=0\n"
        return f"{head}Id={full}\nNames={full}\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"
    held = is_held(unit)
    load = "masked" if held else "loaded"
    fragment = f"/run/systemd/system/{unit.id}" if held and unit.masked == "runtime" else unit.fragment_path
    file_state = unit.unit_file_state
    if held:
        file_state = "masked-runtime" if unit.masked == "runtime" else "masked"
    active = "activating" if unit.restart_due else unit.active_state
    sub = "auto-restart" if unit.restart_due else unit.sub_state
    return (
        f"Type={unit.type}\nMainPID={unit.main_pid}\nId={unit.id}\nNames={' '.join(unit.names)}\n"
        f"LoadState={load}\nActiveState={active}\nSubState={sub}\n"
        f"FragmentPath={fragment}\nUnitFileState={file_state}\n"
    )


def journalctl(host: Host) -> Result:
    """`journalctl -u UNIT -n 20 -o cat --no-pager`."""
    match host.words:
        case ("-u", name, "-n", "20", "-o", "cat", "--no-pager"):
            pass
        case _:
            raise host.unknown()
    unit = unit_named(host.node, name)
    lines = unit.journal[-20:] if unit else []
    return ok("".join(f"{text}\n" for text in lines) or "-- No entries --\n")


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
