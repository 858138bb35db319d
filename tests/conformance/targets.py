"""What the table is run against: the simulated pair, over its connections in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from uuid import uuid4

from hamn_flow.facts.services import Units
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.model.command import Command, JobState, Key, NodeName, Result
from hamn_flow.model.pair import Cluster
from hamn_flow.simulator import World, connector, standard_cluster, standard_pair
from hamn_flow.simulator.state import Hold, Mount
from hamn_flow.transport.connection import Connection, Owner
from tests.claiming import claim
from tests.conformance.row import MN1, Scene, Target, There
from tests.conformance.vocabulary import mount, prepared, start, stop, unmount

OWNER = Owner(run="conformance", driver="conformance")
HELD = "held"  # the name below a mount point of what is held there
DATABASE = "postgresql@15-main"


def there(target: Target, node: NodeName) -> There:
    """A node of a target."""
    return There(target=target, node=node, platform=SystemdLinux(node=node))


def launched(connection: Connection, command: Command) -> Result:
    """Send a command as a job over a connection, and wait for its end."""
    generation = claim(connection, OWNER)
    key = Key(f"conformance-{uuid4().hex}")
    connection.launch(key, command, generation=generation, owner=OWNER)
    job = connection.wait(key, command.deadline)
    assert job.state is JobState.DONE, f"{command.node}: {command.text} is {job.state}"
    assert job.result is not None
    return job.result


@contextmanager
def released(target: Target) -> Iterator[None]:
    """Mn1 lets go of everything, and takes it back afterwards."""
    active = there(target, MN1)
    names = [name for service in target.cluster.services for name in service.units]
    running = {unit.id: None for unit in active.get(Units(tuple(names))).values() if unit.active}
    with ExitStack() as stack:
        for unit in reversed(running):
            stack.enter_context(prepared(stop(unit), start(unit))(active))
        stack.enter_context(prepared(stop(DATABASE), start(DATABASE))(active))
        for file_system in reversed(target.cluster.file_systems):
            stack.enter_context(prepared(unmount(file_system.mount_point), mount(file_system.mount_point))(active))
        stack.enter_context(
            prepared(lambda at: at.platform.remove_address(at.vip), lambda at: at.platform.add_address(at.vip))(active)
        )
        yield


@dataclass
class Simulated:
    """The simulated pair, reached as the product reaches it; both nodes have iputils' arping, as the lab's have."""

    world: World = field(default_factory=lambda: standard_pair(arping=("iputils", "iputils")))
    cluster: Cluster = field(default_factory=standard_cluster)

    def look(self, command: Command) -> Result:
        return self._connection(command.node).look(command)

    def act(self, command: Command) -> Result:
        return launched(self._connection(command.node), command)

    def _connection(self, node: NodeName) -> Connection:
        return connector(self.world)(self.cluster.node(node))

    @contextmanager
    def hold(self, node: NodeName, kind: str, path: str) -> Iterator[None]:
        """See row.py; what is held has the name `held`, where the kind needs one."""
        state, on = self.world.state, self.world.node(node)
        name = state.locate(on, path)[0].name
        file = f"{path}/{HELD}"
        with ExitStack() as stack:
            match kind:
                case "cwd" | "root" | "stubborn" | "postgres" | "file" | "exe" | "map":
                    place = file if kind in {"file", "exe", "map"} else path
                    how = kind if kind in {"root", "file", "exe", "map"} else "cwd"
                    ignores = ("TERM",) if kind == "stubborn" else ()
                    process = self.world.hold(node, place, kind=how, user="root", ignores=ignores)
                    process.title = "postgres: somebody" if kind == "postgres" else process.title
                    stack.callback(self.world.let_go, node, process)
                case "namespace":
                    process = self.world.hold(node, "/", user="root")
                    stack.callback(self.world.let_go, node, process)
                    elsewhere = Mount(name, "", path, "ext4", "rw", own=False, pid=process.pid)
                    on.mounts.append(elsewhere)
                    stack.callback(on.mounts.remove, elsewhere)
                case "mount" | "bind":
                    place, what = (file, on.root.name) if kind == "mount" else ("/mnt", name)
                    another = Mount(what, "", place, "ext4", "rw")
                    on.mounts.append(another)
                    stack.callback(on.mounts.remove, another)
                case "loop" | "swap":
                    detail = f"/dev/loop9 of {file}" if kind == "loop" else file
                    hold = Hold(kind=kind, file_system=name, detail=detail)
                    on.loops.append(hold)
                    stack.callback(on.loops.remove, hold)
                case "nfsd":
                    stack.enter_context(prepared(start("nfs-server"), stop("nfs-server"))(there(self, node)))
                case _:
                    raise KeyError(kind)
            yield

    @contextmanager
    def hide(self, node: NodeName, path: str) -> Iterator[None]:
        """See row.py."""
        file_system, name = self.world.state.locate(self.world.node(node), path)
        file = file_system.files.pop(name, None)
        yield
        if file is not None:
            file_system.files[name] = file

    @contextmanager
    def keep(self, node: NodeName, directory: str) -> Iterator[None]:
        """See row.py; what is changed there by rows is tables."""
        file_system, name = self.world.state.locate(self.world.node(node), directory)
        before = deepcopy(file_system.databases[name])
        yield
        file_system.databases[name] = before

    def discard(self, node: NodeName, directory: str) -> None:
        """See row.py."""
        file_system, name = self.world.state.locate(self.world.node(node), directory)
        file_system.directories.pop(name, None)
        for file in [each for each in file_system.files if each.startswith(f"{name}/")]:
            del file_system.files[file]

    def forget_failure(self, node: NodeName, unit: str) -> None:
        """See row.py."""
        found = self.world.node(node).units[f"{unit}.service"]
        if found.active_state == "failed":
            found.active_state, found.sub_state = "inactive", "dead"

    def promote(self, node: NodeName, interface: str, *, on: bool) -> None:
        """See row.py."""
        self.world.node(node).promote_secondaries[interface] = on


def scene_of(scene: Scene) -> Callable[[Target], AbstractContextManager[None]]:
    """What sets a scene on a pair whose mn1 is active, and puts it back."""
    return released if scene is Scene.RELEASED else lambda _: nullcontext()
