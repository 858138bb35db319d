"""Every command has a title, help for each of its options, and an example that is one of its own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer.main

from hamn_flow.cli.app import app
from tests.cli.desk import ROOT, Desk, begun

COMMANDS = {
    *("plan", "start", "resume", "rollback", "status", "runs", "show", "confirm", "skip", "abandon", "workflows"),
    *("graph", "check", "verify", "trust", "demo", "lab", "version", "owner", "release"),
    *("adopt", "audit"),
}
GROUP = typer.main.get_group(app)


def every_command() -> list[tuple[str, ...]]:
    """All that can be typed, those in groups as well."""
    found: list[tuple[str, ...]] = [(name,) for name in sorted(COMMANDS)]
    for path in found:
        found += [(*path, name) for name in sorted(getattr(command_of(*path), "commands", {}))]
    return found


def command_of(*path: str) -> Any:
    command: Any = GROUP
    for name in path:
        command = command.commands[name]
    return command


def test_the_commands_are_these(desk: Desk) -> None:
    said = desk.type("--help")
    assert said.status == 0
    listed = said.out.partition("Commands:")[2].partition("Example:")[0]
    assert set(re.findall(r"^  (\w+) ", listed, re.MULTILINE)) == COMMANDS
    assert "..." not in listed, "a title is cut"


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_help_has_an_example_that_is_understood(desk: Desk, path: tuple[str, ...]) -> None:
    said = desk.type(*path, "--help")
    assert said.status == 0
    (example,) = re.findall(r"Example: (hamn-flow .*)", said.out)
    program, *words = shlex.split(example.partition(" > ")[0])
    assert (program, *words[: len(path)]) == ("hamn-flow", *path)
    command = command_of(*path)
    command.make_context(path[-1], words[len(path) :])
    for option in command.params:
        assert getattr(option, "help", ""), f"{path} {option.name} has no help"


def test_completion_offers_commands_procedures_and_runs(desk: Desk) -> None:
    def offered(*words: str) -> str:
        environment = {
            **os.environ,
            "_HAMN_FLOW_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("hamn-flow", *words)),
            "COMP_CWORD": str(len(words)),
        }
        program = "import sys; sys.argv[0] = 'hamn-flow'; from hamn_flow.cli.main import main; sys.exit(main())"
        ended = subprocess.run(
            (sys.executable, "-c", program), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.stderr == ""
        return ended.stdout

    with desk.drive() as journal:
        begun(journal, "k7m2qx")
    assert offered("sta").split() == ["start", "status"]
    assert "planned-failover" in offered("plan", "plan")
    assert offered("resume", "k").split() == ["k7m2qx"]
    assert offered("rollback", "--to", "mn1.un").split() == ["mn1.unmount./install"]
    desk.journal.write_bytes(b"no journal any more " * 100)
    assert offered("resume", "k").strip() == ""
