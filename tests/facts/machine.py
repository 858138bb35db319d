"""Running programs for real: the Perl ones, ones that wait, and ones on a disk that nobody else sees."""

import os
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from hamn_flow.facts import scripts
from hamn_flow.model.command import Result

SECONDS = 30  # after which a program counts as hung


def run(*argv: str, text_in: str = "", environment: dict[str, str] | None = None) -> Result:
    ended = subprocess.run(
        argv, input=text_in.encode(), capture_output=True, check=False, timeout=SECONDS, env=environment
    )
    return Result(status=ended.returncode, output=ended.stdout, errors=ended.stderr)


def perl(name: str, *args: str, path: str = "") -> Result:
    """Run one of the programs on this machine, as a node would."""
    environment = os.environ | {"LC_ALL": "C", "PATH": f"{path}:{os.environ['PATH']}".lstrip(":")}
    return run("perl", "-", *args, text_in=scripts.source(name), environment=environment)


@dataclass
class Living:
    """A process that has said that it is ready, and ends when it is let go."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def started(self) -> int:
        return int(Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()[19])

    def let_go(self) -> None:
        self.process.communicate(timeout=SECONDS)


def live(*argv: str) -> Living:
    """Start a program that prints a line when it is ready and then waits for the end of its input."""
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline(), f"{argv} did not get ready"
    return Living(process)


@dataclass
class Disk:
    """A loop device with an ext4 file system, and a mount namespace of its own to use it in."""

    device: str
    place: Path  # a directory outside
    keeper: Living
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def mount_point(self) -> str:
        return str(self.place / "install")

    @property
    def number(self) -> str:
        minor = self.device.removeprefix("/dev/loop")
        return f"7:{minor}"

    def inside(self, *argv: str) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self.keeper.pid), "-m", "--", *argv)

    def do(self, *argv: str) -> Result:
        result = run(*self.inside(*argv))
        assert result.status == 0, result.error_text
        return result

    def script(self, name: str, *args: str) -> Result:
        return run(*self.inside("perl", "-", *args), text_in=scripts.source(name))

    def mount(self) -> None:
        self.do("mount", "-t", "ext4", self.device, self.mount_point)

    def holder(self, perl: str, *args: str) -> Living:
        """A Perl one-liner inside that holds something until the test ends."""
        program = f"$| = 1; {perl}; print qq(ready\\n); <STDIN>"
        return self.keep(*self.inside("perl", "-MSocket", "-e", program, *args))

    def keep(self, *argv: str) -> Living:
        living = live(*argv)
        self.stack.callback(living.let_go)
        return living
