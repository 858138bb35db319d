"""The traps that sources and tests name by number stand in docs/traps.md, and those of this platform have tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOLD = set(re.findall(r"^\| (T\d+) ", (ROOT / "docs" / "traps.md").read_text(), flags=re.MULTILINE))
PLANNED_FAILOVER = {f"T{number}" for number in range(17, 30)}


def named_in(pattern: str, *folders: str) -> set[str]:
    found: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.p[yl]"):
            found |= {f"T{number}" for number in re.findall(pattern, path.read_text())}
    return found


def test_every_trap_that_is_named_is_told() -> None:
    assert named_in(r"\bT(\d+)\b", "hamn_flow", "workflows") <= TOLD


def test_every_trap_of_a_planned_failover_has_a_test_of_its_name() -> None:
    assert named_in(r"def test_t(\d+)_", "tests") == PLANNED_FAILOVER
