"""The demonstration from beginning to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamn_flow.demo import run


@pytest.mark.timeout(110)
def test_the_demonstration_goes_as_it_should(tmp_path: Path) -> None:
    said: list[str] = []
    status = run(tmp_path / "demo.db", said.append)
    text = "".join(said)
    assert status == 0, text
    assert "did not go as it should" not in text
    typed = [line.partition("$ hamn-flow ")[2].split()[0] for line in text.splitlines() if line.startswith("$ ham")]
    assert typed == ["plan", "start", "status", "resume", "start", "rollback", "runs", "status"]


def test_two_demonstrations_do_not_share_a_journal(tmp_path: Path) -> None:
    from hamn_flow.demo.stage import scene  # noqa: PLC0415 - beside its one use

    wanted = tmp_path / "demo.db"
    with scene(lambda _text: None, wanted) as first, scene(lambda _text: None, wanted) as second:
        assert first.journal == wanted
        assert second.journal != wanted
