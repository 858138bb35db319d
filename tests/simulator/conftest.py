"""The same node reached in every way there is: in memory, over a socket, by SSH, and the real launcher beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import NodeSpec
from hamn_flow.simulator import connector, standard_cluster, standard_pair
from hamn_flow.simulator.embedded import EmbeddedPair
from hamn_flow.simulator.world_process import WorldProcess, connect_socket
from hamn_flow.transport.connection import Connection
from hamn_flow.transport.local import connect_local
from hamn_flow.transport.ssh import connect_ssh
from tests.full_disk import without_room

MN1, MN2 = NodeName("mn1"), NodeName("mn2")

Dial = Callable[[], Connection]


def command(*argv: str, script: str = "", deadline: float = 10.0) -> Command:
    return Command(node=MN1, argv=argv, script=script, deadline=deadline)


def spec(name: str = "mn1") -> NodeSpec:
    return standard_cluster().node(NodeName(name))


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorldProcess]:
    """One world in a process of its own for all tests; each begins with `reset`."""
    with WorldProcess(tmp_path_factory.mktemp("world")) as running:
        yield running


@dataclass(frozen=True)
class Way:
    """A way to mn1, over which connection after connection can be made, and one to fill its disk for a run's copy."""

    dial: Dial
    fill: Callable[[str], None]


@pytest.fixture(params=["memory", "socket", "ssh", "launcher"])
def way(request: pytest.FixtureRequest, tmp_path: Path, process: WorldProcess) -> Iterator[Way]:
    """Each of them; `launcher` is the real one, on this machine."""
    with ExitStack() as held:
        ways: dict[str, Way] = {}
        match request.param:
            case "memory":
                world = standard_pair()
                connect = connector(world)
                ways["memory"] = Way(lambda: connect(spec()), lambda _run: world.fill("mn1"))
            case "socket":
                process.reset()
                ways["socket"] = Way(
                    lambda: connect_socket(process.directory)(spec()), lambda _run: process.fill("mn1")
                )
            case "ssh":
                pair = held.enter_context(EmbeddedPair(tmp_path / "pair"))
                ways["ssh"] = Way(
                    lambda: connect_ssh(pair.cluster.nodes[0], pair.here), lambda _run: pair.world.fill("mn1")
                )
            case "launcher":
                base = tmp_path / "launcher"
                ways["launcher"] = Way(
                    lambda: connect_local(spec(), base=str(base)),
                    lambda run: held.enter_context(without_room(base / "copies" / f"{run}.copy")),
                )

        def connect_anew() -> Connection:
            connection = ways[request.param].dial()
            held.callback(connection.close)
            return connection

        yield Way(connect_anew, ways[request.param].fill)


@pytest.fixture
def dial(way: Way) -> Dial:
    """Connections to mn1."""
    return way.dial
