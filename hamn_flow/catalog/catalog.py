"""Where procedure files are looked for, and how one is loaded.

Search order: folders given on the command line, /etc/hamn-flow/workflows, then what ships with hamn-flow. The
file name is the procedure's name. Importing one has no effects beyond defining it.
"""

from __future__ import annotations

import importlib.util
import inspect
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from hamn_flow.catalog.procedure import Workflow
from hamn_flow.content import folder
from hamn_flow.errors import Invalid

SITE_FOLDER = Path("/etc/hamn-flow/workflows")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A procedure that was found: its name as people type it, its title and what else its file says."""

    name: str
    path: Path
    title: str
    description: str
    workflow: Workflow


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A file that could not be loaded, and why."""

    name: str
    path: Path
    problem: str


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All procedures of this site, and the files that are broken."""

    entries: tuple[Entry, ...]
    broken: tuple[Broken, ...]
    folders: tuple[Path, ...]

    @classmethod
    def load(cls, extra: Sequence[Path] = ()) -> Catalog:
        """Find and load every procedure file; a broken one is listed, never raised."""
        built_in = folder("workflows")
        folders = (*extra, SITE_FOLDER, built_in)
        entries: dict[str, Entry] = {}
        broken: list[Broken] = []
        for place in reversed(folders):  # the nearest to the person comes last and must say that it overrides
            for path in sorted(place.glob("[!_]*.py")) if place.is_dir() else ():
                name = path.stem.replace("_", "-")
                try:
                    _refuse_writable_by_others(path)
                    module = _import(path)
                    entry = _entry(name, path, module)
                    _refuse_same_name(entry, entries.get(name), module)
                    entries[name] = entry
                except Invalid as error:
                    broken.append(Broken(name=name, path=path, problem=error.sentence))
        return cls(entries=tuple(entries[name] for name in sorted(entries)), broken=tuple(broken), folders=folders)

    def find(self, name: str) -> Entry:
        """The procedure of that name; Invalid if it is broken or not there."""
        for broken in self.broken:
            if broken.name == name:
                raise Invalid((broken.problem,), hint="Mend the file; hamn-flow workflows lists what is broken.")
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries)
        raise Invalid((f"there is no procedure {name}",), hint=f"The procedures are: {known}.")

    @property
    def procedures(self) -> dict[str, Workflow]:
        """The workflows by name, as a procedure sees the others."""
        return {entry.name: entry.workflow for entry in self.entries}


def _refuse_same_name(entry: Entry, other: Entry | None, module: ModuleType) -> None:
    if other is not None and not getattr(module, "overrides", False):
        raise Invalid(
            (f"{entry.path}:1: {entry.name} is already the procedure of {other.path}",),
            hint="Give the file another name, or write overrides = True in it.",
        )


def _refuse_writable_by_others(path: Path) -> None:
    """Procedures run as root, so nobody else may be able to change one (as sshd's StrictModes)."""
    for place in (path, path.parent):
        status = place.stat()
        shared_folder = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_mode & stat.S_IWOTH and not shared_folder:
            raise Invalid((f"{path}:1: not loaded, others may write to {place}",), hint=f"Type chmod o-w {place}.")


def _import(path: Path) -> ModuleType:
    name = f"hamn_flow_procedures_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Invalid((f"{path}:1: not a Python file",))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it is executed: dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        raise Invalid((f"{path}:{error.lineno or 1}: {error.msg}",)) from error
    except (
        Exception,
        SystemExit,
    ) as error:  # whatever a site's file raises is that file's problem, and is said as such
        del sys.modules[name]
        raise Invalid((f"{path}:{_line_in(path, error)}: {type(error).__name__}: {error}",)) from error
    return module


def _line_in(path: Path, error: BaseException) -> int:
    """The last line of that file in the error's traceback."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _entry(name: str, path: Path, module: ModuleType) -> Entry:
    workflow = getattr(module, "workflow", None)
    if not isinstance(workflow, Workflow):
        raise Invalid((f"{path}:1: it has no workflow = Workflow(...)",))
    title, _, rest = (inspect.getdoc(module) or "").partition("\n")
    if not title:
        raise Invalid((f"{path}:1: it has no docstring, so the procedure has no title",))
    return Entry(name=name, path=path, title=title.strip(), description=rest.strip(), workflow=workflow)
