"""The lab's faults: each does to a host what it says, and lifting it brings back what was before."""

from __future__ import annotations

import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.facts.scripts import rows, source
from hamn_flow.lab import control, faults, groups, host, network
from hamn_flow.lab.faults import where
from hamn_flow.lab.faults.fault import LASTS, record
from hamn_flow.lab.place import ADDRESSES, MN1, MN2, NODES, Lab
from tests.lab.conftest import ROOT
from tests.waiting import until

pytestmark = pytest.mark.lab

DATABASE = "postgresql@15-main"
DATA = "/var/lib/postgresql/15/main"
QUIET = "/root/.xcat"  # a shared file system that nothing of the role keeps busy
STARTS = "starts"


@pytest.fixture(autouse=True)
def lifted(lab: Lab) -> Iterator[None]:
    """Whatever a test leaves is lifted."""
    yield
    faults.lift_all(lab)


# --- What a person would look at. ---


def pinged(lab: Lab, node: str) -> str:
    """Whether a ping and a question for its hardware address are answered, and whether the host has a carrier."""
    ping = control.run(lab, ("ping", "-c", "1", "-W", "1", ADDRESSES[node])).returncode
    ask = control.run(lab, ("arping", "-c", "1", "-w", "1", "-I", network.BRIDGE, ADDRESSES[node])).returncode
    carrier = host.run(lab, node, "cat", "/sys/class/net/eth0/carrier").strip()
    return f"ping {ping}, arping {ask}, carrier {carrier}"


def logged_in(lab: Lab, node: str) -> str:
    ended = control.run(lab, ssh(lab, node, "hostname"))
    return ended.stdout.strip() or ended.stderr


def ssh(lab: Lab, node: str, *words: str) -> tuple[str, ...]:
    return ("ssh", "-F", str(lab.home / ".ssh" / "config"), "-o", "ConnectTimeout=5", node, *words)


def running(lab: Lab, node: str) -> str:
    return "off" if groups.leader(lab, node) is None else "on"


def written(lab: Lab, node: str) -> str:
    """Whether a byte more goes onto /install."""
    said = host.exec(lab, node, ("tee", "/install/one-more"), text_in="x").stderr
    host.run(lab, node, "rm", "/install/one-more")
    return said


def held(lab: Lab, node: str) -> str:
    """Who holds QUIET, as hamn-flow finds them, and whether it can be unmounted."""
    number = host.run(lab, node, "stat", "--format=%Hd:%Ld", QUIET).strip()
    found = rows(host.run(lab, node, "perl", "-", QUIET, number, text_in=source("holders.pl")))
    freed = host.exec(lab, node, ("umount", QUIET)).returncode == 0
    if freed:
        host.run(lab, node, "mount", "/dev/disk/by-label/rootxcat", QUIET)
    kinds = ", ".join(f"{kind} of {title}" for kind, _, _, _, _, title, *_ in found)
    return f"{'free' if freed else 'busy'} {kinds}".strip()


def started(unit: str) -> Callable[[Lab, str], str]:
    """Whether a unit starts, or what it says of it; afterwards it does not run."""

    def start(lab: Lab, node: str) -> str:
        ended = host.exec(lab, node, ("systemctl", "start", unit))
        host.exec(lab, node, ("systemctl", "stop", unit))
        if not ended.returncode:
            return STARTS
        return ended.stderr + host.run(lab, node, "journalctl", f"--unit={unit}", "--lines=30", "--output=cat")

    return start


def shown(unit: str) -> Callable[[Lab, str], str]:
    """What systemd says of a unit that need not run."""

    def show(lab: Lab, node: str) -> str:
        return host.run(lab, node, "systemctl", "show", "--property=LoadState,ActiveState", unit)

    return show


def typed_in(*words: str) -> Callable[[Lab, str], str]:
    """How a command ends that is given two seconds, and what it says."""

    def run(lab: Lab, node: str) -> str:
        ended = host.exec(lab, node, ("timeout", "2", *words))
        return f"{ended.returncode} [{ended.stdout}{ended.stderr}]"

    return run


