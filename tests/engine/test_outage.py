"""The outage meter: what it keeps of its knocks, that it never disturbs a run, and what it sees of a failover."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import cast

import pytest

from hamn_flow.engine import outage
from hamn_flow.engine.act import Acting
from hamn_flow.engine.begin import Desk, resume, rollback, start
from hamn_flow.engine.links import Links
from hamn_flow.engine.outage import knock_by_tcp, measuring, out_of_sight, port_of
from hamn_flow.engine.world import Knock
from hamn_flow.errors import StepFailed
from hamn_flow.model import events
from hamn_flow.model.command import Command, Job, Key
from hamn_flow.model.events import Event, NotMeasured, RunBegun, RunPlanned, StepSettled, Story
from hamn_flow.model.outage import Answer, Stretch, of_virtual_ip, of_xcat, shared, unobserved
from hamn_flow.model.pair import NodeSpec, Policy, Service, Ssh
from hamn_flow.model.run import Run, RunState
from hamn_flow.report.outage import shares_of
from hamn_flow.simulator import connector, standard_pair
from hamn_flow.simulator.knocking import knocker
from hamn_flow.transport.connection import Connection, Owner
from tests.engine.conftest import NODE, NOON, Bench, cluster
from tests.engine.toys import Write
from tests.ports import LOOPBACK, held_port
from tests.runs.conftest import Pair
from tests.waiting import LONGEST, until

RUN = "k7m2qx"
XCATD, ADDRESS, NOTHING = Answer.XCATD, Answer.ADDRESS, Answer.NOTHING


@pytest.fixture
def desk(bench: Bench) -> Iterator[Desk]:
    with bench.desk() as opened:
        opened.journal.record(
            RunPlanned(run=RUN, procedure="toy", cluster="toys", cluster_path="", options={}, steps=())
        )
        yield opened


@contextmanager
def sitting(
    desk: Desk, knock: Knock, clock: Callable[[], datetime] = lambda: NOON, watch: Callable[[Event], None] | None = None
) -> Iterator[None]:
    """A driver that sits over a run and does nothing but to measure."""
    world = replace(desk.world, knock=knock, knock_pause=0.002, clock=clock, watch=watch or desk.world.watch)
    links = Links(cluster=desk.cluster, world=world)
    with measuring(Acting(run=RUN, journal=desk.journal, links=links, world=world)):
        yield


def not_measured(desk: Desk, run: str = RUN) -> list[str]:
    return [event.reason for _, _, event in desk.journal.events(run) if isinstance(event, NotMeasured)]


# --- what is kept -----------------------------------------------------------------------------------------------


@dataclass
class Script:
    """An answer a second, from `begun` on; the last one is given on and on, in the same second."""

    answers: Sequence[Answer]
    begun: int = 0  # seconds after noon
    given: int = 0
    told: threading.Event = field(default_factory=threading.Event)

    def clock(self) -> datetime:
        return NOON + timedelta(seconds=self.begun + min(self.given, len(self.answers) - 1))

    def knock(self, address: str, port: int, seconds: float) -> Answer:
        assert (address, port, seconds) == ("192.0.2.9", 3001, outage.PATIENCE)
        answer = self.answers[min(self.given, len(self.answers) - 1)]
        self.given += 1
        if self.given >= len(self.answers):
            self.told.set()
        return answer


def kept(desk: Desk, *scripts: Script) -> list[tuple[int, Answer, bool]]:
    """What is kept of these knocks, a sitting for each script: second, answer, whether it is a sitting's first."""
    for script in scripts:
        with sitting(desk, script.knock, script.clock):
            assert script.told.wait(LONGEST)
    knocks = desk.journal.run(RUN).knocks
    return [(int((knock.at - NOON).total_seconds()), knock.answer, knock.first) for knock in knocks]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((XCATD, XCATD, XCATD), [(0, XCATD, True), (2, XCATD, False)]),
        (
            (XCATD, XCATD, ADDRESS, NOTHING, NOTHING, XCATD, XCATD),
            [(0, XCATD, True), (2, ADDRESS, False), (3, NOTHING, False), (5, XCATD, False), (6, XCATD, False)],
        ),
    ],
    ids=["nothing changes", "an outage"],
)
def test_the_first_the_last_and_each_other_answer_are_kept(
    answers: Sequence[Answer], expected: list[tuple[int, Answer, bool]], desk: Desk
) -> None:
    assert kept(desk, Script(answers)) == expected


