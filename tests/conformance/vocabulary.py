"""What rows are made of: commands by a short name, states that are set up and put back, and what is seen afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from hamn_flow.facts.network import Addresses, HostName, ListeningPorts, Nameservers
from hamn_flow.facts.services import Processes, Unit, Units
from hamn_flow.facts.storage import BlockDevice, Directories, Holders, Mount, Mounts, mount_at
from hamn_flow.model.pair import VirtualIp
from tests.conformance.row import Given, Reading, Saying, There

PATIENCE = 60.0  # seconds

# --- commands


def mount(point: str) -> Saying:
    return lambda there: there.platform.mount(there.file_system(point))


def unmount(point: str) -> Saying:
    return lambda there: there.platform.unmount(point)


def start(unit: str) -> Saying:
    return lambda there: there.platform.start_unit(unit)


def begin(unit: str) -> Saying:
    return lambda there: there.platform.begin_unit(unit)


def stop(unit: str) -> Saying:
    return lambda there: there.platform.stop_unit(unit)


def hold(unit: str) -> Saying:
    return lambda there: there.platform.hold_unit(unit)


def release(unit: str) -> Saying:
    return lambda there: there.platform.release_unit(unit)


def write(path: str, text: str) -> Saying:
    return lambda there: there.platform.write_file(path, text)


def remove(path: str) -> Saying:
    return lambda there: there.platform.remove_file(path)


# --- what is set up, and put back


def prepared(do: Saying, undo: Saying) -> Given:
    """A command beforehand, and the one that leads back afterwards."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        there.do(do(there))
        try:
            yield
        finally:
            there.do(undo(there))

    return given


def afterwards(command: Saying) -> Given:
    """A command that leads back, when all else has been put back."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        try:
            yield
        finally:
            there.do(command(there))

    return given


def mounted(point: str) -> Given:
    """A shared file system mounted beforehand, and unmounted afterwards where the row has not done it."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        there.do(mount(point)(there))
        try:
            yield
        finally:
            if is_mounted(point)(there):
                there.do(unmount(point)(there))

    return given


def with_file(path: str, text: str) -> Given:
    return prepared(write(path, text), remove(path))


def held(kind: str, path: str) -> Given:
    def given(there: There) -> AbstractContextManager[object]:
        return there.target.hold(there.node, kind, path)

    return given


def with_addresses(*addresses: VirtualIp) -> Given:
    """Addresses put up beforehand (none named: the virtual IP), and taken off afterwards where they are still there."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        wanted = addresses or (there.vip,)
        for address in wanted:
            there.do(there.platform.add_address(address))
        try:
            yield
        finally:
            for address in wanted:
                if address.address in {each.address for each in there.get(Addresses())}:
                    there.do(there.platform.remove_address(address))

    return given


def without(path: str) -> Given:
    """A file that is not there for a while."""
    return lambda there: there.target.hide(there.node, path)


def kept(directory: str) -> Given:
    """A directory that is afterwards as it was."""
    return lambda there: there.target.keep(there.node, directory)


def forgetting_failure(unit: str) -> Given:
    """A unit that the row makes fail, inactive again afterwards."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        yield
        there.target.forget_failure(there.node, unit)

    return given


def unable(unit: str, *, lacking: str) -> Given:
    """A unit that cannot be started, because a file that it needs is not there."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        with forgetting_failure(unit)(there), without(lacking)(there):
            yield

    return given


def refused(command: Saying) -> Given:
    """A command beforehand that fails."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        assert there.target.act(command(there)).status != 0
        yield

    return given


def promoting(*, on: bool) -> Given:
    """Secondary addresses outlive their primary one, or they do not."""

    @contextmanager
    def given(there: There) -> Iterator[None]:
        interface = there.vip.interface
        before = (there.target.look(there.platform.run("cat", _setting(interface)))).text.strip() == "1"
        there.target.promote(there.node, interface, on=on)
        try:
            yield
        finally:
            there.target.promote(there.node, interface, on=before)

    return given


def _setting(interface: str) -> str:
    return f"/proc/sys/net/ipv4/conf/{interface}/promote_secondaries"


# --- what is seen


def named(name: str, reading: Reading) -> Reading:
    """The reading under the name that a failure shows."""
    reading.__qualname__ = name
    return reading


def is_mounted(point: str) -> Reading:
    return named(f"is_mounted({point})", lambda there: mount_at(there.get(Mounts()), point) is not None)


def the_mount(point: str, read: Callable[[Mount], object]) -> Reading:
    def reading(there: There) -> object:
        mount = mount_at(there.get(Mounts()), point)
        return read(mount) if mount else None

    return named(f"the_mount({point})", reading)


def the_device(point: str) -> Reading:
    """`absent`, `free`, or `held`: whether the node has let go of the disk."""

    def reading(there: There) -> object:
        device = there.get(BlockDevice(there.file_system(point).device))
        return "absent" if not device.present else "free" if device.free else "held"

    return named(f"the_device({point})", reading)


def holders(there: There, point: str) -> Holders:
    """The question who holds a shared file system."""
    return Holders(point, there.get(BlockDevice(there.file_system(point).device)).number)


def the_addresses(there: There) -> object:
    """Address, prefix, label and whether it is secondary, but for the loopback's."""
    return {
        (each.address, each.prefix, each.label, each.secondary)
        for each in there.get(Addresses())
        if each.interface != "lo"
    }


def the_unit(name: str, read: Callable[[Unit], object] = lambda unit: (unit.load_state, unit.active_state)) -> Reading:
    return named(f"the_unit({name})", lambda there: read(there.get(Units((name,)))[name]))


def the_kind(path: str) -> Reading:
    """What there is at a path, in stat's words; nothing if it is not there."""
    command = Directories((path,)).command
    return named(f"the_kind({path})", lambda there: there.target.look(command(there.platform)).text.partition("|")[0])


def listens(port: str) -> Reading:
    return named(f"listens({port})", lambda there: port in there.get(ListeningPorts()))


def runs(title: str) -> Reading:
    """Whether there is a process whose title begins so."""
    return named(f"runs({title})", lambda there: any(each.title.startswith(title) for each in there.get(Processes())))


def the_host_name(there: There) -> object:
    return there.get(HostName())


def the_nameservers(there: There) -> object:
    return there.get(Nameservers()).nameservers


def soon(reading: Reading, expected: object) -> tuple[Reading, object]:
    """What becomes so within moments: a signal is sent at once, but its receiver ends a little later."""

    def patient(there: There) -> object:
        until = time.monotonic() + PATIENCE
        while (seen := reading(there)) != expected and time.monotonic() < until:
            time.sleep(0.05)
        return seen

    return named(reading.__qualname__, patient), expected
