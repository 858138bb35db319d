"""The lab's stand-ins say what a real xCAT 2.19.0 said, and take as long as it took at least.

On one host that is brought into each state, and on the lab's pair what needs other daemons or systemd.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.lab.place import Lab
from hamn_flow.model.command import NodeName
from tests.conformance.real import Real
from tests.conformance.row import MN1, MN2
from tests.lab.one_host import NAME, OneHost, standing
from tests.lab.transcript import Transcript, transcripts

pytestmark = pytest.mark.lab

NODE = ("groups=compute,all", "mac=aa:bb:cc:dd:ee:01", "mgt=ipmi", "cons=ipmi")
NETWORK = ("net=10.97.0.0", "mask=255.255.255.0", "mgtifname=eth0", "gateway=<xcatmaster>", "mtu=1500")
POSTGRESQL = {f"{state}: {name}": said for state in ("fresh", "active") for name, said in transcripts(state).items()}


PAIR = {
    f"{state} on {node}: {name}": (node, said)
    for state, node in (("services", MN1), ("system", MN2))
    for name, said in transcripts(state).items()
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    with standing(tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture(scope="module")
def active(host: OneHost) -> OneHost:
    """A fresh installation in PostgreSQL, with a network and a node."""
    host.use_postgresql()
    host.start_postgresql()
    host.must("xcatconfig", "-d")
    host.start()
    host.must("mkdef", "-t", "network", "-o", "10_97_0_0-255_255_255_0", *NETWORK)
    host.must("mkdef", "-t", "node", "-o", "cn1", *NODE)
    return host


@pytest.fixture(scope="module")
def stopped(host: OneHost) -> OneHost:
    """A fresh installation of the node's own, not running."""
    host.stop()
    host.use_sqlite()
    host.must("xcatconfig", "-d")
    return host


@pytest.fixture(scope="module")
def sqlite(stopped: OneHost) -> OneHost:
    """The same, running."""
    stopped.start()
    return stopped


def check(host: OneHost, said: Transcript) -> None:
    said.check(NAME, host.run(*said.argv, bypass=said.bypass))


@pytest.mark.parametrize("said", POSTGRESQL.values(), ids=POSTGRESQL)
def test_with_its_tables_in_postgresql(active: OneHost, said: Transcript) -> None:
    check(active, said)


def test_a_dump_has_a_file_for_each_table_but_the_logs(active: OneHost) -> None:
    active.must("dumpxCATdb", "-p", "/var/backups/counted")
    files = active.names("/var/backups/counted", "*.csv")
    assert len(files) == 71
    left_out = {"auditlog", "eventlog"}
    assert sorted({*active.must("tabdump").split()} - left_out) == [name.removesuffix(".csv") for name in files]


@pytest.mark.parametrize("said", transcripts("stopped").values(), ids=transcripts("stopped"))
def test_without_its_daemon(stopped: OneHost, said: Transcript) -> None:
    check(stopped, said)


@pytest.mark.parametrize("said", transcripts("sqlite").values(), ids=transcripts("sqlite"))
def test_with_its_tables_in_files(sqlite: OneHost, said: Transcript) -> None:
    check(sqlite, said)


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[Real]:
    """The lab, whose mn1 is active."""
    pair = Real(lab)
    yield pair
    pair.close()


@pytest.mark.parametrize(("node", "said"), PAIR.values(), ids=PAIR)
def test_on_the_pair(pair: Real, node: NodeName, said: Transcript) -> None:
    said.check(node, pair.act(SystemdLinux(node=node).run(*said.argv, deadline=60.0)))
