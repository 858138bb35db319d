"""What a run finds where others have its nodes, or had them meanwhile, or where one has forgotten what ran on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from hamn_flow.engine.begin import Desk, abandon, had_by_others, resume, rollback, start
from hamn_flow.errors import Busy, Refused, StaleDriver, StepFailed, Unreachable
from hamn_flow.model.command import Job, Key, NodeName
from hamn_flow.model.events import NodeRegained
from hamn_flow.model.pair import NodeSpec
from hamn_flow.model.run import RunState
from hamn_flow.transport.connection import Connection, Owner
from hamn_flow.transport.local import connect_local
from tests.claiming import claim
from tests.engine.conftest import NODE, Bench
from tests.engine.test_copies import A, B, away, base, desk_elsewhere, holder
from tests.engine.test_cut_off import lose_the_driver
from tests.engine.test_promises import started
from tests.engine.toys import IsThere, Write, WriteWhenTold
from tests.waiting import until


def act(what: str) -> Callable[[Desk, str], object]:
    return {"start": lambda desk, _run: start(desk, "toy", {}), "resume": resume, "rollback": rollback}[what]


@pytest.mark.parametrize("what", ["start", "resume", "rollback"])
def test_a_node_that_another_driver_holds_is_not_taken(bench: Bench, what: str) -> None:
    bench.procedure([Write(node=A, path=bench.path("one"))], [IsThere(node=B, path=bench.path("go"))])
    with bench.desk() as desk, pytest.raises(StepFailed):
        start(desk, "toy", {})
    run = bench.only_run().summary.id
    node = connect_local(NodeSpec(name=B, address="192.0.2.1"), base=base(bench, B))
    claim(node, Owner(run="other1", driver="admin2:7"))
    if what == "start":
        with bench.desk() as desk:
            abandon(desk, run, "by hand")
    with bench.desk() as desk, pytest.raises(Busy, match="b is held by another driver: run other1") as refused:
        act(what)(desk, run)
    assert "hamn-flow adopt b" in refused.value.hint
    assert not isinstance(refused.value, StaleDriver)
    assert node.held().is_by(Owner(run="other1", driver="admin2:7"))
    assert bench.lines("one") == 1
    assert Owner.of(holder(bench, A)) is None, "what was claimed is given up again"
    claim(node, Owner.nobody("released by a person"))
    node.close()
    Path(bench.path("go")).touch()
    with bench.desk() as desk:
        if what != "start":  # a run that goes on is not as it was when others had its node
            with pytest.raises(Refused, match=r"b was in other hands since run .*: released by a person"):
                act(what)(desk, run)
        act(what)(replace(desk, seen=frozenset(had_by_others(desk, run).values())), run)
        regained = [event.since for _, _, event in desk.journal.events(run) if isinstance(event, NodeRegained)]
        assert regained == ([] if what == "start" else ["released by a person"])


def test_a_run_that_is_done_is_not_rolled_back_once_others_had_its_nodes(bench: Bench) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))])
    run = started(bench)
    with bench.desk() as desk:
        assert had_by_others(desk, run) == {}
    bench.procedure([Write(node=NODE, path=bench.path("two"))])
    with desk_elsewhere(bench) as there:
        other = start(there, "toy", {})
    bench.procedure([IsThere(node=NODE, path=bench.path("nowhere"))])
    with bench.desk() as desk, pytest.raises(Refused, match="is missing"):
        start(desk, "toy", {})  # it changes nothing, so the nodes still say who had them
    with bench.desk() as desk:
        seen = frozenset(had_by_others(desk, run).values())
        assert seen == {f"run {other} has ended"}
        with pytest.raises(Refused, match=f"a was in other hands since run {run} had it: run {other} has ended"):
            rollback(replace(desk, seen=seen), run)
        assert desk.journal.run(run).summary.state is RunState.DONE
    assert bench.lines("one") == 1


def test_who_had_the_nodes_before_a_run_began_does_not_keep_it_from_going_on(bench: Bench) -> None:
    """Also where it has changed nothing yet, and gave them up when it halted."""
    bench.procedure([Write(node=NODE, path=bench.path("one"))])
    with desk_elsewhere(bench) as there:
        other = start(there, "toy", {})
    bench.procedure([IsThere(node=NODE, path=bench.path("awaited"))])
    with bench.desk() as desk, pytest.raises(Refused, match="is missing"):
        start(desk, "toy", {})
    with bench.desk() as desk, pytest.raises(Refused, match="is missing"):
        go_on(desk)
    assert (
        holder(bench, NODE)
        == f"- run {bench.only_run().summary.id} waits and has changed nothing; before that: run {other} has ended"
    )
    Path(bench.path("awaited")).touch()
    with bench.desk() as desk:
        go_on(desk)
    assert bench.states() == ["done"]


def test_nor_does_who_had_a_node_that_the_run_has_not_reached_yet(bench: Bench) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one")), Write(node=B, path=bench.path("two"))])
    with desk_elsewhere(bench) as there:
        start(there, "toy", {})
    bench.procedure([Write(node=NODE, path=bench.path("three"))], [Write(node=B, path=bench.path("four"))])
    with bench.desk() as desk, pytest.raises(Unreachable):
        start(away(desk, B), "toy", {})
    with bench.desk() as desk:
        assert had_by_others(desk, desk.journal.runs()[0].id) == {}
        go_on(desk)
    assert bench.states() == ["done", "done"]


def go_on(desk: Desk) -> None:
    """Resume the one run, or start it."""
    runs = desk.journal.runs()
    _ = resume(desk, runs[0].id) if runs else start(desk, "toy", {})


@dataclass
class Forgetting:
    """A real connection to a node that forgets, with its link, once a command runs there."""

    real: Connection
    bench: Bench

    def wait(self, key: Key, seconds: float) -> Job:
        forget(self.bench)
        self.real.close()
        return self.real.wait(key, seconds)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


def forget(bench: Bench) -> None:
    """While a command runs, lose all that the node knows of drivers and jobs."""
    until(lambda: bench.lines("runs") == 1)
    for jobs in Path(bench.path(f"node-{NODE}")).glob("*/jobs"):
        shutil.rmtree(jobs.parent)


@pytest.mark.parametrize("resumed", [False, True], ids=["the first driver", "who resumes"])
def test_what_a_node_has_forgotten_is_not_launched_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, resumed: bool
) -> None:
    """Somebody has emptied the launcher's folder, and the node was not booted: the command still runs."""
    go = Path(bench.path("go"))
    bench.procedure([WriteWhenTold(node=NODE, path=bench.path("one"), runs=bench.path("runs"), go=str(go))])
    if resumed:
        lose_the_driver(bench, monkeypatch)
        forget(bench)
    made: list[NodeName] = []

    def connect(spec: NodeSpec) -> Connection:
        real = connect_local(spec, base=bench.path(f"node-{spec.name}"))
        made.append(spec.name)
        forgets = not resumed and spec.name == NODE and made.count(NODE) == 1
        return cast("Connection", Forgetting(real, bench)) if forgets else real

    with bench.desk() as desk, pytest.raises(Unreachable, match="nor whether it still runs"):
        go_on(replace(desk, world=replace(desk.world, connect=connect)))
    assert bench.states() == ["in_doubt"]
    go.touch()
    until(lambda: bench.lines("one") == 1)
    with bench.desk() as desk:
        go_on(desk)
    assert (bench.lines("one"), bench.lines("runs")) == (1, 1)
