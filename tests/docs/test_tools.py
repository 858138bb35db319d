"""The tools that write the documents."""

from __future__ import annotations

import pytest

from tools import readme


def test_only_what_stands_between_the_markers_changes() -> None:
    text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- y:begin -->\n<!-- y:end -->\n"
    filled = readme.filled(text, {"x": "new", "y": "more"})
    assert filled == "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n<!-- y:begin -->\nmore\n<!-- y:end -->\n"
    assert readme.filled(filled, {"x": "new"}) == filled


def test_a_marker_that_is_missing_is_said() -> None:
    with pytest.raises(KeyError, match="z"):
        readme.filled("<!-- z:begin -->\n", {"z": "new"})


TOLD = """\
Two nodes.

Alice has a shell.

$ hamn-flow start planned-failover --yes
{lines}
    run {run} is halted, begun 2026-11-23 04:12:02 UTC ({seconds} s ago) by {who}
[exit status 3]

$ hamn-flow resume {run}
    run {run}: going on with /var/tmp/hamn-flow-demo-{folder}/pair

Now the other way round.
"""


def test_a_transcript_is_the_same_each_time() -> None:
    lines = "\n".join(f"    line {number}" for number in range(40))
    one = TOLD.format(lines=lines, run="ab34yz", seconds="0.43", who="root@mn1", folder="x_1")
    two = TOLD.format(lines=lines, run="zy43ba", seconds="12", who="alice@a.example.org", folder="y2z")
    first, second = (readme.first_act(readme.plain(each)) for each in (one, two))
    assert first != second
    assert readme.not_said(first, second) == []
    assert readme.not_said(first.replace("resume k7m2qx", "rollback"), second) == ["$ hamn-flow rollback"]


def test_what_runs_side_by_side_may_be_told_in_another_order() -> None:
    shown = "    ...\n  mn1.a  done  0.02 s  it is\n        long\n  mn1.b  done  12.0 s  so"
    assert readme.not_said(shown, "  mn1.b  done  1.20 s  so\n  mn1.a  done  0.10 s  it is long") == []
    assert readme.not_said(shown, "  mn1.b  done  1.20 s  so\n  mn1.a  failed  0.10 s  it is long") != []


def test_of_a_long_output_the_end_is_shown() -> None:
    lines = "\n".join(f"    line {number}" for number in range(40))
    shown = readme.first_act(TOLD.format(lines=lines, run="ab34yz", seconds="1", who="root@mn1", folder="x"))
    assert shown.startswith("Alice has a shell.\n\n$ hamn-flow start planned-failover --yes\n    ...\n    line 21\n")
    assert "\n    line 39\n    run ab34yz is halted" in shown
    assert shown.endswith("/pair")


def test_a_demo_that_tells_something_else_is_said() -> None:
    with pytest.raises(ValueError, match="no longer"):
        readme.first_act("Two nodes.\n")
