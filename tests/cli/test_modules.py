"""Which modules the quick commands load: --help and status must not pay for what they do not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hamn_flow.model.events import RunHalted
from tests.cli.desk import ROOT, Desk, begun

_LIST = (
    "import sys\n"
    "from hamn_flow.cli.main import main\n"
    "status = main(sys.argv[1:])\n"
    "sys.stderr.write(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    "sys.exit(status)\n"
)
# Of all that is installed, typer alone. (shellingham only looks which shell it is, for --install-completion.)
_THIRD_PARTY = {"typer", "shellingham", "annotated_doc"}
_OURS = {
    *("cli", "cli.app", "cli.laboratory", "cli.laboratory_faults", "cli.main", "cli.settings", "cli.suggest"),
    "cli.words",
    "errors",
}
_OURS_FOR_STATUS = _OURS | {
    *("cli.paper", "cli.recall", "content", "report", "report.life", "report.line"),
    *("report.outage", "report.status", "model", "model.command", "model.events", "model.outage", "model.run"),
    *(f"journal{name}" for name in ("", ".chain", ".codec", ".journal", ".lock", ".place", ".projections", ".reader")),
    *("journal.rows", "journal.schema", "journal.trouble"),
}


@pytest.mark.parametrize(
    ("words", "ours"), [(("--help",), _OURS), (("status",), _OURS_FOR_STATUS)], ids=["--help", "status"]
)
def test_no_more_than_these(desk: Desk, words: tuple[str, ...], ours: set[str]) -> None:
    with desk.drive() as journal:
        begun(journal, "k7m2qx")
        journal.record(RunHalted(run="k7m2qx", step="mn1.look", reason="busy", hint="Type this."))
    bare = set(_loaded("-c", "import sys; sys.stderr.write(' '.join({n.partition('.')[0] for n in sys.modules}))"))
    loaded = set(_loaded("-c", _LIST, *words)) - bare
    assert {name for name in loaded if name not in sys.stdlib_module_names} - {"hamn_flow"} == _THIRD_PARTY
    assert "asyncio" not in loaded
    whole = _LIST.replace(".partition('.')[0]", "")
    assert {name for name in _loaded("-c", whole, *words) if name.startswith("hamn_flow.")} == {
        f"hamn_flow.{name}" for name in ours
    }


def _loaded(*words: str) -> list[str]:
    ended = subprocess.run((sys.executable, *words), cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stderr.split()
