"""The vocabulary: all faults that a lab can be given, in the order in which they are shown."""

from __future__ import annotations

from hamn_flow.lab.faults import commands, database, holding, reaching, units
from hamn_flow.lab.faults.fault import LASTS, Kind, Turn

_ENDS = f"for {LASTS // 60} minutes at most"

KINDS = {
    "link-down": Kind(
        does="The cable is out: the host and the bridge have no carrier.",
        set=reaching.link_down,
        lift=reaching.link_up,
        subject="link",
    ),
    "link-drop": Kind(
        does="Every packet from and to the host is dropped in silence: ARP, TCP that is established, all.",
        set=reaching.drop,
        lift=reaching.forward,
        subject="link",
    ),
    "sshd": Kind(
        does="sshd ends with all its sessions and stays away; what they had started lives on.",
        set=reaching.stop_sshd,
        lift=reaching.start_sshd,
        subject="sshd",
    ),
    "sshd-sessions": Kind(
        does="The sshd of every present session is killed, once; new ones are let in.",
        set=reaching.cut_sessions,
        lift=lambda _lab, _fault: False,
        lasts=False,
    ),
    "power": Kind(
        does="The power is cut: all of the host's processes are gone at once. Lifted, it boots.",
        set=reaching.power_off,
        lift=reaching.power_on,
        subject="power",
        turn=Turn.POWER,
    ),
    "full": Kind(
        does="The shared file system that the host has mounted there is full.",
        words=("MOUNT_POINT",),
        set=holding.fill,
        lift=holding.empty,
        subject="full",
    ),
    "hold": Kind(
        does="The shared file system is held: by a shell's working directory, an open file, a running program, an "
        f"in.tftpd apart from xcatd's (each {_ENDS}), a mounted image, a bind mount.",
        words=("DIRECTORY", "|".join(holding.HOWS)),
        set=holding.hold,
        lift=holding.let_go,
    ),
    "database-port": Kind(
        does=f"Something else listens on port 5432, {_ENDS}.",
        set=database.take_port,
        lift=holding.end,
        subject="database-port",
    ),
    "database-owner": Kind(
        does="The data directory belongs to root. The host must have it mounted.",
        set=database.take_owner,
        lift=database.own_again,
        subject="data directory",
    ),
    "database-mode": Kind(
        does="The data directory has mode 0755. The host must have it mounted; a server that runs goes on.",
        set=database.open_mode,
        lift=database.own_again,
        subject="data directory",
    ),
    "database-pid": Kind(
        does=f"postmaster.pid names a living process of the host that is none of it, {_ENDS}.",
        set=database.name_living,
        lift=database.name_nobody,
        subject="postmaster.pid",
    ),
    "fails": Kind(
        does="Starting the unit fails.",
        words=("UNIT",),
        set=units.fail,
        lift=units.mend,
        subject="unit",
    ),
    "missing": Kind(
        does="systemd knows no such unit: its file is moved away.",
        words=("UNIT",),
        set=units.take_away,
        lift=units.put_back,
        subject="unit",
    ),
    "broken-zones": Kind(
        does="named's configuration has a line that named refuses.",
        set=units.break_named,
        lift=units.mend_named,
        subject="named",
    ),
    "hangs": Kind(
        does=f"The command does nothing and does not end, {_ENDS}.",
        words=("COMMAND",),
        set=commands.hang,
        lift=commands.restore,
        subject="command",
        turn=Turn.COMMANDS,
    ),
    "fails-command": Kind(
        does="The command does nothing, says the words on standard error, and ends with the status.",
        words=("COMMAND", "STATUS", "[WORDS]"),
        set=commands.fail,
        lift=commands.restore,
        subject="command",
        turn=Turn.COMMANDS,
    ),
    "lies": Kind(
        does="The command does nothing and ends with 0.",
        words=("COMMAND",),
        set=commands.lie,
        lift=commands.restore,
        subject="command",
        turn=Turn.COMMANDS,
    ),
}
