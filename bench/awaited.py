"""A command that says that it runs and goes on until it is told to end: to be met while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Half a minute at most, so that none is left behind.
_TEXT = """\
echo ran >> "$1"
turns=0
until [ -e "$2" ] || [ $turns = 1500 ]; do turns=$((turns + 1)); sleep 0.02; done
echo done > "$3"
"""


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """The command and its files; everything else that belongs to the same round lies in `folder` as well."""

    folder: Path

    @property
    def argv(self) -> tuple[str, ...]:
        """The command."""
        return ("/bin/sh", "-c", _TEXT, "sh", str(self.folder / "ran"), str(self.folder / "go"), str(self.done))

    @property
    def done(self) -> Path:
        """What is there once it has ended: its effect."""
        return self.folder / "done"

    @property
    def times(self) -> int:
        """How often it began to run."""
        ran = self.folder / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def end(self) -> None:
        """Tell it to end."""
        (self.folder / "go").touch()
