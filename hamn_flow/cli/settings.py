"""What the options before the command say: the cluster file, the journal, the folders of procedures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hamn_flow.errors import Refused

if TYPE_CHECKING:
    from hamn_flow.catalog import Catalog
    from hamn_flow.journal import Reader
    from hamn_flow.model.pair import Cluster

CLUSTER_FILE = Path("/etc/hamn-flow/cluster.toml")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options before the command; without a journal it is that of the user."""

    cluster_file: Path = CLUSTER_FILE
    journal: Path | None = None
    workflows: tuple[Path, ...] = ()

    @property
    def journal_path(self) -> Path:
        """Where the journal is."""
        if self.journal is not None:
            return self.journal
        from hamn_flow.journal import default_path

        return default_path()

    def cluster(self) -> Cluster:
        """The pair; Invalid with all mistakes of the file."""
        from hamn_flow.cluster import load

        return load(self.cluster_file)

    def folders(self) -> tuple[Path, ...]:
        """Where procedures are looked for, the nearest first."""
        from hamn_flow.catalog.catalog import SITE_FOLDER
        from hamn_flow.content import folder

        return (*self.workflows, SITE_FOLDER, folder("workflows"))

    def catalog(self) -> Catalog:
        """The procedures."""
        from hamn_flow.catalog import Catalog

        for place in self.workflows:
            if not place.is_dir():
                raise Refused(f"there is no folder {place}", hint="Name a folder of procedure files.")
        return Catalog.load(self.workflows)


def the_run(reader: Reader, given: str, *, cluster: str = "") -> str:
    """The run that a person means: by the beginning of its id, or the one open run (of the pair, if it is said)."""
    if given:
        return reader.find(given)
    open_runs = [run.id for run in reader.runs(open_only=True) if cluster in {"", run.cluster}]
    if len(open_runs) == 1:
        return open_runs[0]
    if open_runs:
        raise Refused(f"more than one run is open: {', '.join(open_runs)}", hint="Say which one you mean.")
    raise Refused("no run is open", hint="Name one; hamn-flow runs lists them.")
