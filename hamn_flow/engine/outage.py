"""The outage meter: while a driver sits over a run, a thread knocks at xcatd's port of the virtual IP.

It sees what a client beside the driver sees, to within a pause between two knocks, or `PATIENCE` while nothing
answers. It never delays the run, and what goes wrong with it never reaches the run: it is recorded as not measured.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH
from ipaddress import ip_address
from threading import Event as Flag
from threading import Thread

from hamn_flow.cluster import services
from hamn_flow.engine.act import Acting
from hamn_flow.engine.world import Knock
from hamn_flow.model.events import Event, Knocked, NotMeasured
from hamn_flow.model.outage import Answer
from hamn_flow.model.pair import Cluster, NodeSpec

PATIENCE = 0.3  # seconds for an answer: a second try of the kernel's own would come after one second
MOST_CHANGES = 200  # in one sitting: a port that lets only so many connections in would fill the journal
_LEAVING = 5.0  # seconds: far longer than the last knock and its commit take

_AWAY = {EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH}
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def knock_by_tcp(address: str, port: int, seconds: float) -> Answer:
    """Connect and leave at once, by a reset: no connection lingers on either side. OSError if this machine cannot."""
    try:
        with socket.create_connection((address, port), timeout=seconds) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    except (ConnectionRefusedError, ConnectionResetError):
        return Answer.ADDRESS
    except TimeoutError:
        return Answer.NOTHING
    except OSError as error:
        if error.errno in _AWAY:
            return Answer.NOTHING
        raise
    return Answer.XCATD


@contextmanager
def measuring(acting: Acting) -> Iterator[None]:
    """Measure meanwhile, if the world says how to knock."""
    if acting.world.knock is None:
        yield
        return
    meter = _Meter(acting=acting, knock=acting.world.knock)
    meter.begin()
    try:
        yield
    finally:
        meter.end()


def port_of(cluster: Cluster) -> int:
    """The TCP port that clients reach xcatd at, as the cluster's services say, or else as xCAT's defaults do."""
    own = [service for service in cluster.services if service.name == "xcatd"]
    ports = [port for service in (*own, services.KNOWN["xcatd"]) for port in service.ports]
    return int(next(port for port in ports if port.startswith("tcp/")).removeprefix("tcp/"))


def out_of_sight(cluster: Cluster) -> str | None:
    """Why the virtual IP cannot be seen from this machine; None if it may be.

    Nodes behind loopback (a tunnel, a simulated pair) are in another network, where it lies; what has its address in
    this one is a stranger.
    """
    if all(_behind_loopback(node) for node in cluster.nodes):
        return "both nodes are reached through this machine's loopback, and the virtual IP is not there"
    return None


def _behind_loopback(node: NodeSpec) -> bool:
    host = node.ssh.host or node.address
    if node.ssh.local:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(kw_only=True)
class _Meter:
    """One sitting's knocks, never more than one under way."""

    acting: Acting
    knock: Knock
    _over: Flag = field(default_factory=Flag)
    _thread: Thread | None = None
    _left: bool = False

    def begin(self) -> None:
        """Knock from now on, beside everything else."""
        reason = out_of_sight(self.acting.links.cluster)
        if reason is not None:
            self._give_up(reason)
            return
        thread = Thread(target=self._measure, name="outage meter", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread is to be had
            self._give_up(str(error))
        else:
            self._thread = thread

    def end(self) -> None:
        """Knock no more; what the last knock found is recorded."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_LEAVING)
        self._left = True

    def _measure(self) -> None:
        try:
            reason = self._knock_until_over()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the run goes on
            reason = str(error) or type(error).__name__
        if reason:
            self._give_up(reason)

    def _knock_until_over(self) -> str:
        """Knock at least once; the reason why it was given up before the end, or nothing."""
        last = recorded = self._knocked(first=True)
        self._record(last)
        changes = 0
        while not self._over.wait(self.acting.world.knock_pause):
            last = self._knocked()
            if last.answer is not recorded.answer:
                changes += 1
                if changes > MOST_CHANGES:
                    return f"what answers at the virtual IP changed more than {MOST_CHANGES} times"
                self._record(last)
                recorded = last
        if last is not recorded:
            self._record(last)
        return ""

    def _knocked(self, *, first: bool = False) -> Knocked:
        cluster, at = self.acting.links.cluster, self.acting.world.clock()
        answer = self.knock(cluster.virtual_ip.address, port_of(cluster), PATIENCE)
        return Knocked(run=self.acting.run, knocked_at=at, answer=answer, first=first)

    def _record(self, event: Event) -> None:
        if not self._left:
            self.acting.record(event)

    def _give_up(self, reason: str) -> None:
        with suppress(Exception):  # a journal that cannot be written is the run's own trouble, and it says so
            self._record(NotMeasured(run=self.acting.run, reason=reason))
