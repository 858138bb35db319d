"""What the tests of the command line share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hamn_flow.simulator.embedded import EmbeddedPair
from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A desk in a home folder of its own, with no pair and no journal yet."""
    journal = tmp_path / "journal.db"
    for name in ("NO_COLOR", "COLUMNS", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("HAMN_FLOW_JOURNAL", str(journal))
    monkeypatch.setenv("HAMN_FLOW_CLUSTER", str(tmp_path / "pair" / "cluster.toml"))
    return Desk(journal, capsys)


@pytest.fixture
def pair(tmp_path: Path, desk: Desk) -> Iterator[EmbeddedPair]:
    """The embedded pair, known to the desk: its host keys are in ~/.ssh/known_hosts, and retries come at once."""
    assert desk.journal.parent == tmp_path
    with EmbeddedPair(tmp_path / "pair") as running:
        with running.cluster_file.open("a") as file:
            file.write("\n[policy]\nfirst_wait = 0.01\n")
        known = tmp_path / ".ssh" / "known_hosts"
        known.parent.mkdir()
        shutil.copy(running.known_hosts, known)
        yield running
