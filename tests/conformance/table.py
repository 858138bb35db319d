"""The conformance table: every command that the Linux platform can emit, and what a node makes of it."""

from __future__ import annotations

from tests.conformance import (
    table_addresses,
    table_database,
    table_exports,
    table_file_systems,
    table_files,
    table_names,
    table_processes,
    table_units,
    table_xcat,
)
from tests.conformance.row import Row, Scene

_SUBJECTS = {
    "units": table_units.ROWS,
    "addresses": table_addresses.ROWS,
    "names": table_names.ROWS,
    "exports": table_exports.ROWS,
    "xcat": table_xcat.ROWS,
    "processes": table_processes.ROWS,
    "database": table_database.ROWS,
    "file systems": table_file_systems.ROWS,
    "files": table_files.ROWS,
}

TABLE: dict[str, Row] = {
    f"{subject}: {row.name}": row
    for scene in Scene
    for subject, rows in _SUBJECTS.items()
    for row in rows
    if row.scene is scene
}
"""By subject and sentence; a scene's rows stand together, so that it is set once."""
