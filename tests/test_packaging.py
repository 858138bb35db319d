"""The wheel is one package, and works where nothing else is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tools import readme
from tools.readme import README

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.xdist_group("packaging"),  # the wheel is built once
    pytest.mark.timeout(600),  # packages are fetched
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT), folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it asks for, and nothing else; where its programs are."""
    folder = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", str(folder), folder=folder)
    _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel), folder=folder)
    return folder / "bin"


def test_the_wheel_is_one_package_with_its_procedures_and_migrations(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"hamn_flow"}
    here = {f"hamn_flow/_content/workflows/{path.name}" for path in (ROOT / "workflows").glob("*.py")}
    here |= {f"hamn_flow/_content/state/{name}" for name in ("migrations.py", "README.md")}
    assert here == {name for name in names if "/_content/" in name}
    scripts = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hamn_flow").rglob("*.pl")}
    assert scripts == {name for name in names if name.endswith(".pl")}
    assert scripts
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_says_what_it_can_do(installed: Path, tmp_path: Path) -> None:
    assert "planned-failover" in _run(str(installed / "hamn-flow"), "workflows", folder=tmp_path)
    assert "Commands:" in _run(str(installed / "hamn-flow"), "--help", folder=tmp_path)


def test_its_demo_goes_as_the_readme_shows(installed: Path, tmp_path: Path) -> None:
    said = _run(str(installed / "hamn-flow"), "demo", folder=tmp_path)
    shown = re.search(r"<!-- demo:begin -->\n```text\n(.*?)\n```", README.read_text(), re.DOTALL)
    assert shown
    assert readme.not_said(shown[1], readme.plain(said)) == [], "make docs writes it"
    assert "$ hamn-flow rollback" in said


def _run(*words: str, folder: Path) -> str:
    """Run a program away from the checkout, with nothing of this environment's Python in its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HAMN_FLOW"))}
    ran = subprocess.run(
        words,
        cwd=folder,
        env=environment | {"HOME": str(folder), "COLUMNS": "104", "NO_COLOR": "1", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{words} ended with {ran.returncode}:\n{ran.stdout}"
    return ran.stdout
