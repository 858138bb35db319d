"""The Perl programs, run for real on this machine."""

import os
import pwd
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamn_flow.facts import scripts
from hamn_flow.facts.exports import NfsClient, NfsClients
from hamn_flow.facts.network import Nameservers, Resolver
from hamn_flow.facts.services import Process, Processes
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.model.command import NodeName
from tests.facts.machine import Disk, Living, perl, run

Start = Callable[..., Living]
NEVER = "18446744073709551615"  # a start time that no process has, lest a defect here signals somebody
WAIT = '$| = 1; print "ready\\n"; <STDIN>'


@pytest.mark.parametrize("name", scripts.names())
def test_every_program_is_strict_and_without_a_warning(name: str) -> None:
    checked = run("perl", "-wc", "-", text_in=scripts.source(name))
    assert (checked.status, checked.error_text) == (0, "- syntax OK\n")
    assert scripts.name_of(scripts.source(name)) == name


def test_every_program_ends_before_its_look_is_given_up() -> None:
    alarm = re.search(r"^alarm (\d+);$", scripts.source("mounts.pl"), re.MULTILINE)
    assert alarm is not None
    assert int(alarm[1]) < SystemdLinux(node=NodeName("mn1")).script("mounts.pl").deadline


def test_a_program_is_known_by_its_whole_text_only() -> None:
    assert scripts.name_of("") is None
    assert scripts.name_of(scripts.source("mounts.pl") + "\n") is None
    assert "_common.pl" not in scripts.names()
    with pytest.raises(KeyError):
        scripts.source("_common.pl")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_printed_value_comes_back(value: str) -> None:
    escaped = scripts.escape(value)
    assert not {"\t", "\n"} & set(escaped)
    assert scripts.unescape(escaped) == value


def test_perl_escapes_as_python_does() -> None:
    value = "a\tb\\c\\\nd\\t"
    printed = run("perl", "-", value, text_in=scripts.source("signal.pl").split("# line 1")[0] + "line(@ARGV)")
    assert printed.text == scripts.escape(value) + "\n"


# --- processes.pl


def processes() -> dict[int, Process]:
    return {process.pid: process for process in Processes().parse(perl("processes.pl"))}


def test_a_title_that_a_daemon_gave_itself_is_kept_whole(start: Start) -> None:
    living = start("perl", "-e", f'$0 = "xcatd: SSL listener"; {WAIT}')
    found = processes()[living.pid]
    assert (found.title, found.started) == ("xcatd: SSL listener", living.started)


def test_arguments_never_show(start: Start) -> None:
    secrets = ("--password=hunter2", "-phunter2", "xcat: hunter2")
    starts = [start("perl", "-e", WAIT, "--", secret) for secret in secrets]
    result = perl("processes.pl")
    assert b"hunter2" not in result.output
    titles = {process.pid: process.title for process in Processes().parse(result)}
    assert [titles[living.pid] for living in starts] == ["perl"] * 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give up its rights")
def test_the_user_is_the_one_that_a_daemon_became(start: Start) -> None:
    living = start("perl", "-e", f"$( = $) = 1; $< = $> = 1; {WAIT}")
    assert processes()[living.pid].user == pwd.getpwuid(1).pw_name


def test_the_dead_and_the_kernel_are_left_out() -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    found = processes()
    assert os.getpid() in found
    assert zombie.pid not in found
    assert zombie.wait() == 0
    assert not {process.title for process in found.values()} & {"kthreadd", "[kthreadd]"}


CGROUPS = {
    "0::/system.slice/xcatd.service": "xcatd.service",
    "0::/system.slice/system-postgresql.slice/postgresql@15-main.service": "postgresql@15-main.service",
    "0::/user.slice/user-0.slice/session-3.scope": "session-3.scope",
    "0::/user.slice/user-7.slice/user@7.service/app.slice/sh.service": "user@7.service",
    "4:memory:/odd.service\n1:name=systemd:/system.slice/named.service/x": "named.service",
    "0::/": "",
}


@pytest.mark.parametrize(("cgroup", "unit"), CGROUPS.items())
def test_the_unit_is_read_from_the_control_group(disk: Disk, cgroup: str, unit: str) -> None:
    (disk.place / "cgroup").write_text(f"{cgroup}\n")
    disk.do("mount", "--bind", str(disk.place / "cgroup"), f"/proc/{os.getpid()}/cgroup")
    found = Processes().parse(disk.script("processes.pl"))
    assert next(process.unit for process in found if process.pid == os.getpid()) == unit


# --- signal.pl


def test_a_signal_reaches_only_the_process_that_started_then(start: Start) -> None:
    living = start("perl", "-e", WAIT)
    pid, started = str(living.pid), living.started
    assert perl("signal.pl", "TERM", pid, str(started + 1)).text == "gone\n"
    assert living.process.poll() is None
    assert perl("signal.pl", "TERM", pid, str(started)).text == "sent\n"
    assert living.process.wait(timeout=30) == -15
    assert perl("signal.pl", "KILL", pid, str(started)).text == "gone\n"


@pytest.mark.parametrize(
    "args", [("TERM", "1", NEVER), ("TERM", "0", NEVER), ("HUP", "9", NEVER), ("TERM", "-9", NEVER), ()]
)
def test_what_is_never_signalled_is_refused(args: tuple[str, ...]) -> None:
    result = perl("signal.pl", *args)
    assert (result.status != 0, result.text) == (True, "")


