"""The same node reached in every way there is: in memory, over a socket, by SSH, and the real launcher beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
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


@pytest.fixture(params=["memory", "socket", "ssh", "launcher"])
def dial(request: pytest.FixtureRequest, tmp_path: Path, process: WorldProcess) -> Iterator[Dial]:
    """A way to mn1, over which connection after connection can be made; `launcher` is the real one, on this machine."""
    with ExitStack() as held:
        ways: dict[str, Callable[[], Connection]] = {}
        match request.param:
            case "memory":
                connect = connector(standard_pair())
                ways["memory"] = lambda: connect(spec())
            case "socket":
                process.reset()
                ways["socket"] = lambda: connect_socket(process.directory)(spec())
            case "ssh":
                pair = held.enter_context(EmbeddedPair(tmp_path / "pair"))
                ways["ssh"] = lambda: connect_ssh(pair.cluster.nodes[0], pair.here)
            case "launcher":
                base = tmp_path / "launcher"
                ways["launcher"] = lambda: connect_local(spec(), base=str(base))

        def connect_anew() -> Connection:
            connection = ways[request.param]()
            held.callback(connection.close)
            return connection

        yield connect_anew