def test_an_outage_that_lasts_over_a_halt_is_counted_on(desk: Desk) -> None:
    halted = Script([XCATD, ADDRESS, NOTHING, NOTHING])
    resumed = Script([NOTHING, NOTHING, ADDRESS, XCATD, XCATD], begun=100)
    assert kept(desk, halted, resumed)[3:5] == [(3, NOTHING, False), (100, NOTHING, True)]
    knocks = desk.journal.run(RUN).knocks
    address, xcat = of_virtual_ip(knocks), of_xcat(knocks)
    assert address
    assert xcat
    assert (address.seconds, address.lasting, xcat.seconds, xcat.lasting) == (100.0, False, 102.0, False)
    assert unobserved(knocks) == (Stretch(NOON + timedelta(seconds=3), NOON + timedelta(seconds=100)),)


# --- it never disturbs the run ------------------------------------------------------------------------------


def failing(*_: object) -> Answer:
    raise OSError(24, "Too many open files")


def test_a_knock_that_raises_never_breaks_a_run(bench: Bench) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))])
    with bench.desk() as desk:
        run = start(replace(desk, world=replace(desk.world, knock=failing)), "toy", {})
        assert not_measured(desk, run) == ["[Errno 24] Too many open files"]
        assert desk.journal.run(run).knocks == ()
    assert bench.states() == ["done"]


def test_a_run_of_a_world_without_a_knock_says_nothing_of_it(bench: Bench) -> None:
    bench.procedure([Write(node=NODE, path=bench.path("one"))])
    with bench.desk() as desk:
        told = [event for _, _, event in desk.journal.events(start(desk, "toy", {}))]
    assert not [event for event in told if isinstance(event, events.Knocked | NotMeasured)]


def test_a_knock_that_raises_later_leaves_what_was_kept(desk: Desk) -> None:
    answers = iter([XCATD, NOTHING])
    with sitting(desk, lambda *_: next(answers)):
        until(lambda: not_measured(desk) == ["StopIteration"])
    assert [knock.answer for knock in desk.journal.run(RUN).knocks] == [XCATD, NOTHING]


def test_what_cannot_be_told_to_who_watches_ends_the_measuring_alone(desk: Desk) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, events.Knocked):
            raise BrokenPipeError(32, "Broken pipe")

    with sitting(desk, lambda *_: XCATD, watch=watch):
        until(lambda: not_measured(desk) == ["[Errno 32] Broken pipe"])


def test_a_run_does_not_wait_for_a_knock_that_hangs_nor_hear_of_it_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "_LEAVING", 0.05)
    go = threading.Event()

    def hanging(*_: object) -> Answer:
        go.wait(LONGEST)
        return XCATD

    with sitting(desk, hanging):
        before = desk.journal.events(RUN)
    assert any(thread.name == "outage meter" for thread in threading.enumerate())
    go.set()
    until(lambda: all(thread.name != "outage meter" for thread in threading.enumerate()))
    assert desk.journal.events(RUN) == before


def test_answers_that_change_all_the_time_do_not_fill_the_journal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "MOST_CHANGES", 5)
    answers = iter([XCATD, NOTHING] * 1000)
    with sitting(desk, lambda *_: next(answers)):
        until(lambda: bool(not_measured(desk)))
    assert not_measured(desk) == ["what answers at the virtual IP changed more than 5 times"]
    assert len(desk.journal.run(RUN).knocks) == 6


# --- on a real network ------------------------------------------------------------------------------------------


@pytest.fixture
def quiet_port() -> Iterator[int]:
    """A port where nobody listens but the test itself."""
    with held_port() as port:
        yield port


def test_a_connection_a_refusal_and_silence_are_told_apart(quiet_port: int) -> None:
    assert knock_by_tcp(LOOPBACK, quiet_port, 5.0) is ADDRESS
    with (
        socket.create_server((LOOPBACK, quiet_port), backlog=0) as listener,
        socket.create_connection((LOOPBACK, quiet_port), timeout=5.0),
    ):
        # its queue is full: the kernel lets what is sent fall, as one does that does not hold the address
        assert knock_by_tcp(LOOPBACK, quiet_port, 0.05) is NOTHING
        listener.accept()[0].close()
        assert knock_by_tcp(LOOPBACK, quiet_port, 5.0) is XCATD


