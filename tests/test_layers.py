"""A layer imports only those below it, and each library has one home."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HOMES = {
    "paramiko": {"transport", "simulator"},  # the embedded pair are servers
    "platformdirs": {"journal", "transport"},
    "pydantic": {"cluster", "catalog"},
    "pydantic_core": set[str](),
    "rich": {"cli"},
    "sqlite3": {"journal", "cli"},  # the command line asks only which version it is
    "sqlite_utils": {"journal"},
    "tenacity": {"engine", "transport"},
    "transitions": {"engine"},
    "typer": {"cli"},
    "click": set[str](),  # typer has one of its own, and an error of click's is not caught by it
    "workflows": set[str](),  # ours are found by path: these names belong to other distributions
    "state": set[str](),
}


def test_layers_import_only_what_lies_below_them() -> None:
    ran = _lint_imports(ROOT, ROOT)
    assert ran.returncode == 0, ran.stdout


def test_an_import_of_a_layer_above_is_found(tmp_path: Path) -> None:
    package = tmp_path / "hamn_flow"
    for path in (ROOT / "hamn_flow").rglob("*.py"):
        copy = package / path.relative_to(ROOT / "hamn_flow")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    with (package / "steps" / "step.py").open("a") as planted:
        planted.write("\nimport hamn_flow.engine\n")
    ran = _lint_imports(tmp_path, ROOT)
    assert ran.returncode == 1
    assert "hamn_flow.steps is not allowed to import hamn_flow.engine" in ran.stdout


@pytest.mark.parametrize(("library", "homes"), HOMES.items(), ids=list(HOMES))
def test_a_library_is_imported_only_where_it_is_at_home(library: str, homes: set[str]) -> None:
    users = {
        path.relative_to(ROOT / "hamn_flow").parts[0].removesuffix(".py")
        for path in (ROOT / "hamn_flow").rglob("*.py")
        if library in set(_imported(ast.parse(path.read_text())))
    }
    assert users <= homes


def _imported(tree: ast.Module) -> Iterator[str]:
    """The top-level names of all that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _lint_imports(folder: Path, settings: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the hamn_flow of that folder (import-linter puts the present folder on its path)."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--config", str(settings / "pyproject.toml"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