USAGE = "1 [Unknown option: x\nUsage: makedns [-n]\n]"
ADDRESSED = "10.97.0.12/24"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault, a look at what it is about, and what is seen by it without and with the fault: a part of the text."""

    set: tuple[str, ...]
    look: Callable[[Lab, str], str]
    well: str
    ill: str

    def __str__(self) -> str:
        return " ".join(self.set)


CASES = [
    Case(
        set=("link-down", MN2),
        look=pinged,
        well="ping 0, arping 0, carrier 1",
        ill="ping 1, arping 1, carrier 0",
    ),
    Case(
        set=("link-drop", MN2),
        look=pinged,
        well="ping 0, arping 0, carrier 1",
        ill="ping 1, arping 1, carrier 1",
    ),
    Case(set=("sshd", MN1), look=logged_in, well=MN1, ill="Connection refused"),
    Case(set=("power", MN2), look=running, well="on", ill="off"),
    Case(set=("full", MN1, "/install"), look=written, well="", ill="No space left on device"),
    Case(set=("hold", MN1, QUIET, "cwd"), look=held, well="free", ill="busy cwd of bash"),
    Case(set=("hold", MN1, QUIET, "file"), look=held, well="free", ill="busy file of sleep"),
    Case(set=("hold", MN1, QUIET, "binary"), look=held, well="free", ill="busy exe of fault-1"),
    Case(set=("hold", MN1, QUIET, "tftp"), look=held, well="free", ill="busy cwd of in.tftpd, root of in.tftpd"),
    Case(set=("hold", MN1, QUIET, "loop"), look=held, well="free", ill="busy loop of kernel"),
    Case(set=("hold", MN1, QUIET, "bind"), look=held, well="free", ill="free mount of kernel"),  # it lives on there
    Case(set=("database-port", MN2), look=started(DATABASE), well=STARTS, ill="Address already in use"),
    Case(set=("fails", MN2, DATABASE), look=started(DATABASE), well=STARTS, ill="Control process exited"),
    Case(set=("fails", MN2, "named"), look=started("named"), well=STARTS, ill="control process exited with error"),
    Case(set=("missing", MN2, "named"), look=shown("named"), well="=loaded", ill="=not-found"),
    Case(set=("missing", MN2, "cron"), look=shown("cron"), well="=loaded", ill="LoadState=not-found"),
    Case(set=("missing", MN2, DATABASE), look=shown(DATABASE), well="=loaded", ill="LoadState=not-found"),
    Case(set=("broken-zones", MN2), look=started("named"), well=STARTS, ill="unknown option"),
    Case(set=("hangs", MN2, "makedns"), look=typed_in("makedns", "-x"), well=USAGE, ill="124 []"),
    Case(
        set=("fails-command", MN2, "/opt/xcat/sbin/makedns", "3", "it's $HOME"),
        look=typed_in("makedns", "-x"),
        well=USAGE,
        ill="3 [it's $HOME\n]",
    ),
    Case(set=("lies", MN2, "ip"), look=typed_in("/sbin/ip", "-br", "addr"), well=ADDRESSED, ill="0 []"),
    Case(set=("lies", MN2, "ip"), look=typed_in("/bin/ip", "-br", "addr"), well=ADDRESSED, ill="0 []"),
]
STOPPED = [  # the database does not run while they are set
    Case(set=("database-owner", MN1), look=started(DATABASE), well=STARTS, ill="must not be owned by root"),
    Case(set=("database-mode", MN1), look=started(DATABASE), well=STARTS, ill="Permissions should be u=rwx (0700)"),
    Case(set=("database-pid", MN1), look=started(DATABASE), well=STARTS, ill="Cluster is already running"),
]


PLACES = (
    *("/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/opt/xcat", "/etc", "/run", "/dev", "/var/lib/postgresql"),
    *("/install", "/tftpboot", QUIET),
)
OWN = r".*fault-[0-9].*\|/dev/loop-control\|/dev/loop[0-9]+\|.*/postmaster.pid"


@pytest.fixture
def database_stopped(lab: Lab) -> Iterator[None]:
    host.run(lab, MN1, "systemctl", "stop", "xcatd", DATABASE)
    yield
    faults.lift_all(lab)
    host.start_unit(lab, MN1, DATABASE)
    host.start_unit(lab, MN1, "xcatd")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_felt_until_it_is_lifted(lab: Lab, case: Case) -> None:
    feel(lab, case)


@pytest.mark.usefixtures("database_stopped")
def test_the_database_does_not_start_until_a_fault_is_lifted(lab: Lab) -> None:
    for case in STOPPED:
        feel(lab, case)


def feel(lab: Lab, case: Case) -> None:
    _, node, *_ = case.set
    before = traces(lab)
    fault = faults.set_fault(lab, *case.set)
    assert_seen(case.ill, case.look(lab, node))
    assert faults.recorded(lab) == (fault,)
    assert faults.lift(lab, fault.id) == f"{fault} is lifted"
    assert faults.recorded(lab) == ()
    if case.look is pinged:
        until(lambda: pinged(lab, node) == case.well)  # who could not be found is asked for again a second later
    assert traces(lab) == before
    assert_seen(case.well, case.look(lab, node))
    record(lab, (fault,))  # as if lifting had been cut off before it was written down
    faults.lift(lab, fault.id)
    assert traces(lab) == before


def assert_seen(expected: str, seen: str) -> None:
    """The text begins so, or has it in it if it has many lines; without a text, there is none."""
    assert expected in seen if expected else seen == ""


def traces(lab: Lab) -> list[str]:
    """What faults change: ports of the bridge, the data directory, files, mounts and processes in the hosts."""
    ports = control.run(lab, ("bridge", "link")).stdout.splitlines()
    found = [line for line in ports if "state forwarding" not in line]
    found.append(host.run(lab, MN1, "stat", "--format=%U %G %a", DATA))
    for node in NODES:
        run = partial(host.run, lab, node)
        found += host.exec(
            lab, node, ("find", *PLACES, "-xdev", "-regex", OWN, "-printf", f"{node} %p\\n")
        ).stdout.split("\n")
        found += [line for line in run("ps", "-eo", "args").splitlines() if str(LASTS) in line or line == "bash --norc"]
        found += [line for line in run("cat", "/proc/mounts").splitlines() if "fault-" in line]
    return found


def test_an_established_connection_is_dropped_in_silence_and_goes_on(lab: Lab) -> None:
    with open_session(lab) as session:
        with faults.during(lab, "link-drop", MN1):
            say(session, "lost?")
            assert not answers(session, 1.0)
        assert heard(session) == "lost?"  # TCP has sent it again


@pytest.mark.parametrize(("kind", "let_in"), [("sshd-sessions", MN1), ("sshd", "Connection refused")])
def test_sessions_are_ended_and_what_they_started_lives_on(lab: Lab, kind: str, let_in: str) -> None:
    token = f"86399.{len(kind)}"
    with open_session(lab) as session:
        pid = control.run(lab, ssh(lab, MN1, "sleep", token, "<&-", ">&-", "2>&-", "&", "echo", "$!")).stdout.strip()
        with faults.during(lab, kind, MN1):
            assert session.wait(timeout=20) == 255
            assert let_in in logged_in(lab, MN1)
            assert host.run(lab, MN1, "cat", f"/proc/{pid}/cmdline").split("\0")[:2] == ["sleep", token]
    host.run(lab, MN1, "kill", pid)
    assert logged_in(lab, MN1) == MN1
    assert faults.recorded(lab) == ()


def open_session(lab: Lab) -> subprocess.Popen[str]:
    """A session on mn1 that says again what it hears."""
    session = control.popen(
        lab, ssh(lab, MN1, "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    say(session, "there")
    assert heard(session) == "there"
    return session


def say(session: subprocess.Popen[str], text: str) -> None:
    assert session.stdin is not None
    session.stdin.write(f"{text}\n")
    session.stdin.flush()


def answers(session: subprocess.Popen[str], seconds: float) -> bool:
    """Whether something comes back in so many seconds."""
    assert session.stdout is not None
    return bool(select.select([session.stdout], [], [], seconds)[0])


def heard(session: subprocess.Popen[str]) -> str:
    assert session.stdout is not None
    assert answers(session, 30.0), "nothing came back"
    return session.stdout.readline().strip()


# --- Setting and lifting. ---


NONSENSE = [
    (("flood", MN1), "there is no fault 'flood'"),
    (("full", "mn3", "/install"), "'mn3' is none of the hosts"),
    (("full", MN1), "too few or too many words"),
    (("power", MN1, "now"), "too few or too many words"),
    (("full", MN1, "/usr"), "/usr is on no shared file system that mn1 has mounted"),
    (("full", MN2, "/install"), "/install is on no shared file system that mn2 has mounted"),
    (("hold", MN1, "/install", "glue"), "'glue' is no way to hold a file system"),
    (("database-owner", MN1), "a PostgreSQL server runs on"),
    (("database-pid", MN2), "a PostgreSQL server runs on"),
    (("database-mode", MN2), "mn2 has not mounted /var/lib/postgresql"),
    (("fails", MN1, "nothing"), "nothing.service is not-found on mn1"),
    (("hangs", MN1, "no-such-command"), "there is no command no-such-command on mn1"),
    (("fails-command", MN1, "makedns", "0"), "'0' is no exit status of a failure"),
]


@pytest.mark.parametrize(("asked", "reason"), NONSENSE, ids=[" ".join(asked) for asked, _ in NONSENSE])
def test_what_makes_no_sense_is_refused_and_leaves_nothing(lab: Lab, asked: tuple[str, ...], reason: str) -> None:
    before = traces(lab)
    with pytest.raises(Refused, match=re.escape(reason)) as refused:
        faults.set_fault(lab, *asked)
    assert refused.value.hint
    assert faults.recorded(lab) == ()
    assert traces(lab) == before


def test_what_cannot_be_set_to_the_end_is_lifted_again(lab: Lab) -> None:
    before = traces(lab)
    with faults.during(lab, "full", MN1, QUIET):
        with pytest.raises(StepFailed, match="No space left on device"):
            faults.set_fault(lab, "hold", MN1, QUIET, "binary")
        assert [fault.kind for fault in faults.recorded(lab)] == ["full"]
    with pytest.raises(StepFailed, match="Address already in use"):
        faults.set_fault(lab, "database-port", MN1)
    assert faults.recorded(lab) == ()
    assert traces(lab) == before


def test_what_was_cut_off_before_it_took_effect_is_lifted(lab: Lab) -> None:
    before = traces(lab)
    for kind, node, *what in (case.set for case in CASES):
        fault = faults.Fault(id="1", kind=kind, node=node, what=tuple(what), boot=where.boot(lab, node))
        with pytest.raises(KeyboardInterrupt):
            faults.KINDS[kind].set(lab, fault, partial(note_and_die, lab, fault))
        assert len(faults.recorded(lab)) == 1
        faults.lift(lab, "1")
        assert faults.recorded(lab) == ()
    assert traces(lab) == before


def note_and_die(lab: Lab, fault: faults.Fault, **known: Any) -> None:
    record(lab, (replace(fault, known=known),))
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("link-down", MN2), ("link-drop", MN2)),
        (("hangs", MN2, "makedns"), ("lies", MN2, "makedns")),
        (("hangs", MN2, "makedns"), ("lies", MN2, "/opt/xcat/sbin/makedns")),
        (("fails", MN2, "cron"), ("missing", MN2, "cron")),
    ],
)
def test_two_faults_of_one_thing_exclude_each_other(lab: Lab, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    with faults.during(lab, *first), pytest.raises(Refused, match=r"set already|another fault has replaced"):
        faults.set_fault(lab, *second)
    with faults.during(lab, *second):
        assert len(faults.recorded(lab)) == 1


def test_only_the_process_that_was_started_is_ended(lab: Lab) -> None:
    fault = faults.set_fault(lab, "hold", MN1, QUIET, "cwd")
    another = replace(fault, known={**fault.known, "started": str(int(fault.known["started"]) + 1)})
    record(lab, (another,))  # as if its pid had been given to another one since
    assert "was no more" in faults.lift(lab, another.id)
    assert_seen("busy cwd of bash", held(lab, MN1))
    record(lab, (fault,))
    assert "is lifted" in faults.lift(lab, fault.id)
    assert_seen("free", held(lab, MN1))


def test_all_are_lifted_by_another_command_also_after_a_power_cut(lab: Lab) -> None:
    before = traces(lab)
    for words in (
        ("link-drop", MN2),
        ("fails", MN2, "named"),
        ("missing", MN2, "cron"),
        ("broken-zones", MN2),
        ("database-port", MN2),
        ("sshd", MN2),
        ("hangs", MN2, "systemctl"),
        ("full", MN1, QUIET),
        ("hold", MN1, "/install", "file"),
        ("power", MN2),
    ):
        faults.set_fault(lab, *words)
    listed = typed(lab, "list").stdout
    assert "fault 2 (fails mn2 named)" in listed
    said = typed(lab, "lift", "all")
    assert said.returncode == 0, said.stderr
    assert "fault 3 (missing mn2 cron) is lifted" in said.stdout
    assert "fault 2 (fails mn2 named) was no more: mn2 has been off since" in said.stdout
    assert typed(lab, "list").stdout == "No fault is set.\n"
    assert traces(lab) == before
    assert started("named")(lab, MN2) == STARTS
    assert logged_in(lab, MN2) == MN2


def test_what_lies_on_an_unmounted_file_system_stays_in_the_list(lab: Lab) -> None:
    before = traces(lab)
    fault = faults.set_fault(lab, "full", MN1, QUIET)
    host.run(lab, MN1, "umount", QUIET)
    try:
        with pytest.raises(StepFailed, match=f"{QUIET} is mounted on neither host"):
            faults.lift_all(lab)
        assert faults.recorded(lab) == (fault,)
        host.run(lab, MN2, "mount", "/dev/disk/by-label/rootxcat", QUIET)
        assert faults.lift(lab, fault.id) == f"{fault} is lifted"
        host.run(lab, MN2, "umount", QUIET)
    finally:
        host.run(lab, MN1, "mount", "/dev/disk/by-label/rootxcat", QUIET)
    assert traces(lab) == before


def test_every_kind_is_listed_and_proven(lab: Lab) -> None:
    listed = typed(lab, "kinds").stdout
    assert all(f"{name} NODE" in listed for name in faults.KINDS)
    assert {case.set[0] for case in (*CASES, *STOPPED)} | {"sshd-sessions"} == set(faults.KINDS)


def typed(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    chosen = () if words == ("kinds",) else ("--name", lab.name, "--directory", str(lab.directory))
    return subprocess.run(
        [sys.executable, "-m", "hamn_flow", "lab", "fault", *words, *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
