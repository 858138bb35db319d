"""What the README shows is what hamn-flow says."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from hamn_flow import errors
from tools import readme
from tools.readme import COMMANDS, README, ROOT, hamn_flow

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "state").glob("*.md")])


def test_what_stands_between_the_markers_is_what_is_said_today() -> None:
    text = README.read_text()
    assert readme.filled(text, readme.contents()) == text, "make docs writes it"


def test_the_page_of_commands_is_what_they_say_today() -> None:
    assert COMMANDS.read_text() == readme.commands_page(), "make docs writes it"


def test_every_command_is_in_the_readme_and_its_help_has_an_example() -> None:
    names = readme.command_names()
    assert {"plan", "start", "resume", "rollback", "status"} <= set(names)
    text, page = README.read_text(), COMMANDS.read_text()
    assert [name for name in names if f"| `hamn-flow {name}" not in text] == []
    assert [name for name in names if f"Example: hamn-flow {name}" not in page] == []


def test_the_readme_shows_a_failover_that_halts_and_goes_on() -> None:
    shown = re.search(r"<!-- demo:begin -->\n(.*)<!-- demo:end -->", README.read_text(), re.DOTALL)
    assert shown
    halted, resumed = shown[1].find("busy"), shown[1].find("hamn-flow resume")
    assert 0 < halted < resumed


def test_what_the_readme_says_to_type_can_be_typed(tmp_path: Path) -> None:
    """Each line of the README's console blocks runs; the others name a command, and options that its help has."""
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert lines
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "hamn-flow"
        ran = hamn_flow(*arguments, folder=tmp_path)
        assert ran.returncode == 0, ran.stdout
    for typed in re.findall(r"^\| `(hamn-flow [^`]*)`", README.read_text(), re.MULTILINE):
        _, name, *arguments = shlex.split(typed)
        told = readme.help_of(name)
        assert [each for each in arguments if each.startswith("--") and each not in told] == [], typed


def test_every_error_has_its_exit_code_in_the_readme() -> None:
    table = readme.exit_codes()
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.HamnError):
            assert f"| {error.exit_status} |" in table


def test_the_changelog_has_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert changelog.startswith("# Changelog\n")
    assert re.search(rf"^## \[{re.escape(version)}\]", changelog, re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
