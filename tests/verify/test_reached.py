"""The table of states: what a dictionary would say, however full it gets."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamn_flow.search.reached import Reached

NAMES = st.integers(0, 2**61 - 1).map(lambda number: f"{number << 3:016x}") | st.sampled_from(
    [f"{slot << 8 | other << 40:016x}" for slot in (0, 1, 7) for other in (1, 2, 3)]  # these want the same places
)
TAKEN = st.lists(st.tuples(NAMES, st.integers(0, 3)), max_size=40)


@given(earlier=TAKEN, later=TAKEN, others=st.lists(NAMES, max_size=8))
def test_each_state_is_known_with_the_most_faults_that_were_left(
    earlier: list[tuple[str, int]], later: list[tuple[str, int]], others: list[str]
) -> None:
    before = Reached(room=8)
    after = Reached(before, room=64)
    known: dict[str, int] = {}
    for table, taken in ((before, earlier), (after, later)):
        for state, faults in taken:
            table.reach(state, faults)
            known[state] = max(faults, known.get(state, -1))
    for state in (*known, *others):
        assert after.faults(state) == known.get(state, -1)
    assert len(after) == len({state for state, _ in later})
    assert all(before.faults(state) == max(faults for same, faults in earlier if same == state) for state, _ in earlier)


def test_what_a_forked_process_reaches_is_known_and_counted_and_too_much_of_it_is_said() -> None:
    """A table that fills unseen has no place left, and is looked through without end."""
    table = Reached(Reached(), room=64)
    for number in range(12):
        child = os.fork()
        if not child:
            for state in range(4):
                table.reach(f"{number * 4 + state << 8:016x}", 1)
            os._exit(0)
        os.waitpid(child, 0)
        assert table.faults(f"{number * 4 + 3 << 8:016x}") == 1
        assert len(table) == 4 * (number + 1)
    with pytest.raises(RuntimeError, match="one task of the search has reached more than 48 states"):
        table.reach(f"{1000 << 8:016x}", 0)
