"""One host without systemd for the stand-ins alone: this machine's own files, copied on writing, in namespaces.

Nothing of it is left when it ends: its files lie in memory, and its processes die with the first of them.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hamn_flow.facts import scripts
from hamn_flow.facts.services import Processes
from hamn_flow.lab.seed import postgres_version
from hamn_flow.model.command import Result
from tests.real_hosts import unable
from tests.waiting import until

STAND_INS = Path(__file__).parents[2] / "hamn_flow" / "lab" / "stand_ins" / "root"
NAME, VIRTUAL_IP = "mn", "10.97.0.100"
SECONDS = 60  # after which a command counts as hung
PASSWORD = "the-word-in-cfgloc"  # noqa: S105 - of a database that nobody else sees
POSTGRES = f"/usr/lib/postgresql/{postgres_version(Path('/'))}/bin"
DATA = "/var/lib/postgresql/own"
ENVIRONMENT = ("env", "-i", "LC_ALL=C", "HOME=/root", "PATH=/opt/xcat/bin:/opt/xcat/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
XCATD = ("/opt/xcat/sbin/xcatd", "-p", "/run/xcatd.pid")
# The first process: it says that the namespaces are there, and takes on what others leave behind, as init does.
_FIRST = ("perl", "-e", '$| = 1; $SIG{CHLD} = "IGNORE"; print "there\\n"; <STDIN>')


def _missing() -> str:
    """What this machine lacks to run such a host; empty if nothing."""
    probe = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], check=False, capture_output=True)
    if probe.returncode:
        return "needs root"
    modules = ["perl", "-MDBD::Pg", "-MDBD::SQLite", "-e", "1"]
    if subprocess.run(modules, check=False, capture_output=True).returncode:
        return "needs libdbd-pg-perl and libdbd-sqlite3-perl"
    return "" if Path(POSTGRES, "initdb").exists() else "needs postgresql"


@dataclass(frozen=True, kw_only=True)
class Started:
    """A command that runs on the host meanwhile."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self) -> tuple[str, int]:
        """What else it prints, and its exit status."""
        rest, _ = self.process.communicate(timeout=SECONDS)
        return rest, self.process.returncode


@dataclass(frozen=True, kw_only=True)
class OneHost:
    """The host: the first process of its namespaces, and where its files are in there."""

    first: int
    place: Path

    def _inside(self, *argv: str) -> list[str]:
        return ["nsenter", f"--target={self.first}", "--mount", "--net", "--pid", "--uts", "--ipc", *argv]

    def _on_host(self, *argv: str, bypass: bool = False) -> list[str]:
        environment = (*ENVIRONMENT, "XCATBYPASS=1") if bypass else ENVIRONMENT
        return self._inside("chroot", str(self.place / "root"), *environment, *argv)

    def run(self, *argv: str, bypass: bool = False, text_in: str = "") -> Result:
        """A command on the host, both its outputs in `output`."""
        return _ended(self._on_host(*argv, bypass=bypass), text_in)

    @contextmanager
    def started(self, *argv: str) -> Iterator[Started]:
        """A command on the host that goes on meanwhile; it is killed if it outlives the block."""
        words = self._on_host(*argv)
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield Started(process=process)
            finally:
                process.kill()

    def must(self, *argv: str, text_in: str = "") -> str:
        """A command that works, and what it prints."""
        result = self.run(*argv, text_in=text_in)
        assert result.status == 0, (argv, result.text)
        return result.text

    def outside(self, *argv: str) -> None:
        """A command in its namespaces, with this machine's own files."""
        result = _ended(self._inside(*argv))
        assert result.status == 0, (argv, result.text)

    def write(self, path: str, content: str) -> None:
        self.must("tee", path, text_in=content)

    def names(self, place: str, pattern: str) -> list[str]:
        """The files of a directory, by name."""
        within = ("-mindepth", "1", "-maxdepth", "1", "-name", pattern)
        return sorted(self.must("find", place, *within, "-printf", r"%f\n").split())

    # --- xcatd and its database ---

    def processes(self) -> dict[int, str]:
        """Titles by pid, as a node's processes are looked at."""
        said = self.run("perl", "-", text_in=scripts.source("processes.pl"))
        return {process.pid: process.title for process in Processes().parse(said)}

    def main_pid(self) -> int:
        return int(self.must("cat", "/run/xcatd.pid"))

    def start(self) -> None:
        self.must(*XCATD)

    def stop(self) -> None:
        """As systemd does: TERM to the main process, and wait until it is gone."""
        said = self.run("cat", "/run/xcatd.pid")
        if said.status == 0 and (pid := int(said.text)) in self.processes():
            self.must("kill", str(pid))
            until(lambda: pid not in self.processes())

    def start_postgresql(self) -> None:
        self._postgres("start", "-o", f"-c listen_addresses={VIRTUAL_IP} -c unix_socket_directories=")

    def stop_postgresql(self) -> None:
        self._postgres("stop", "-m", "fast")

    def _postgres(self, *words: str) -> None:
        self.must(
            "runuser", "-u", "postgres", "--", f"{POSTGRES}/pg_ctl", "-D", DATA, "-l", f"{DATA}/log", "-w", *words
        )

    def use_postgresql(self) -> None:
        self.write("/etc/xcat/cfgloc", f"Pg:dbname=xcatdb;host={VIRTUAL_IP}|xcatadm|{PASSWORD}\n")
        self.must("chmod", "0600", "/etc/xcat/cfgloc")

    def use_sqlite(self) -> None:
        self.must("rm", "-f", "/etc/xcat/cfgloc")


