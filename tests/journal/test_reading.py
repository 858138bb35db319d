from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from hamn_flow.errors import Refused
from hamn_flow.journal import Journal, read
from hamn_flow.model.events import RunEnded, RunPlanned
from hamn_flow.model.run import RunState

IDS = ("k7m2qx", "k7m2", "k9_", "k9%", "zebra")


@pytest.fixture
def five(journal: Journal, planned: Callable[[str], RunPlanned]) -> Journal:
    for run in IDS:
        journal.record(planned(run))
    return journal


@pytest.mark.parametrize(
    ("typed", "found"), [("k7m2qx", "k7m2qx"), ("k7m2q", "k7m2qx"), ("k7m2", "k7m2"), ("z", "zebra"), ("k9%", "k9%")]
)
def test_a_run_is_found_by_its_id_or_its_beginning(typed: str, found: str, five: Journal) -> None:
    assert five.find(typed) == found


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "there is no run ``"),
        ("x", "there is no run `x`"),
        ("%", "there is no run `%`"),
        ("K7M2QX", "there is no run `K7M2QX`"),
        ("k7", "more than one run begins with `k7`: k7m2, k7m2qx"),
        ("k", "more than one run begins with `k`: k7m2, k7m2qx, k9%, k9_"),
    ],
)
def test_what_is_not_one_run_is_refused(typed: str, sentence: str, five: Journal) -> None:
    with pytest.raises(Refused) as refusal:
        five.find(typed)
    assert refusal.value.sentence == sentence
    assert refusal.value.hint


def test_runs_come_newest_first_and_as_many_as_asked_for(five: Journal) -> None:
    five.record(RunEnded(run="zebra", state=RunState.ABANDONED))
    assert [run.id for run in five.runs()] == list(reversed(IDS))
    assert [run.id for run in five.runs(limit=2)] == ["zebra", "k9%"]
    assert [run.id for run in five.runs(limit=2, open_only=True)] == ["k9%", "k9_"]
    assert five.runs(limit=0) == ()


def test_a_journal_that_is_not_there_has_no_runs_and_is_not_made(path: Path) -> None:
    with read(path) as reader:
        assert reader.runs() == ()
        assert reader.events("k7m2qx") == ()
        assert reader.holder() is None
        for ask in (reader.find, reader.run):
            with pytest.raises(Refused, match="there is no run `k7m2qx`"):
                ask("k7m2qx")
    assert not path.parent.exists()


def test_open_runs_are_found_by_their_index(five: Journal) -> None:
    asked = "EXPLAIN QUERY PLAN SELECT * FROM runs WHERE ended_at IS NULL ORDER BY number DESC LIMIT 1"
    assert any("runs_open" in row["detail"] for row in five._database.execute(asked))


def test_reading_loads_no_heavy_library(path: Path, five: Journal, spawn: Callable[..., Popen[str]]) -> None:
    runs, modules = spawn("list", path).communicate()[0].splitlines()
    assert runs.split() == [run.id for run in five.runs()] + [str(os.getpid())]
    assert not {"sqlite_utils", "platformdirs", "paramiko", "pydantic", "typer", "rich"} & set(modules.split())
