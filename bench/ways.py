"""Four ways to run `true` on two hosts, on either in turn: hamn-flow, a shell script, ansible and pyinfra."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.hosts import NAMES, Hosts
from bench.workflows.twenty_times_nothing import STEPS
from tests.ports import LOOPBACK

ROOT = Path(__file__).parents[1]
TURNS = tuple(NAMES[number % 2] for number in range(STEPS))


@dataclass(frozen=True, kw_only=True)
class Way:
    """What is typed, and what lets go of the connections that it leaves behind."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    afterwards: Callable[[], None] = lambda: None


def hamn_flow(hosts: Hosts) -> Way:
    """A run of a procedure of the site's own, with a journal on the disk."""
    cluster = hosts.folder / "cluster.toml"
    cluster.write_text(hosts.cluster_toml)
    return Way(
        argv=(
            *(sys.executable, "-c", "from hamn_flow.cli.main import program; program()"),  # as the installed script
            *("--cluster", str(cluster), "--journal", str(journal_of(hosts))),
            *("--workflows", str(ROOT / "bench" / "workflows")),
            *("start", "twenty-times-nothing", "--yes"),
        ),
        environment={**hosts.environment, "PYTHONPATH": str(ROOT)},
    )


def journal_of(hosts: Hosts) -> Path:
    """Where hamn-flow's runs are kept."""
    return hosts.folder / "journal.db"


def script(hosts: Hosts) -> Way:
    """A shell script of one ssh after the other; the first one to a host makes the connection that all share."""
    sockets = {name: f"{hosts.folder}/{name}.ssh" for name in NAMES}
    lines = [shlex.join(("ssh", *_options(hosts, name), "-S", sockets[name], LOOPBACK, "true")) for name in TURNS]
    return Way(
        argv=("/bin/sh", "-ec", "\n".join(lines)),
        environment=hosts.environment,
        afterwards=lambda: _let_go(tuple(sockets.values())),
    )


def ansible(hosts: Hosts) -> Way:
    """A playbook of 20 tasks, at its quickest: pipelined, its connections kept, nothing gathered or searched for."""
    sockets = hosts.folder / "ansible-sockets"
    sockets.mkdir()
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    lines = [
        f"{name} ansible_host={LOOPBACK} ansible_port={server.port} ansible_user={hosts.user} "
        f"ansible_ssh_private_key_file={server.identity} ansible_python_interpreter={python}\n"
        for name, server in hosts.servers.items()
    ]
    (hosts.folder / "inventory.ini").write_text("".join(lines))
    tasks = [f"    - command: 'true'\n      delegate_to: {name}\n" for name in TURNS]
    playbook = f"- hosts: {NAMES[0]}\n  gather_facts: false\n  tasks:\n{''.join(tasks)}"
    (hosts.folder / "playbook.yml").write_text(playbook)
    own = hosts.folder / "ansible"
    return Way(
        argv=(peers.program("ansible-playbook"), "-i", "inventory.ini", "playbook.yml"),
        environment={
            **hosts.environment,
            "ANSIBLE_HOME": str(own),
            "ANSIBLE_LOCAL_TEMP": str(own / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(own / "remote"),
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_SSH_ARGS": shlex.join((*_settings(hosts), "-o", "ControlMaster=auto", "-o", "ControlPersist=60")),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        },
        afterwards=lambda: _let_go([str(path) for path in sockets.iterdir()]),
    )


def pyinfra(hosts: Hosts) -> Way:
    """A deploy of 20 operations."""
    inventory = [
        (
            name,
            {
                "ssh_hostname": LOOPBACK,
                "ssh_port": server.port,
                "ssh_user": hosts.user,
                "ssh_key": str(server.identity),
                "ssh_known_hosts_file": str(hosts.known),
                "ssh_config_file": str(hosts.folder / "no_config"),
            },
        )
        for name, server in hosts.servers.items()
    ]
    (hosts.folder / "inventory.py").write_text(f"hosts = {inventory!r}\n")
    lines = [f'if host.name == "{name}":\n    server.shell(commands=["true"])\n' for name in TURNS]
    text = f"from pyinfra import host\nfrom pyinfra.operations import server\n\n{''.join(lines)}"
    (hosts.folder / "deploy.py").write_text(text)
    argv = (peers.program("pyinfra"), "-y", "inventory.py", "deploy.py")
    return Way(argv=argv, environment=hosts.environment)


def _settings(hosts: Hosts) -> tuple[str, ...]:
    return ("-F", "/dev/null", "-o", f"UserKnownHostsFile={hosts.known}", "-o", "BatchMode=yes")


def _options(hosts: Hosts, name: str) -> tuple[str, ...]:
    server = hosts.servers[name]
    shared = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60")
    return (*_settings(hosts), *shared, "-i", str(server.identity), "-p", str(server.port), "-l", hosts.user)


def _let_go(sockets: Sequence[str]) -> None:
    """End the connections behind these sockets, so that the next round makes its own."""
    for path in sockets:
        subprocess.run(  # noqa: S603 - ssh with words of our own
            ("ssh", "-F", "/dev/null", "-S", path, "-O", "exit", LOOPBACK),  # noqa: S607 - the same ssh as the script's
            check=True,
            capture_output=True,
            timeout=30,
        )
