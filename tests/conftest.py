"""What all tests share: real hosts; and those that count cases say how many in the summary."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.real_hosts import able, another, lab

_PROOFS = Path(__file__).with_name("lab") / "proofs"

__all__ = ["able", "another", "lab"]


def pytest_configure() -> None:
    """What tests start heeds Ctrl-C, also where the tests run in the background: a shell has those ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs real hosts stays together on a worker, a module of proofs at a time.

    A worker has one lab: the time of its first test there has the setting up in it.
    """
    for item in items:
        if item.get_closest_marker("lab"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem if _PROOFS in item.path.parents else "lab"))
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum up the `cases` that tests recorded, by what they are cases of."""
    cases: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        properties = dict(getattr(report, "user_properties", ()))
        if "cases" in properties and getattr(report, "when", "") == "call":
            cases[str(properties["of"])] += int(properties["cases"])
    for of, number in sorted(cases.items()):
        terminalreporter.write_line(f"{number} cases: {of}")
