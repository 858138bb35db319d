"""What all tests share: those that count cases say how many in the summary."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum up the `cases` that tests recorded, by what they are cases of."""
    cases: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        properties = dict(getattr(report, "user_properties", ()))
        if "cases" in properties and getattr(report, "when", "") == "call":
            cases[str(properties["of"])] += int(properties["cases"])
    for of, number in sorted(cases.items()):
        terminalreporter.write_line(f"{number} cases: {of}")