def test_a_listener_that_goes_away_and_comes_again_is_seen(desk: Desk, quiet_port: int) -> None:
    pair = replace(
        desk.cluster,
        virtual_ip=replace(desk.cluster.virtual_ip, address=LOOPBACK),
        services=(Service(name="xcatd", units=("xcatd",), ports=(f"tcp/{quiet_port}",)),),
    )

    def seen() -> list[Answer]:
        return [knock.answer for knock in desk.journal.run(RUN).knocks]

    with sitting(replace(desk, cluster=pair), knock_by_tcp, lambda: datetime.now(UTC)):
        for _time in range(2):
            with socket.create_server((LOOPBACK, quiet_port), backlog=1000):
                until(lambda: seen()[-1:] == [XCATD])
            until(lambda: seen()[-1:] == [ADDRESS])
    assert [answer for answer, _ in groupby(seen())][-4:] == [XCATD, ADDRESS, XCATD, ADDRESS]


# --- where it knocks ----------------------------------------------------------------------------------------------

TOYS = cluster(Policy())


@pytest.mark.parametrize(
    ("services", "port"),
    [
        ((Service(name="xcatd", units=("xcatd",), ports=("udp/1", "tcp/3005", "tcp/3006")),), 3005),
        ((Service(name="xcatd", units=("xcatd",)),), 3001),
        ((Service(name="httpd", units=("httpd",), ports=("tcp/80",)),), 3001),
    ],
    ids=["as the site says", "no port is said", "xcatd is not named"],
)
def test_the_port_is_that_of_xcatd(services: tuple[Service, ...], port: int) -> None:
    assert port_of(replace(TOYS, services=services)) == port


@pytest.mark.parametrize(
    ("first", "second", "seen"),
    [
        (Ssh(), Ssh(), True),
        (Ssh(local=True), Ssh(), True),
        (Ssh(host="127.0.0.1", port=2201), Ssh(host="localhost", port=2202), False),
        (Ssh(host="::1", port=2201), Ssh(host="127.0.0.1", port=2202), False),
        (Ssh(host="127.0.0.1"), Ssh(host="mn2.example.org"), True),
    ],
    ids=["by address", "on a node", "tunnels", "tunnels over IPv6", "one is here"],
)
def test_behind_loopback_the_virtual_ip_is_not_looked_for(first: Ssh, second: Ssh, desk: Desk, *, seen: bool) -> None:
    nodes = tuple(replace(node, ssh=ssh) for node, ssh in zip(TOYS.nodes, (first, second), strict=True))
    pair = replace(TOYS, nodes=cast("tuple[NodeSpec, NodeSpec]", nodes))
    assert (out_of_sight(pair) is None) == seen
    with sitting(replace(desk, cluster=pair), lambda *_: XCATD):
        pass
    assert bool(desk.journal.run(RUN).knocks) == seen
    assert bool(not_measured(desk)) != seen


# --- a failover ---------------------------------------------------------------------------------------------------


@dataclass
class Counted:
    """A knock that counts how many have ended."""

    knock: Knock
    ended: int = 0
    turned: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, address: str, port: int, seconds: float) -> Answer:
        answer = self.knock(address, port, seconds)
        with self.turned:
            self.ended += 1
            self.turned.notify_all()
        return answer

    def once_more(self) -> None:
        """Wait until a knock has been sent and answered since."""
        with self.turned:
            enough = self.ended + 2  # the first may have been under way
            assert self.turned.wait_for(lambda: self.ended >= enough, LONGEST)


class Knocked:
    """A connection to a simulated node whose jobs take as long as a knock, as real ones do, and no less."""

    def __init__(self, connection: Connection, knock: Counted) -> None:
        self._connection = connection
        self._knock = knock

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        self._knock.once_more()
        self._connection.launch(key, command, generation=generation, owner=owner)

    def wait(self, key: Key, seconds: float) -> Job:
        job = self._connection.wait(key, seconds)
        self._knock.once_more()
        return job


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    world = standard_pair("postgresql")
    world.sleep = lambda _seconds: None
    return Pair(folder=tmp_path, database="postgresql", world=world)


@contextmanager
def measured(pair: Pair) -> Iterator[Desk]:
    """A desk whose driver knocks at the simulated virtual IP."""
    knock, reach = Counted(knocker(pair.world)), connector(pair.world)

    def connect(spec: NodeSpec) -> Connection:
        return cast("Connection", Knocked(cast("Connection", reach(spec)), knock))

    with pair.desk() as desk:
        yield replace(desk, world=replace(desk.world, connect=connect, knock=knock, knock_pause=0.0005))


