"""The launcher by SSH: paramiko, with what it does not do by itself.

A socket of our own (paramiko leaves Nagle's delay on: 48 ms a command, without 4), a limit on every wait, host keys
that must be known, ~/.ssh/config with ProxyJump and ProxyCommand. One channel carries everything: nothing is ever
started anew on a connection that is in use (paramiko issues 1115, 1584, 1705).
"""

from __future__ import annotations

import getpass
import logging
import socket
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import tenacity

from hamn_flow.errors import Refused, Unreachable, UntrustedHost
from hamn_flow.model.pair import NodeSpec
from hamn_flow.transport.child import Child
from hamn_flow.transport.here import Here
from hamn_flow.transport.quick_paramiko import paramiko, ready_for
from hamn_flow.transport.session import STREAM_TIMEOUT, Session, program
from hamn_flow.transport.wire import Bootstrap

_PIECE = 256 * 1024
_MOST_JUMPS = 8
# A peer that has died without a word is noticed by the kernel after 30 s (the session notices it as well, but
# paramiko's own exchanges have no limit): idle time, interval and number of probes; unacknowledged data in ms.
_TCP = {
    socket.TCP_NODELAY: 1,
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 30_000,
}

# What goes wrong is raised and said once; without this, paramiko's threads print it as well.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, kw_only=True)
class Target:
    """One SSH server to be reached, as the cluster file and ~/.ssh/config say."""

    host: str
    port: int
    user: str
    alias: str = ""  # HostKeyAlias
    identity_files: tuple[str, ...] = ()
    agent: bool = True
    jump: tuple[str, ...] = ()
    proxy_command: str = ""

    @property
    def known_as(self) -> str:
        """The name in known_hosts."""
        if self.alias or self.port == paramiko.config.SSH_PORT:
            return self.alias or self.host
        return f"[{self.host}]:{self.port}"


class _Channel:
    """A `Stream` over an SSH channel."""

    def __init__(self, channel: paramiko.Channel, held: ExitStack) -> None:
        channel.settimeout(STREAM_TIMEOUT)
        self._channel = channel
        self._held = held

    def send(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except (EOFError, paramiko.SSHException) as error:  # from the transport below, where a socket has OSError
            raise OSError(str(error) or "it hung up") from error

    def receive(self) -> bytes:
        data: bytes = self._channel.recv(_PIECE)
        return data

    def hang_up(self) -> None:
        # Not the channel alone: that says goodbye to the peer, and waits where the peer is dead.
        self._channel.get_transport().close()

    def close(self) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):  # the goodbye of a way whose other end is gone
            self._held.close()

    def last_words(self) -> str:
        words = bytearray()
        self._channel.settimeout(1.0)
        with suppress(TimeoutError):
            while piece := self._channel.recv_stderr(_PIECE):
                words += piece
        return words.decode(errors="replace")


