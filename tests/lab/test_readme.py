"""What the README says that two commands do on two real hosts is what they do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hamn_flow.lab.place import Lab
from tools import readme


@pytest.mark.lab
def test_the_two_commands_of_the_readme_do_what_it_shows(another: Lab) -> None:
    shown = re.search(r"<!-- lab:begin -->\n```text\n(.*?)\n```", readme.README.read_text(), re.DOTALL)
    assert shown
    assert [f"$ hamn-flow {' '.join(words)}" for words in readme.LAB] == re.findall(r"^\$ .*", shown[1], re.MULTILINE)
    said = readme.lab(another.name, str(another.directory))
    assert readme.not_said(shown[1], said) == [], "python -m tools.readme --fast --lab writes it"
    assert not Path(another.place).exists()
