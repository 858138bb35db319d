from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hamn_flow import content

FILE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True)
class Word:
    text: str

WORD = Word({0!r})
"""


def test_files_of_one_name_are_modules_of_their_own(tmp_path: Path) -> None:
    files = [tmp_path / name / "same.py" for name in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.write_text(FILE.format(file.parent.name))
    before = list(sys.path)
    one, two = (content.load(file) for file in files)
    assert (one.WORD.text, two.WORD.text) == ("one", "two")
    assert sys.modules[one.__name__] is one
    assert sys.path == before
    assert "same" not in sys.modules


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [("bad.py", "1 / 0", ZeroDivisionError), ("bad.py", "(", SyntaxError), ("bad.txt", "", ImportError)],
)
def test_a_file_that_cannot_be_run_leaves_no_module(
    name: str, text: str, error: type[Exception], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    before = set(sys.modules)
    with pytest.raises(error):
        content.load(tmp_path / name)
    assert not {module for module in set(sys.modules) - before if module.startswith("_hamn_flow_bad")}


def test_what_the_wheel_carries_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hamn_flow"
    monkeypatch.setattr(content, "_PACKAGE", package)
    assert content.folder("state") == tmp_path / "state"
    (package / "_content" / "state").mkdir(parents=True)
    assert content.folder("state") == package / "_content" / "state"