def read_config(path: Path) -> paramiko.SSHConfig:
    """The user's SSH configuration, empty if there is none; Refused if it cannot be understood."""
    try:
        text = path.read_text()
        ready_for(text)
        return paramiko.SSHConfig.from_text(text)
    except FileNotFoundError:
        return paramiko.SSHConfig()
    except (OSError, UnicodeDecodeError, paramiko.ConfigParseError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error


def target_of(spec: NodeSpec, config: paramiko.SSHConfig) -> Target:
    """Where a node is reached; what the cluster file says goes before ~/.ssh/config."""
    ssh = spec.ssh
    return _target(ssh.host or spec.address, config, port=ssh.port, user=ssh.user, identity_file=ssh.identity_file)


def _target(name: str, config: paramiko.SSHConfig, *, port: int = 0, user: str = "", identity_file: str = "") -> Target:
    said = config.lookup(name)
    files = [identity_file] if identity_file else said.get("identityfile", [])
    jump, command = said.get("proxyjump", ""), said.get("proxycommand", "")
    return Target(
        host=said["hostname"],
        port=port or int(said.get("port", paramiko.config.SSH_PORT)),
        user=user or said.get("user") or getpass.getuser(),
        alias=said.get("hostkeyalias", ""),
        identity_files=tuple(str(Path(file).expanduser()) for file in files),
        agent=said.get("identitiesonly", "no").lower() != "yes",
        jump=() if jump.lower() in {"", "none"} else tuple(hop.strip() for hop in jump.split(",")),
        proxy_command="" if command.lower() == "none" else command,
    )


def _hop(text: str, config: paramiko.SSHConfig) -> Target:
    """One `[user@]host[:port]` of a ProxyJump."""
    user, _, place = text.removeprefix("ssh://").rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit():
        host, port = place, "0"
    return _target(host.strip("[]"), config, port=int(port), user=user)


def dial(target: Target, here: Here, held: ExitStack, *, depth: int = 0) -> socket.socket | paramiko.Channel:
    """A way for bytes to the server: TCP, a ProxyCommand, or a channel of the last ProxyJump host."""
    if depth > _MOST_JUMPS:
        raise Refused(f"{target.host} is reached over more than {_MOST_JUMPS} other hosts; is it its own ProxyJump?")
    if target.jump:
        config = read_config(here.config)
        *earlier, last = target.jump
        hop = _hop(last, config)
        if earlier:
            hop = Target(**{**vars(hop), "jump": tuple(earlier)})
        transport = log_in(hop, here, held, depth=depth + 1).get_transport()
        way: paramiko.Channel = transport.open_channel(
            "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=here.connect
        )
        held.callback(way.close)
        return way
    if target.proxy_command:
        # As ssh(1) does: the user's own line, in the user's own words, for a shell.
        child = Child.start(("/bin/sh", "-c", f"exec {target.proxy_command}"))
        held.callback(child.close)
        return child.socket
    way = socket.create_connection((target.host, target.port), here.connect)
    held.callback(way.close)
    way.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP.items():
        way.setsockopt(socket.IPPROTO_TCP, option, value)
    return way


class _Refuse(paramiko.MissingHostKeyPolicy):  # type: ignore[misc] # paramiko has no types
    """Keys that nobody has vouched for are refused."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> NoReturn:
        del client
        raise UntrustedHost(
            f"the host key of {hostname} is not known ({key.get_name()} {key.fingerprint})",
            hint="Type `hamn-flow trust` to compare its fingerprint with the node's own and to record it.",
        )


def load_known_hosts(keys: paramiko.HostKeys, here: Here) -> None:
    """Read the files of known hosts that there are; Refused if one cannot be understood."""
    for path in here.known_hosts:
        try:
            keys.load(str(path))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, paramiko.hostkeys.InvalidHostKey) as error:
            raise Refused(f"{path} cannot be read: {error}") from error


def log_in(target: Target, here: Here, held: ExitStack, *, depth: int = 0) -> paramiko.SSHClient:
    """An authenticated connection to a server whose host key is known."""
    way = dial(target, here, held, depth=depth)
    client = paramiko.SSHClient()
    held.callback(client.close)
    load_known_hosts(client.get_host_keys(), here)
    client.set_missing_host_key_policy(_Refuse())
    try:
        client.connect(
            target.alias or target.host,
            paramiko.config.SSH_PORT if target.alias else target.port,
            username=target.user,
            key_filename=list(target.identity_files),
            look_for_keys=not target.identity_files,
            allow_agent=target.agent,
            sock=way,
            timeout=here.connect,
            banner_timeout=here.connect,
            auth_timeout=here.connect,
            channel_timeout=here.connect,
        )
    except paramiko.BadHostKeyException as error:
        raise UntrustedHost(
            f"the host key of {target.known_as} is not the one that is known: "
            f"now it is {error.key.get_name()} {error.key.fingerprint}",
            hint="Find out why before anything else: was the node installed anew, or is this another machine? "
            "Type `hamn-flow trust --replace` once the new fingerprint has been compared.",
        ) from error
    return client


def connect_ssh(spec: NodeSpec, here: Here) -> Session:
    """A connection by SSH. Connecting is tried again, boundedly; nothing that comes after is."""
    target = target_of(spec, read_config(here.config))
    where = f"{spec.name} ({target.user}@{target.host}:{target.port})"
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_passing),
        stop=tenacity.stop_after_attempt(here.attempts),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    )
    try:
        return again(_connect, spec, target, here)
    except paramiko.AuthenticationException as error:
        raise Unreachable(
            f"{where} does not let us in: {error}",
            hint="Name a key in the cluster file (`identity_file`) or in ~/.ssh/config, or load it into ssh-agent.",
        ) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise Unreachable(
            f"{where} cannot be reached: {error or 'it hung up'}",
            hint=f"Type `ssh {target.host}` to see what is wrong with the way to it.",
        ) from error


def _passing(error: BaseException) -> bool:
    """Whether another attempt may go better."""
    lasting = (paramiko.AuthenticationException, paramiko.BadHostKeyException, FileNotFoundError)
    return isinstance(error, OSError | EOFError | paramiko.SSHException) and not isinstance(error, lasting)


def _connect(spec: NodeSpec, target: Target, here: Here) -> Session:
    bootstrap = Bootstrap.of(program(), base=here.base, sudo=spec.ssh.sudo)
    with ExitStack() as held:
        transport = log_in(target, here, held).get_transport()
        # `exec_command` waits for the server's consent without a limit.
        limit = threading.Timer(here.connect, transport.close)
        limit.start()
        try:
            channel = transport.open_session(timeout=here.connect)
            channel.exec_command(bootstrap.command)
        finally:
            limit.cancel()
        return Session(spec.name, _Channel(channel, held.pop_all()), patience=here.patience)
    raise AssertionError  # ExitStack swallows nothing
