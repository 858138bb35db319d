"""The table of what becomes of the guide is complete, names what there is, and is the one in the documents."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from hamn_flow.catalog import Catalog
from hamn_flow.engine.links import Links
from hamn_flow.engine.plan import stages_for
from hamn_flow.engine.world import World
from hamn_flow.simulator.connection import connector
from hamn_flow.simulator.standard import standard_cluster, standard_pair
from tools.coverage_table import TABLE, Coverage, Does, disagreements, numbers, read, render

ROOT = Path(__file__).resolve().parents[2]
COVERAGE = read()


def test_every_line_of_the_guide_is_in_a_row_or_asks_for_nothing() -> None:
    told = [number for part in COVERAGE.parts for number in part.text]
    told += [number for row in COVERAGE.rows for number in row.lines]
    assert sorted(told) == list(range(1, COVERAGE.lines + 1))


def test_every_part_holds_its_own_lines_in_order() -> None:
    for part in COVERAGE.parts:
        listed = [number for row in part.rows for number in row.lines]
        assert listed == sorted(listed)
        assert set(listed) | set(part.text) == set(range(part.first, part.last + 1)), part.title


def test_every_row_has_one_fate() -> None:
    for row in COVERAGE.rows:
        fates = [bool(row.not_yet), bool(row.otherwise), bool(row.by) and not row.otherwise]
        assert fates.count(True) == 1, row
        assert not row.not_yet or row.not_yet in COVERAGE.later, row
        assert set(row.by) <= set(COVERAGE.does), row


@pytest.mark.parametrize(("name", "does"), COVERAGE.does.items(), ids=list(COVERAGE.does))
def test_what_does_it_exists(name: str, does: Does) -> None:
    module, _, attribute = does.kind.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert name == attribute or not isinstance(found, type)


def test_the_tests_that_show_it_exist() -> None:
    named = {does.test for does in COVERAGE.does.values()} | {row.test for row in COVERAGE.rows if row.test}
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(  # one that is not there ends it with status 4
        [*collect, *sorted(named)], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(test in ran.stdout for test in named)


@pytest.mark.parametrize("procedure", ["planned-failover", "activate", "deactivate"])
def test_a_procedure_has_the_steps_that_are_said_to_be_in_it(procedure: str) -> None:
    options = {"activate": {"node": "mn2"}, "deactivate": {"node": "mn1"}}.get(procedure, {})
    world = World(connect=connector(standard_pair()), who="root", driver="here")
    nodes = Links(cluster=standard_cluster(), world=world).nodes
    stages = stages_for(Catalog.load(), procedure, options, nodes, "a-run")
    planned = {type(step).__name__ for stage in stages for step in stage.steps}
    halves = {"planned-failover": {"planned-failover", "activate", "deactivate"}}.get(procedure, {procedure})
    told = {name for name, does in COVERAGE.does.items() if halves & set(does.procedures)}
    assert told
    if procedure == "planned-failover":
        told.remove("AddressFree")  # of a half alone: in a failover who claims the address asks for it
    assert told <= planned


def test_the_documents_have_the_table_of_today() -> None:
    assert TABLE.read_text() == render(COVERAGE), "make docs writes it"


def test_what_does_not_fit_the_guides_own_text_is_said() -> None:
    guide = b"prose\n1. a step\nls\n**2. another **\n5a. a third\n"
    fits = Coverage(lines=5, sha256=hashlib.sha256(guide).hexdigest(), later={}, does={}, parts=())
    assert disagreements(fits, guide) == [f"line {line} is a numbered step, and not in a row" for line in (2, 4, 5)]
    assert len(disagreements(fits, guide + b"more\n")) == 2 + 3


def test_ranges_are_read() -> None:
    assert numbers("") == ()
    assert numbers("1-3, 7") == (1, 2, 3, 7)
