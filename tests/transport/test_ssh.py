"""SSH as OpenSSH's own server and files have it: whom we trust, and how we get there."""

from __future__ import annotations

import base64
import getpass
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hamn_flow.errors import Refused, Unreachable, UntrustedHost
from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import NodeSpec, Ssh
from hamn_flow.transport import connect, trust
from hamn_flow.transport.here import Here
from tests.ports import LOOPBACK
from tests.transport.sshd import PROGRAM, Sshd

NODE = NodeName("mn1")
TRUE = Command(node=NODE, argv=("true",))
KIND = "ssh-ed25519"
ELSEWHERE = base64.b64encode(b"\0\0\0\x0b" + KIND.encode() + b"\0\0\0\x20" + bytes(range(32))).decode()

pytestmark = pytest.mark.sshd


def with_config(here: Here, folder: Path, text: str, known: str = "") -> Here:
    config = folder / "config"
    config.write_text(text)
    more = folder / "more_known_hosts"
    more.write_text(known)
    return Here(**{**vars(here), "config": config, "known_hosts": (*here.known_hosts, more)})


def works(spec: NodeSpec, here: Here) -> bool:
    node = connect(spec, here)
    try:
        return node.look(TRUE).status == 0
    finally:
        node.close()


def test_an_unknown_host_key_is_refused(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UntrustedHost, match=r"is not known \(ssh-ed25519 SHA256:") as raised:
        connect(sshd.spec(), sshd.here(base, known_hosts=tmp_path / "none"))
    assert "hamn-flow trust" in raised.value.hint
    assert list(base.iterdir()) == []


