"""A command on a simulated node, and the small things that every simulated program does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hamn_flow.model.command import Result
from hamn_flow.simulator.state import File, FileSystem, Hold, Node, Process, State


class UnknownCommandError(Exception):
    """No simulated program understands this command: the simulator or the caller must learn it."""


class ChangedByLookError(Exception):
    """A command that changes something was sent as a look."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """One command being carried out on a node; `words` are its arguments without the program."""

    state: State
    node: Node
    program: str
    words: tuple[str, ...]
    environment: dict[str, str]
    job: bool
    clock: Callable[[], float]

    def change(self) -> None:
        """To be called before anything is changed."""
        if not self.job:
            message = f"{self.text} changes {self.node.name}, but was sent as a look"
            raise ChangedByLookError(message)

    @property
    def text(self) -> str:
        """The command in one line, for messages."""
        return " ".join((self.program, *self.words))

    def unknown(self) -> UnknownCommandError:
        """The error for arguments that the simulated program does not have."""
        return UnknownCommandError(f"{self.node.name}: {self.text}")

    def read(self, path: str) -> File | None:
        """The file at a path, through the node's mounts."""
        file_system, relative = self.state.locate(self.node, path)
        return file_system.files.get(relative)

    def write(self, path: str, content: str, mode: str = "0644", owner: str = "root") -> bool:
        """Put a file in place; False if its directory does not exist."""
        file_system, relative = self.state.locate(self.node, path)
        if not is_directory(file_system, parent_of(relative)):
            return False
        file_system.files[relative] = File(content, mode, owner)
        return True


def ok(text: str = "", errors: str = "") -> Result:
    """Status 0."""
    return Result(status=0, output=text.encode(), errors=errors.encode())


def refused(status: int, errors: str, text: str = "") -> Result:
    """A status other than 0 with words on standard error, or on standard output where the real program says so."""
    return Result(status=status, output=text.encode(), errors=errors.encode())


def parent_of(path: str) -> str:
    """The directory of a path."""
    return path.rsplit("/", 1)[0] or "/"


def is_directory(file_system: FileSystem, path: str) -> bool:
    """Whether a path below a file system's root is a directory: named as one, or above a file."""
    if path in file_system.directories:
        return True
    prefix = path.rstrip("/") + "/"
    return any(name.startswith(prefix) for name in (*file_system.directories, *file_system.files))


def why_absent(file_system: FileSystem, path: str) -> str:
    """What the kernel says of a path that is not there: something above it may be a file."""
    parts = path.split("/")
    above = ("/".join(parts[:end]) for end in range(2, len(parts)))
    return "Not a directory" if any(each in file_system.files for each in above) else "No such file or directory"


def spawn(
    node: Node,
    title: str,
    *,
    user: str = "root",
    unit: str = "",
    command: str = "",
    holds: tuple[Hold, ...] = (),
    ports: tuple[tuple[str, str, int], ...] = (),
    ignores: tuple[str, ...] = (),
) -> Process:
    """Start a process; its command is the title's first word if not given, 15 characters at most (proc(5), comm)."""
    node.next_pid += 1
    node.ticks += 100
    name = command or title.partition(" ")[0].rpartition("/")[2].rstrip(":")
    process = Process(
        pid=node.next_pid,
        started=node.ticks,
        user=user,
        unit=unit,
        title=title,
        command=name[:15],
        holds=list(holds),
        ports=list(ports),
        ignores=ignores,
    )
    node.processes[process.pid] = process
    return process


def hold_at(state: State, node: Node, kind: str, path: str) -> Hold:
    """A hold on whatever file system answers for the path now."""
    file_system, relative = state.locate(node, path)
    return Hold(kind=kind, file_system=file_system.name, detail=relative)


_OWN_TITLE = re.compile(r"[\w.@/-]+: .*")


def shown_title(process: Process) -> str:
    """The title that a process gave itself, or its name; never its arguments (scripts/_common.pl)."""
    return process.title if _OWN_TITLE.fullmatch(process.title) else process.command


def escaped(value: object) -> str:
    r"""A value as our scripts print it: tabs, newlines and backslashes as \t, \n and \\."""
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def line(*values: object) -> str:
    """One line of a script's answer."""
    return "\t".join(escaped(value) for value in values) + "\n"


Program = Callable[[Host], Result]
