"""The diagram is the rule book's: each stage a state, each move an arrow, no way back over a wall."""

from __future__ import annotations

import re

from hamn_flow.report.diagram import mermaid

STAGES = {"check": ["mn1.look"], "burn": ["mn1.burn", "mn2.burn"], "mount": ["mn2.mount./install"]}


def arrows(text: str) -> set[tuple[str, str, str]]:
    names = {state: title for title, state in re.findall(r'state "(?:<b>)?([\w-]+).*" as (s\d)', text)}
    found = re.findall(r"^    (s\d) --> (s\d): (\w+)$", text, re.MULTILINE)
    return {(names[source], names[target], trigger) for source, target, trigger in found}


def test_every_move_is_an_arrow_and_every_step_is_named() -> None:
    text = mermaid(STAGES, at="burn")
    assert arrows(text) == {
        ("start", "check", "advance"),
        ("check", "burn", "advance"),
        ("burn", "mount", "advance"),
        ("mount", "burn", "retreat"),
        ("burn", "check", "retreat"),
        ("check", "start", "retreat"),
    }
    assert all(step in text for steps in STAGES.values() for step in steps)
    assert text.endswith("    class s2 present\n")


def test_there_is_no_way_back_over_a_wall() -> None:
    text = mermaid(STAGES, no_return={"burn": "mkfs; nothing is left"})
    assert ("burn", "check", "retreat") not in arrows(text)
    assert ("mount", "burn", "retreat") in arrows(text)
    assert "point of no return: mkfs; nothing is left" in text
    assert "present" not in text


def test_what_mermaid_would_read_as_its_own_is_escaped() -> None:
    text = mermaid({'a"b': ["x<y>", "p & q"]}, no_return={'a"b': "one\ntwo"})
    assert 'state "<b>a&quot;b</b><br/>x&lt;y&gt;<br/>p &amp; q" as s1' in text
    assert "point of no return: one two\n" in text