def test_a_changed_host_key_is_refused(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[{LOOPBACK}]:{sshd.port} ssh-ed25519 {ELSEWHERE}\n")
    with pytest.raises(UntrustedHost, match="is not the one that is known"):
        connect(sshd.spec(), sshd.here(base, known_hosts=known))
    assert list(base.iterdir()) == []


def test_trust_shows_what_ssh_keygen_shows_and_records_it(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    path = tmp_path / "state" / "known_hosts"
    here = sshd.here(base, known_hosts=path)
    key = trust.fetch(sshd.spec(), here)
    shown = subprocess.run(
        ("ssh-keygen", "-lf", str(sshd.directory / "host_key.pub")), capture_output=True, text=True, check=True
    )
    assert key.fingerprint == shown.stdout.split()[1]
    assert key.standing is trust.Standing.UNKNOWN

    trust.record(key, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert trust.fetch(sshd.spec(), here).standing is trust.Standing.KNOWN
    assert works(sshd.spec(), here)
    found = subprocess.run(("ssh-keygen", "-F", key.name, "-f", str(path)), capture_output=True, check=False)
    assert found.returncode == 0  # OpenSSH reads it as well

    other = f"mn9 ssh-ed25519 {ELSEWHERE}\n"
    path.write_text(f"{key.name} ssh-ed25519 {ELSEWHERE}\n{other}")
    changed = trust.fetch(sshd.spec(), here)
    assert changed.standing is trust.Standing.CHANGED
    with pytest.raises(UntrustedHost, match="is known by another host key"):
        trust.record(changed, path)
    trust.record(changed, path, replace=True)
    assert path.read_text() == other + key.line
    assert works(sshd.spec(), here)


def test_a_file_of_known_hosts_that_makes_no_sense_is_refused(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"mn1 {KIND} {ELSEWHERE[:-7]}\n")
    with pytest.raises(Refused, match=f"{known} cannot be read: .*mn1 {KIND}"):
        connect(sshd.spec(), sshd.here(base, known_hosts=known))


def test_a_host_whose_key_is_hashed_in_known_hosts_is_known(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(sshd.known_hosts.read_text())
    subprocess.run(("ssh-keygen", "-H", "-f", str(known)), capture_output=True, check=True)
    assert "127.0.0.1" not in known.read_text()
    assert works(sshd.spec(), sshd.here(base, known_hosts=known))


def test_the_ssh_configuration_is_followed(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    text = (
        f"Host mn-alias\n  HostName {LOOPBACK}\n  Port {sshd.port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {sshd.identity}\n  IdentitiesOnly yes\n"
    )
    here = with_config(sshd.here(base), tmp_path, text)
    assert works(NodeSpec(name=NODE, address="mn-alias"), here)
    assert works(NodeSpec(name=NODE, address="192.0.2.1", ssh=Ssh(host="mn-alias")), here)


def test_a_condition_by_a_program_is_understood(tmp_path: Path) -> None:
    """paramiko asks invoke to run it, which is otherwise not imported at all, nor what comes with it."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hamn_flow.model.pair import NodeSpec\n"
        "from hamn_flow.transport.ssh import read_config, target_of\n"
        "target = target_of(NodeSpec(name='mn1', address='mn-alias'), read_config(Path(sys.argv[1])))\n"
        "print(target.port, 'invoke' in sys.modules)\n"
    )

    def said(text: str) -> str:
        (tmp_path / "config").write_text(text)
        argv = (sys.executable, "-c", program, str(tmp_path / "config"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ended = subprocess.run(
            argv, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        return ended.stdout.strip()

    assert said("Match host mn-alias\n  Port 2201\n") == "2201 False"
    assert said('Match exec "false"\n  Port 1\nMatch host mn-alias exec "true"\n  Port 2202\n') == "2202 True"


def test_a_proxy_jump_is_gone_through_and_its_host_keys_are_checked_too(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    key = sshd.known_hosts.read_text().split(maxsplit=1)[1]
    text = (
        f"Host *\n  User {getpass.getuser()}\n  IdentityFile {sshd.identity}\n"
        f"Host behind\n  HostName {LOOPBACK}\n  Port {sshd.port}\n  HostKeyAlias behind\n  ProxyJump first,second\n"
        f"Host first second\n  HostName {LOOPBACK}\n  Port {sshd.port}\n"
        "Host first\n  HostKeyAlias first\n"
    )
    spec = NodeSpec(name=NODE, address="behind")
    assert works(spec, with_config(sshd.here(base), tmp_path, text, f"behind {key}first {key}"))
    with pytest.raises(UntrustedHost, match="the host key of behind is not known"):
        connect(spec, with_config(sshd.here(base), tmp_path, text, f"first {key}"))
    with pytest.raises(UntrustedHost, match="the host key of first is not known"):
        connect(spec, with_config(sshd.here(base), tmp_path, text, f"behind {key}"))
    loop = text + "Host round\n  HostName 127.0.0.1\n  ProxyJump round\n"
    with pytest.raises(Refused, match="is it its own ProxyJump"):
        connect(NodeSpec(name=NODE, address="round"), with_config(sshd.here(base), tmp_path, loop))


def test_a_proxy_command_is_used(sshd: Sshd, base: Path, tmp_path: Path) -> None:
    key = sshd.known_hosts.read_text().split(maxsplit=1)[1]
    text = (
        f"Host piped\n  User {getpass.getuser()}\n  IdentityFile {sshd.identity}\n"
        f"  ProxyCommand {PROGRAM} -i -f {sshd.config} -E {tmp_path}/log\n"
    )
    assert works(NodeSpec(name=NODE, address="piped"), with_config(sshd.here(base), tmp_path, text, f"piped {key}"))


def test_an_agent_is_asked(sshd: Sshd, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "agent"
    with subprocess.Popen(("ssh-agent", "-D", "-a", str(place)), stdout=subprocess.PIPE) as agent:
        assert agent.stdout
        agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        monkeypatch.setenv("HOME", str(tmp_path))
        subprocess.run(("ssh-add", "-q", str(sshd.identity)), check=True)
        spec = NodeSpec(name=NODE, address=LOOPBACK, ssh=Ssh(port=sshd.port, user=getpass.getuser()))
        assert works(spec, sshd.here(base))
        agent.terminate()


def test_who_is_not_let_in_is_told_what_to_do(
    sshd: Sshd, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")), check=True)
    ssh = Ssh(host=LOOPBACK, port=sshd.port, identity_file=str(tmp_path / "other"))
    with pytest.raises(Unreachable, match="does not let us in") as raised:
        connect(NodeSpec(name=NODE, address=LOOPBACK, ssh=ssh), sshd.here(base))
    assert "identity_file" in raised.value.hint


def test_a_port_that_nobody_listens_on_is_unreachable(sshd: Sshd, base: Path) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1\) cannot be reached: .*refused"):
        connect(sshd.spec(port=1), sshd.here(base))


def test_a_server_that_never_says_who_it_is_is_given_up(sshd: Sshd, base: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as mute:
        here = Here(**{**vars(sshd.here(base)), "connect": 0.5, "attempts": 1})
        with pytest.raises(Unreachable, match="cannot be reached"):
            connect(sshd.spec(port=mute.getsockname()[1]), here)


def test_without_ssh_paramiko_is_not_even_imported() -> None:
    program = "import sys, hamn_flow.transport.local, hamn_flow.transport.here; sys.exit('paramiko' in sys.modules)"
    subprocess.run(
        (sys.executable, "-c", program), check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
