"""What a person who follows a run is told, event by event, and what is left for its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.events import (
    Adopted,
    AttemptFailed,
    CheckpointReached,
    CommandCancelled,
    CommandEnded,
    CommandLaunched,
    CopyBrought,
    CopyMissed,
    Decided,
    DriverCame,
    Event,
    JobsFound,
    Knocked,
    NodeRegained,
    NodeReleased,
    NodeSeen,
    NotMeasured,
    RunBegun,
    RunEnded,
    RunHalted,
    RunPlanned,
    StepBegun,
    StepSettled,
)
from hamn_flow.model.outage import Answer
from hamn_flow.model.run import Decision, Direction, PlannedStep, RunState, StepState
from hamn_flow.report.line import text_of
from hamn_flow.report.telling import Telling

RUN, MN1 = "k7m2qx", NodeName("mn1")
BEGINNING = datetime(2026, 3, 1, 2, 13, 4, tzinfo=UTC)
PLANNED = tuple(
    PlannedStep(name=f"mn1.{what}", stage=stage, node=MN1, title="", kind="a:B", version=1, fields={})
    for what, stage in (("look", "check"), ("unmount", "release"), ("spare", "release"))
)


def step_begun(direction: Direction = Direction.FORWARD) -> StepBegun:
    return StepBegun(run=RUN, step="mn1.unmount", direction=direction, intent=1, reason="mounted", seen=None)


def command(key: str, status: int | None) -> list[Event]:
    return [
        CommandLaunched(
            run=RUN,
            step="mn1.unmount",
            intent=1,
            number=0,
            direction=Direction.FORWARD,
            key=Key(key),
            node=MN1,
            text="umount /a",
        ),
        CommandEnded(run=RUN, key=Key(key), status=status, seconds=0.02, last_lines="busy" if status else ""),
    ]


def knocked(answer: Answer, *, first: bool = False) -> Knocked:
    return Knocked(run=RUN, knocked_at=BEGINNING, answer=answer, first=first)


def settled(step: str, state: StepState, reason: str) -> StepSettled:
    return StepSettled(run=RUN, step=f"mn1.{step}", state=state, reason=reason)


STORY: list[Event] = [
    RunPlanned(run=RUN, procedure="toy", cluster="c", cluster_path="/c", options={}, steps=PLANNED),
    RunBegun(run=RUN, direction=Direction.FORWARD, who="alice@a", anew=True),
    NodeSeen(run=RUN, node=MN1, boot_id="b", generation=3),
    settled("look", StepState.DONE, "fine"),
    CheckpointReached(run=RUN, checkpoint="check"),
    step_begun(),
    *command("1", 32),
    AttemptFailed(run=RUN, step="mn1.unmount", number=1, reason="still mounted", wait=1.0),
    step_begun(),
    *command("2", 1),
    settled("unmount", StepState.DONE, "not mounted"),
    Decided(run=RUN, kind=Decision.SKIP, step="mn1.spare", who="bob@b", why="not today"),
    settled("spare", StepState.SKIPPED, "skipped by bob@b"),
    RunHalted(run=RUN, step="", reason="enough", hint="Sleep."),
    RunBegun(run=RUN, direction=Direction.BACK, who="alice@a", anew=True, back_to="mn1.look"),
    step_begun(Direction.BACK),
    CommandCancelled(run=RUN, key=Key("3"), signal="TERM"),
    *command("4", None),
    settled("unmount", StepState.UNDONE, "mounted"),
    RunEnded(run=RUN, state=RunState.ROLLED_BACK),
    knocked(Answer.XCATD, first=True),
    knocked(Answer.ADDRESS),
    knocked(Answer.NOTHING),
    knocked(Answer.NOTHING),
    knocked(Answer.NOTHING, first=True),
    NotMeasured(run=RUN, reason="no more sockets"),
    DriverCame(run=RUN, driver="a:7:1:f", who="alice@a"),
    JobsFound(run=RUN, node=MN1, keys=(Key("p3wn8a-1-1-0"), Key("p3wn8a-2-1-0"))),
    NodeReleased(run=RUN, node=MN1, holder="p3wn8a b:9:1:f", who="bob@b", why="b is broken"),
    NodeRegained(run=RUN, node=MN1, since="released by bob@b: b is broken", who="alice@a"),
    CopyMissed(run=RUN, node=MN1, reason="its disk is full"),
    Adopted(run=RUN, node=NodeName("mn2"), commits=9, unseen=(MN1,), who="bob@b"),
    CopyBrought(run=RUN, node=MN1),
]


OTHERS = [
    "  mn1 still runs 2 commands of an earlier driver: p3wn8a-1-1-0, p3wn8a-2-1-0; nothing is launched meanwhile",
    "  mn1 released by bob@b: b is broken (it was held by p3wn8a b:9:1:f)",
    "  mn1 was in other hands meanwhile: released by bob@b: b is broken; alice@a goes on all the same",
    "  mn1 got no copy of the journal: its disk is full",
]


def told(telling: Telling) -> list[str]:
    lines: list[str] = []
    for number, event in enumerate(STORY):
        lines += text_of(telling.tell(event, BEGINNING + timedelta(seconds=number), 200)).splitlines()
    return lines


def test_who_follows_is_told_of_steps_and_of_failing_attempts() -> None:
    assert told(Telling()) == [
        "run k7m2qx: toy, 3 steps",
        "check",
        "  mn1.look     done               fine",
        "release",
        "    mn1$ umount /a  status 32, 0.02 s",
        "      | busy",
        "  mn1.unmount  attempt 1          still mounted; the next in 1.00 s",
        "  mn1.unmount  done       7.00 s  not mounted",
        "  mn1.spare skipped by bob@b: not today",
        "  mn1.spare    skipped            skipped by bob@b",
        "release",
        "    past its deadline: its process group is sent TERM",
        "  mn1.unmount  undone     4.00 s  mounted",
        *OTHERS,
    ]


def test_the_history_leaves_nothing_out() -> None:
    assert told(Telling(whole=True)) == [
        "run k7m2qx: toy, 3 steps",
        "going on, alice@a",
        "  mn1 answers: boot b, generation 3",
        "  mn1.look     done               fine",
        "  checkpoint check",
        "  mn1.unmount  begun              mounted",
        "    mn1$ umount /a  status 32, 0.02 s",
        "      | busy",
        "  mn1.unmount  attempt 1          still mounted; the next in 1.00 s",
        "  mn1.unmount  begun              mounted",
        "    mn1$ umount /a  status 1, 0.02 s",
        "      | busy",
        "  mn1.unmount  done       7.00 s  not mounted",
        "  mn1.spare skipped by bob@b: not today",
        "  mn1.spare    skipped            skipped by bob@b",
        "  waits: enough",
        "  HINT: Sleep.",
        "going back as far as mn1.look, alice@a",
        "  mn1.unmount  undo begun         mounted",
        "    past its deadline: its process group is sent TERM",
        "    mn1$ umount /a  its end is not known",
        "  mn1.unmount  undone     4.00 s  mounted",
        "rolled back",
        "  the virtual IP and xCAT answer",
        "  the virtual IP answers, xCAT does not",
        "  neither the virtual IP nor xCAT answers",
        "  neither the virtual IP nor xCAT answers",
        "  the outage is not measured: no more sockets",
        "  driver a:7:1:f, alice@a",
        *OTHERS,
        "  adopted by bob@b from the copy on mn2, 9 commits; that of mn1 could not be read",
        "  mn1 has a copy of the journal again",
    ]


def test_what_is_under_way_is_known_at_every_moment() -> None:
    telling = Telling()
    said = []
    for event in STORY[:10]:
        telling.tell(event, BEGINNING, 80)
        said.append(telling.now.text if telling.now else "")
    assert said == [
        "",
        "looking at what is so",
        "looking at what is so",
        "mn1.unmount, mn1.spare  looking",
        "mn1.unmount, mn1.spare  looking",
        "mn1.unmount",
        "mn1.unmount  mn1$ umount /a",
        "mn1.unmount  looking",
        "mn1.unmount  attempt 1 failed, the next in 1.00 s",
        "mn1.unmount",
    ]


def test_of_several_under_way_all_are_named_and_then_those_that_are_left() -> None:
    telling = Telling(PLANNED)
    telling.tell(step_begun(), BEGINNING, 80)
    spare = StepBegun(run=RUN, step="mn1.spare", direction=Direction.FORWARD, intent=1, reason="so", seen=None)
    telling.tell(spare, BEGINNING + timedelta(seconds=2), 80)
    assert telling.now == ("2 steps: mn1.unmount, mn1.spare", BEGINNING)
    telling.tell(settled("unmount", StepState.DONE, "not mounted"), BEGINNING, 80)
    assert telling.now == ("mn1.spare", BEGINNING + timedelta(seconds=2))
    telling.tell(settled("spare", StepState.DONE, "so"), BEGINNING, 80)
    assert telling.now == ("looking", BEGINNING)


def test_every_kind_of_event_is_told_of() -> None:
    kinds = {kind for kind in Event.__subclasses__() if kind.__module__ == Event.__module__}
    assert {type(event) for event in STORY} == kinds
