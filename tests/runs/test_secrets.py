"""A password, whatever it looks like, reaches neither journal nor copies nor what is told nor a list of processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from hamn_flow.engine.begin import Desk, resume, rollback, start
from hamn_flow.errors import HamnError
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.events import Event
from hamn_flow.report.line import UNLIMITED, text_of
from hamn_flow.report.telling import Telling
from hamn_flow.simulator import standard_pair
from hamn_flow.simulator.faults import Fails, Strikes
from hamn_flow.simulator.host import spawn
from hamn_flow.simulator.state import File
from hamn_flow.simulator.world import World
from tests.runs.conftest import Pair, now

FORMER = "cluster-secret"  # of the standard pair
PRINTED = st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\x7f")
SHAPES = st.one_of(
    st.text(PRINTED, min_size=6, max_size=40).map(str.strip),
    st.text("0123456789abcdef", min_size=8, max_size=64),
    st.text("ABCxyz019+/=", min_size=8, max_size=40),
    st.text("|:=;, '\"\\$`%&<>(){}[]*?!#~^@-_.", min_size=8, max_size=20).map(str.strip),
    st.text(st.sampled_from("aZ09_ ."), min_size=6, max_size=12).map(lambda word: f"--password={word.strip()}"),
)


def planted(secret: str) -> World:
    """A pair that has the secret in every place where a site may have one."""
    world = standard_pair()
    world.sleep = lambda _seconds: None
    for node in world.state.nodes.values():
        hidden = f"/usr/bin/rsync --password={secret} -a /install/ backup::install"
        process = spawn(node, hidden, user="alice", command="rsync")
        process.holds.append(world.hold(node.name, "/install", command="rsync").holds[0])
        node.root.files["/root/.pgpass"] = File(f"*:*:*:xcatadm:{secret}\n", "0600")
        if node.postgres:
            node.postgres.access.append(f'host all all 10.0.0.0/8 radius radiussecrets="{secret}"')
    for disk in world.state.disks.values():
        for path, file in disk.files.items():
            file.content = file.content.replace(FORMER, secret)
            if path.endswith(("cert.pem", "cred.pem")):
                file.content += f"{secret}\n"
        for tables in disk.databases.values():
            tables["passwd"] = [{"key": "system", "username": "root", "password": secret}]
            tables["ipmi"] = [{"node": "cn1", "bmc": "10.97.0.31", "username": "ADMIN", "password": secret}]
    return world


def told_of(secret: str) -> bytes:
    """All that a run lets out of its hands: halted at a holder, at a lost database and a failing look, then back."""
    world = planted(secret)
    out: list[str] = []

    def sent(node: NodeName, key: Key | None, command: Command) -> None:
        out.extend((str(node), str(key), command.text, command.text_in, repr(command.environment)))

    world.before = sent
    telling = Telling(whole=True)

    def watch(event: Event) -> None:
        out.append(text_of(telling.tell(event, now(), UNLIMITED)))

    with TemporaryDirectory() as folder:
        pair = Pair(folder=Path(folder), database="postgresql", world=world)
        with pair.desk() as sitting:
            desk = replace(sitting, world=replace(sitting.world, watch=watch))
            for act in _acts(world):
                try:
                    act(desk)
                except HamnError as error:
                    out += (error.sentence, error.hint)
        out += [repr(line) for line in world.state.log]
        files = b"".join(path.read_bytes() for path in Path(folder).glob("journal.db*"))
    copies = b"".join(text for node in world.state.nodes.values() for text in node.copies.values())
    assert copies, "there is no copy in which to look"
    return "\n".join(out).encode() + files + copies


def _acts(world: World) -> Iterator[Callable[[Desk], object]]:
    def run(desk: Desk) -> str:
        return desk.journal.runs()[0].id

    yield lambda desk: start(desk, "planned-failover", {"dump": "/var/backups"})
    for node in world.state.nodes.values():
        node.processes = {pid: each for pid, each in node.processes.items() if each.command != "rsync"}
    world.fault(Fails(node="mn2", words=("systemctl", "start"), passes=1, times=0, errors="no memory\n"))
    yield lambda desk: resume(desk, run(desk))
    world.clear_faults()
    world.fault(Fails(strikes=Strikes.LOOKS, passes=40, times=3))
    yield lambda desk: resume(desk, run(desk))
    world.clear_faults()
    yield lambda desk: rollback(desk, run(desk))


@cache
def without() -> str:
    """The same with a password that is known to be nowhere in it: what other ones may look like by chance."""
    said = told_of("#n0where-else#")
    assert b"#n0where-else#" not in said
    return said.decode(errors="replace")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(SHAPES)
@example("pa|ss|word")
@example('"quoted" and \\escaped')
@example("xcatadm|cluster")
def test_a_secret_of_any_shape_is_nowhere(secret: str) -> None:
    assume(len(secret) >= 6)
    assume(secret not in without())
    said = told_of(secret).decode(errors="replace")
    for shape in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]):
        assert shape not in said


def test_one_that_gets_out_would_be_found() -> None:
    """The same harness, with a password in a place where a run names what it sees: the user of a process."""
    world = planted("s3cret-place")
    world.hold("mn1", "/install", user="s3cret-place")
    with TemporaryDirectory() as folder, suppress(HamnError):
        pair = Pair(folder=Path(folder), database="postgresql", world=world)
        with pair.desk() as desk:
            start(desk, "planned-failover", {})
    assert any(b"s3cret-place" in text for node in world.state.nodes.values() for text in node.copies.values())
