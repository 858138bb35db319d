"""What a plan says: first what is so now, then what will be done, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hamn_flow.engine.plan import Foreseen, Preview
from hamn_flow.model.command import NodeName
from hamn_flow.model.probe import Finding
from hamn_flow.report.line import text_of
from hamn_flow.report.preview import preview_data, preview_lines


def foreseen(name: str, kind: str = "step", finding: Finding = Finding.TODO, **said: Any) -> Foreseen:
    step = Foreseen(
        stage="one",
        name=f"mn1.{name}",
        node=NodeName("mn1"),
        title=f"Do {name}.",
        kind=kind,
        finding=finding,
        reason=f"{name} is {finding}",
        hint="",
        warning="",
        commands=(),
        irreversible="",
    )
    return replace(step, **said)


STEPS = (
    foreseen("fine", "check", Finding.DONE),
    foreseen("wrong", "check", hint="Mend it.", warning="it smells"),
    foreseen("silent", "check", Finding.UNKNOWN),
    foreseen("so", finding=Finding.DONE),
    foreseen("act", commands=("umount /a", "echo 'b\nc'")),
    foreseen("act-again", commands=("umount /d",), title="Do act."),
    foreseen("later", "check", hint="Not yet."),
    foreseen("swap", "person"),
    foreseen("burn", commands=("mkfs /d",), irreversible="what was there is gone"),
)
PLAN = Preview(procedure="toy", title="A toy.", run="aaaaaa", stages=(), steps=STEPS)


def test_the_text_of_a_plan() -> None:
    assert text_of(preview_lines(PLAN, 100)).splitlines() == [
        "toy  A toy.",
        "",
        "one",
        "  ok          mn1.fine  fine is done",
        "  in the way  mn1.wrong  wrong is todo",
        "              HINT: Mend it.",
        "  not known   mn1.silent  silent is unknown",
        "  so already  mn1.so  so is done",
        "  Do act.",
        "  do          mn1.act  act is todo",
        "              mn1$ umount /a",
        "              mn1$ echo 'b\\nc'",
        "  do          mn1.act-again  act-again is todo",
        "              mn1$ umount /d",
        "  Do later.",
        "  then        mn1.later",
        "  Do swap.",
        "  person      mn1.swap  swap is todo",
        "  Do burn.",
        "  do          mn1.burn  burn is todo",
        "              mn1$ mkfs /d",
        "",
        "1 of 3 checks satisfied; 3 steps to do, 1 already so; 1 checks on the way.",
        "in the way  mn1.wrong: wrong is todo",
        "in the way  mn1.silent: silent is unknown",
        "warning     mn1.wrong: it smells",
        "no way back mn1.burn is the point of no return: what was there is gone",
    ]


def test_the_same_as_data() -> None:
    data = preview_data(PLAN)
    assert data["in_the_way"] == ["mn1.wrong", "mn1.silent"]
    assert data["point_of_no_return"] == "mn1.burn"
    (stage,) = data["stages"]
    assert [step["name"] for step in stage["steps"]] == [step.name for step in STEPS]
    assert stage["steps"][4]["commands"] == ["umount /a", "echo 'b\nc'"]