def _ended(words: list[str], text_in: str = "") -> Result:
    began = time.monotonic()
    ended = subprocess.run(
        words,
        input=text_in.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=SECONDS,
    )
    return Result(status=ended.returncode, output=ended.stdout, errors=b"", seconds=time.monotonic() - began)


@contextmanager
def standing(place: Path) -> Iterator[OneHost]:
    """A host with the stand-ins, no tables, and PostgreSQL at the virtual IP with an empty xcatdb."""
    if why := _missing():
        unable(why)
    namespaces = ("--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
    with subprocess.Popen(["unshare", *namespaces, *_FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        try:
            assert keeper.stdout is not None
            assert keeper.stdout.readline() == b"there\n"
            children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()
            host = OneHost(first=int(children), place=place)
            _furnish(host)
            yield host
        finally:
            keeper.kill()


def _furnish(host: OneHost) -> None:
    place, root = host.place, host.place / "root"
    host.outside("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(place))
    host.outside("mkdir", *(str(place / name) for name in ("upper", "work", "root")))
    layers = f"lowerdir=/,upperdir={place}/upper,workdir={place}/work"
    host.outside("mount", "-t", "overlay", "-o", layers, "overlay", str(root))
    host.outside("mount", "-t", "proc", "proc", str(root / "proc"))
    host.outside("mount", "--bind", "/dev", str(root / "dev"))
    host.outside("mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(root / "run"))
    host.outside("cp", "-r", f"{STAND_INS}/.", str(root))
    programs = [str(root / one) for one in ("opt/xcat/bin", "opt/xcat/sbin", "usr/sbin/in.tftpd")]
    host.outside("chmod", "-R", "0755", *programs)
    host.outside("hostname", NAME)
    host.outside("ip", "link", "set", "lo", "up")
    host.outside("ip", "addr", "add", f"{VIRTUAL_IP}/24", "dev", "lo")
    host.must("mkdir", "-p", "/etc/xcat", "/tftpboot", "/var/backups")
    host.write("/etc/hosts", f"127.0.0.1 localhost\n{VIRTUAL_IP} {NAME}.lab {NAME}\n")
    _make_database(host)


def _make_database(host: OneHost) -> None:
    as_postgres = ("runuser", "-u", "postgres", "--")
    host.must("mkdir", "-p", "-m", "0700", DATA)
    host.must("chown", "postgres:", DATA)
    host.must(*as_postgres, f"{POSTGRES}/initdb", "-N", "-E", "UTF8", "--locale=C", "-D", DATA)
    host.must("tee", "-a", f"{DATA}/pg_hba.conf", text_in=f"host all all {VIRTUAL_IP}/32 scram-sha-256\n")
    statements = f"CREATE ROLE xcatadm LOGIN PASSWORD '{PASSWORD}'\nCREATE DATABASE xcatdb OWNER xcatadm\n"
    host.must(*as_postgres, f"{POSTGRES}/postgres", "--single", "-D", DATA, "postgres", text_in=statements)
    service = f"[xcat]\nhost={VIRTUAL_IP}\nuser=xcatadm\npassword={PASSWORD}\ndbname=xcatdb\n"
    host.write("/root/.pg_service.conf", service)
