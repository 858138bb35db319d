from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

import pytest

from hamn_flow.journal import Journal, read
from hamn_flow.model.events import CheckpointReached


@pytest.mark.parametrize("lines", [1, 2, 7, 40, 150, 600])
def test_after_kill_9_all_that_was_recorded_is_there_and_nothing_by_halves(
    path: Path,
    spawn: Callable[..., Popen[str]],
    driving: Callable[[], AbstractContextManager[Journal]],
    lines: int,
) -> None:
    recorded = 0
    for _ in range(2):  # the second driver begins where the first was killed
        writer = spawn("write", path)
        assert writer.stdout
        for _ in range(lines):
            recorded = int(writer.stdout.readline())
        writer.kill()
        rest = writer.stdout.read().splitlines(keepends=True)
        writer.wait()
        recorded = max([recorded, *(int(word) for word in rest if word.endswith("\n"))])

        with read(path) as reader:
            happened = [event for _, _, event in reader.events("r1")]
            checkpoints = [int(event.checkpoint) for event in happened if isinstance(event, CheckpointReached)]
            assert checkpoints == list(range(1, len(checkpoints) + 1))
            assert len(checkpoints) in {recorded, recorded + 1}  # one may have been committed and not yet said
            assert reader.run("r1").summary.checkpoint == str(checkpoints[-1])
            assert reader.holder() is None
    with driving() as journal:
        journal.record(CheckpointReached(run="r1", checkpoint="after"))


def test_a_reader_leaves_what_a_killed_driver_left(path: Path, spawn: Callable[..., Popen[str]]) -> None:
    writer = spawn("write", path)
    assert writer.stdout
    for _ in range(20):
        writer.stdout.readline()
    writer.kill()
    writer.communicate()
    left = [path.read_bytes(), path.with_name("journal.db-wal").read_bytes()]
    with read(path) as reader:
        assert len(reader.events("r1")) > 20
    assert [path.read_bytes(), path.with_name("journal.db-wal").read_bytes()] == left


def test_readers_see_whole_commits_while_a_driver_writes(path: Path, spawn: Callable[..., Popen[str]]) -> None:
    writer = spawn("write", path)
    assert writer.stdout
    writer.stdout.readline()
    with read(path) as one, read(path) as other:
        seen = 0
        while seen < 200:
            before = int(one.run("r1").summary.checkpoint)
            events = len(other.events("r1")) - 1
            after = int(one.runs(limit=1)[0].checkpoint)
            assert seen <= before <= events <= after
            seen = after
            writer.stdout.readline()
    assert writer.poll() is None
