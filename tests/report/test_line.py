"""Lines fold at the width, lose nothing, and say durations as people do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamn_flow.report.line import Span, Tone, hanging, line, seconds_text, text_of

WORDS = st.text(alphabet="abcdefgh/.-", min_size=1, max_size=18)
TEXTS = st.lists(WORDS, max_size=30).map(" ".join)


@given(label=st.text(alphabet="xyz ", max_size=60), text=TEXTS, width=st.integers(min_value=30, max_value=140))
def test_a_folded_text_keeps_its_words_and_the_width(label: str, text: str, width: int) -> None:
    lines = hanging(line(Span(f"{label} ", Tone.HEAD)), text, width)
    assert text_of(lines).split() == label.split() + text.split()
    beside = [each for each in lines[1:] if text]
    assert all(len("".join(span.text for span in each)) <= width for each in beside)


def test_it_goes_on_below_where_it_began() -> None:
    assert text_of(hanging(line("  because     "), "one two three four five six", 40)).splitlines() == [
        "  because     one two three four five",
        "              six",
    ]


def test_it_begins_on_the_next_line_where_there_is_no_room_beside() -> None:
    label = line("a-very-long-name-of-a-step-indeed  ")
    assert text_of(hanging(label, "a reason that is long enough to be folded", 50)).splitlines() == [
        "a-very-long-name-of-a-step-indeed",
        "      a reason that is long enough to be folded",
    ]
    assert text_of(hanging(label, "short", 50)) == "a-very-long-name-of-a-step-indeed  short\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-0.001, "0.00 s"),
        (0.031, "0.03 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (60, "1 min 0 s"),
        (250.9, "4 min 10 s"),
        (3600 * 2 + 300, "2 h 5 min"),
        (86400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert seconds_text(seconds) == said