def at_work(run: Run, step: str) -> Stretch:
    record = run.step(step)
    assert record.begun_at
    assert record.ended_at
    return Stretch(record.begun_at, record.ended_at)


def taken_up_to_settled(run: Run, story: Story) -> dict[str, Stretch]:
    """For each step of an undisturbed run: from when the last step that its stage waits for was settled, to its own."""
    begun = next(at for _, at, event in story if isinstance(event, RunBegun))
    settled = {event.step: at for _, at, event in story if isinstance(event, StepSettled)}
    found: dict[str, Stretch] = {}
    for number, step in enumerate(run.steps):
        earlier = [other for other in run.steps[:number] if other.planned.stage != step.planned.stage]
        after = step.planned.after
        waited_for = [settled[one.name] for one in earlier if after is None or one.planned.stage in after]
        found[step.name] = Stretch(max([begun, *waited_for]), settled[step.name])
    return found


def within(moment: datetime, stretch: Stretch) -> bool:
    return stretch.begun <= moment <= stretch.ended


def test_a_failover_is_an_outage_from_the_stop_of_xcatd_to_its_start(pair: Pair) -> None:
    with measured(pair) as desk:
        name = start(desk, "planned-failover", {})
        run, story = desk.journal.run(name), desk.journal.events(name)
    address, xcat = of_virtual_ip(run.knocks), of_xcat(run.knocks)
    assert address
    assert xcat
    (gone,), (silent,) = address.away, xcat.away
    assert within(silent.begun, at_work(run, "mn1.stop.xcatd"))
    assert within(silent.ended, at_work(run, "mn2.start.xcatd"))
    assert within(gone.begun, at_work(run, "mn1.release-virtual-ip"))
    assert within(gone.ended, at_work(run, "mn2.claim-virtual-ip"))
    assert (address.lasting, xcat.lasting, unobserved(run.knocks)) == (False, False, ())
    shares = shares_of(run, story)
    for step, work in taken_up_to_settled(run, story).items():
        share, expected = shares.steps[step], (shared([gone], [work]), shared([silent], [work]))
        assert (share.virtual_ip, share.xcatd) == pytest.approx(expected), step
    claim = shares.steps["mn2.claim-virtual-ip"].virtual_ip
    assert claim
    acting = shared([gone], [at_work(run, "mn2.claim-virtual-ip")])
    assert claim > acting, "it was asked first whether anybody answers for it"
    assert shares.steps["mn2.recognise./install"].xcatd
    assert (shares.steps["mn1.mark./install"].xcatd, shares.waiting.xcatd) == (0.0, 0.0)
    pair.assert_safe()


def test_an_outage_goes_on_while_a_run_waits_and_ends_with_the_resume(pair: Pair) -> None:
    shell = pair.world.hold("mn1", "/install")
    with measured(pair) as desk, pytest.raises(StepFailed):
        start(desk, "planned-failover", {})
    run = pair.last_run()
    halted_at, halted = run.knocks[-1].at, of_xcat(run.knocks)
    assert halted
    assert halted.lasting
    pair.world.let_go("mn1", shell)
    with measured(pair) as desk:
        assert resume(desk, run.summary.id) is RunState.DONE
        story = desk.journal.events(run.summary.id)
    run = pair.last_run()
    (gap,), xcat = unobserved(run.knocks), of_xcat(run.knocks)
    assert xcat
    (silent,) = xcat.away
    assert silent.begun == halted.away[0].begun
    assert within(silent.ended, at_work(run, "mn2.start.xcatd"))
    assert gap.begun == halted_at
    assert shares_of(run, story).waiting.xcatd == pytest.approx(gap.seconds)


def test_a_rollback_ends_the_outage_where_xcatd_is_started_again(pair: Pair) -> None:
    pair.world.hold("mn1", "/install")
    with measured(pair) as desk:
        with pytest.raises(StepFailed):
            start(desk, "planned-failover", {})
        name = desk.journal.runs()[0].id
        assert rollback(desk, name) is RunState.ROLLED_BACK
    run = pair.last_run()
    address, xcat = of_virtual_ip(run.knocks), of_xcat(run.knocks)
    assert address
    assert xcat
    assert (address.away, xcat.lasting) == ((), False)
    assert within(xcat.away[-1].ended, at_work(run, "mn1.stop.xcatd"))
