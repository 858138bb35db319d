"""Procedure files: found by path, each on its own, refused with file and line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hamn_flow.catalog import Catalog
from hamn_flow.content import folder
from hamn_flow.errors import Invalid

WHOLE = '''"""Greet the cluster.

A longer word about it.
"""

from hamn_flow.catalog import Workflow

workflow = Workflow(stages=lambda site: [])
'''


def site_folder(tmp_path: Path, **files: str) -> Path:
    place = tmp_path / "workflows"
    place.mkdir(mode=0o755)
    for name, text in files.items():
        (place / f"{name}.py").write_text(text)
        (place / f"{name}.py").chmod(0o644)
    return place


def test_what_ships_is_found_whole_and_titled() -> None:
    catalog = Catalog.load()
    assert not catalog.broken
    assert {"activate", "deactivate", "planned-failover"} <= {entry.name for entry in catalog.entries}
    assert all(entry.title for entry in catalog.entries)


def test_a_site_adds_its_own(tmp_path: Path) -> None:
    catalog = Catalog.load([site_folder(tmp_path, greet_all=WHOLE, _part="raise SystemExit")])
    entry = catalog.find("greet-all")
    assert (entry.title, entry.description) == ("Greet the cluster.", "A longer word about it.")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("def f(:\n", 1, "invalid syntax"),
        ('"""T."""\nimport nothing_of_that_name\n', 2, "ModuleNotFoundError"),
        ('"""T."""\n\n1 / 0\n', 3, "ZeroDivisionError: division by zero"),
        ('"""T."""\n', 1, "it has no workflow = Workflow(...)"),
        ("from hamn_flow.catalog import Workflow\nworkflow = Workflow(stages=list)\n", 1, "it has no docstring"),
    ],
)
def test_a_broken_file_is_said_with_its_line_and_hides_no_other(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    place = site_folder(tmp_path, broken=text, greet=WHOLE)
    catalog = Catalog.load([place])
    assert catalog.find("greet").title == "Greet the cluster."
    with pytest.raises(Invalid) as error:
        catalog.find("broken")
    assert error.value.sentence.startswith(f"{place / 'broken.py'}:{line}: ")
    assert problem in error.value.sentence


def test_a_name_of_ours_is_taken_over_only_by_saying_so(tmp_path: Path) -> None:
    place = site_folder(tmp_path, activate=WHOLE)
    with pytest.raises(Invalid, match="activate is already the procedure of"):
        Catalog.load([place]).find("activate")
    (place / "activate.py").write_text(WHOLE + "overrides = True\n")
    assert Catalog.load([place]).find("activate").path == place / "activate.py"


def test_a_file_that_others_may_change_is_not_run(tmp_path: Path) -> None:
    place = site_folder(tmp_path, greet=WHOLE)
    (place / "greet.py").chmod(0o666)
    with pytest.raises(Invalid, match="others may write to"):
        Catalog.load([place]).find("greet")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(Invalid, match="there is no procedure fail-over") as error:
        Catalog.load().find("fail-over")
    assert "planned-failover" in error.value.hint


def test_importing_what_ships_has_no_effects() -> None:
    """At module level stand imports, constants, definitions and the workflow: nothing is called but Workflow."""
    for path in folder("workflows").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
            assert isinstance(node, allowed) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)), (
                f"{path}:{node.lineno}"
            )
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                assert ast.unparse(node.value.func) == "Workflow", f"{path}:{node.lineno}"