# --- write_file.pl


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_text("old")
    (tmp_path / ".a file.hamn-flow").write_text("left by one that was killed")
    with path.open() as reader:
        assert perl("write_file.pl", str(path), "new\n\ttext\n", "0640").status == 0
        assert reader.read() == "old"
    assert path.read_text() == "new\n\ttext\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["a file"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "full").mkdir(parents=True)
    for path in (tmp_path / "folder", tmp_path / "missing" / "file"):
        result = perl("write_file.pl", str(path), "text", "0644")
        assert (result.status != 0, result.error_text.startswith(str(tmp_path))) == (True, True)
    assert perl("write_file.pl", "relative", "text", "0644").status != 0
    assert perl("write_file.pl", str(tmp_path / "x"), "text", "rw-r--r--").status != 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


# --- resolver.pl

RESOLVER = [
    ("add", "", "nameserver 10.97.0.100\n"),
    ("add", "search lab\nnameserver 10.0.0.1\n", "search lab\nnameserver 10.97.0.100\nnameserver 10.0.0.1\n"),
    ("add", "nameserver 10.97.0.100\nnameserver 10.0.0.1\n", "nameserver 10.97.0.100\nnameserver 10.0.0.1\n"),
    ("add", "nameserver 10.0.0.1\nnameserver 10.97.0.100\n", "nameserver 10.97.0.100\nnameserver 10.0.0.1\n"),
    ("add", "search lab", "search lab\nnameserver 10.97.0.100\n"),
    ("remove", "# by hand\nnameserver 10.97.0.100\nnameserver 10.97.0.10\n", "# by hand\nnameserver 10.97.0.10\n"),
    ("remove", "nameserver 10.97.0.10\n", "nameserver 10.97.0.10\n"),
    ("remove", "nameserver 10.97.0.1009\n nameserver 10.97.0.100 # mn", "nameserver 10.97.0.1009\n"),
    ("remove", "", ""),
]


@pytest.mark.parametrize(("what", "before", "after"), RESOLVER)
def test_a_nameserver_comes_and_goes(tmp_path: Path, what: str, before: str, after: str) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(before)
    path.chmod(0o604)
    assert perl("resolver.pl", what, "10.97.0.100", str(path)).status == 0
    assert (path.read_text(), path.stat().st_mode & 0o777) == (after, 0o604)


def test_a_link_to_resolv_conf_stays_a_link_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    real, link = tmp_path / "run" / "stub.conf", tmp_path / "resolv.conf"
    real.write_text("# This file is managed by hand.\nnameserver 127.0.0.53\n")
    link.symlink_to("run/stub.conf")
    assert perl("resolver.pl", "add", "10.97.0.100", str(link)).status == 0
    assert link.is_symlink()
    assert Nameservers().parse(perl("resolver.pl", "show", str(link))) == Resolver(
        nameservers=("10.97.0.100", "127.0.0.53"), managed_by="run/stub.conf"
    )


@pytest.mark.parametrize(
    ("text", "managed_by"),
    [
        ("# Generated by NetworkManager\nsearch lab\nnameserver 10.0.0.1\n", "NetworkManager"),
        ("; generated by /usr/sbin/dhclient-script\nnameserver 10.0.0.1\n", "dhclient-script"),
        ("nameserver 10.0.0.1 # not 10.0.0.2\n", ""),
    ],
)
def test_who_writes_resolv_conf_is_read_from_its_comment(tmp_path: Path, text: str, managed_by: str) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert Nameservers().parse(perl("resolver.pl", "show", str(path))) == Resolver(
        nameservers=("10.0.0.1",), managed_by=managed_by
    )
    missing = perl("resolver.pl", "show", str(tmp_path / "none"))
    assert Nameservers().parse(missing) == Resolver(nameservers=(), managed_by="")


# --- nfs_clients.pl


def test_clients_are_named_from_knfsd_and_from_mountd(disk: Disk) -> None:
    disk.do("mount", "-t", "tmpfs", "none", "/proc/fs")
    info = 'clientid: 0x1\naddress: "10.97.0.21:911"\nstatus: confirmed\nname: "Linux NFSv4.2 cn1"\nminor version: 2\n'
    disk.do("mkdir", "-p", "/proc/fs/nfsd/clients/4")
    disk.do("sh", "-c", 'printf "%s" "$1" > /proc/fs/nfsd/clients/4/info', "sh", info)
    (disk.place / "showmount").write_text("#!/bin/sh\necho 10.97.0.22:/install\necho 10.97.0.23:/tftpboot/a b\n")
    (disk.place / "showmount").chmod(0o755)
    path = f"PATH={disk.place}:{os.environ['PATH']}"

    result = run(*disk.inside("env", path, "perl", "-"), text_in=scripts.source("nfs_clients.pl"))

    assert NfsClients().parse(result) == (
        NfsClient(client="10.97.0.21", path="", name="Linux NFSv4.2 cn1"),
        NfsClient(client="10.97.0.22", path="/install", name=""),
        NfsClient(client="10.97.0.23", path="/tftpboot/a b", name=""),
    )
