"""`hamn-flow lab`: two real hosts on one machine, set up, looked at, entered, taken down."""

# No postponed annotations here: typer reads them all at every start, and would have to compile each of them anew.

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hamn_flow.cli.words import Command, Group

if TYPE_CHECKING:
    from hamn_flow.lab.place import Lab
    from hamn_flow.lab.status import Status
    from hamn_flow.report.line import Line

lab = typer.Typer(
    cls=Group,
    help="Try failovers on two real hosts. They are made on this machine, share a disk, and reach nobody else.",
    epilog="Example: hamn-flow lab up",
    no_args_is_help=True,
    rich_markup_mode=None,
)
command = partial(lab.command, cls=Command)
takes_a_command = partial(command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})

Name = Annotated[str, typer.Option(metavar="NAME", help="The lab's name; labs with different names do not meet.")]
Directory = Annotated[
    str,
    typer.Option(
        metavar="DIR",
        envvar="HAMN_FLOW_LABS",
        show_default=False,
        help="The folder of labs; by default /var/lib/hamn-flow/labs.",
    ),
]
Node = Annotated[str, typer.Argument(metavar="NODE", help="mn1 or mn2.")]
Words = Annotated[list[str], typer.Argument(metavar="COMMAND...", help="A program with its arguments.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


@command(epilog="Example: hamn-flow lab up")
def up(
    *,
    name: Name = "lab",
    directory: Directory = "",
    dhcp: Annotated[str, typer.Option(metavar="isc|kea", help="The DHCP server: isc-dhcp-server or Kea.")] = "isc",
    image: Annotated[
        str, typer.Option(metavar="DIR", help="Boot the hosts from this root file system, without our stand-ins.")
    ] = "",
) -> None:
    """Set the lab up, with mn1 as the active node. It takes root, Linux, and Debian's packages."""
    import signal

    from hamn_flow.cli.stopping import listening
    from hamn_flow.lab.up import Options
    from hamn_flow.lab.up import up as set_up

    with listening(signal.default_int_handler):  # nothing is left half set up
        set_up(_lab(name, directory), Options(dhcp=dhcp, image=image), _say)


@command(epilog="Example: hamn-flow lab down")
def down(*, name: Name = "lab", directory: Directory = "") -> None:
    """Take the lab down, and remove all that it left."""
    from hamn_flow.lab.down import down as take_down

    take_down(_lab(name, directory), _say)


@command(epilog="Example: hamn-flow lab status")
def status(*, name: Name = "lab", directory: Directory = "", json: Json = False) -> None:
    """Say how the lab stands: its hosts, its disk, its network, and who has the role."""
    from hamn_flow.cli.paper import Paper
    from hamn_flow.lab.status import data
    from hamn_flow.lab.status import status as look

    found = look(_lab(name, directory))
    Paper.of(as_json=json).result(_lines(found), data(found))


@command(epilog="Example: hamn-flow lab shell mn1")
def shell(node: Node, *, name: Name = "lab", directory: Directory = "") -> None:
    """Open a shell of root in a host."""
    from hamn_flow.lab import host

    host.become(_lab(name, directory), _node(node), ("bash", "--login"))


@takes_a_command("exec", epilog="Example: hamn-flow lab exec mn1 -- lsxcatd -a")
def run_inside(node: Node, words: Words, *, name: Name = "lab", directory: Directory = "") -> None:
    """Run a command in a host, not over SSH. The exit status is the command's."""
    from hamn_flow.lab import host

    host.become(_lab(name, directory), _node(node), _command(words))


@takes_a_command("run", epilog="Example: hamn-flow lab run hamn-flow plan planned-failover")
def run_beside(words: Words, *, name: Name = "lab", directory: Directory = "") -> None:
    """Run a command where both hosts can be reached. The pair and the journal are the lab's; so is the exit status."""
    from hamn_flow.lab import control

    control.become(_lab(name, directory), _command(words))


def _lab(name: str, directory: str) -> "Lab":
    from hamn_flow.lab.place import Lab
    from hamn_flow.lab.requirements import need_root

    need_root()
    return Lab(name=name, directory=Path(directory)) if directory else Lab(name=name)


def _node(node: str) -> str:
    from hamn_flow.lab.place import NODES

    if node not in NODES:
        raise typer.BadParameter(f"{node!r} is none of the hosts {' and '.join(NODES)}", param_hint="NODE")
    return node


def _command(words: list[str]) -> list[str]:
    """The words without the -- that may stand before them."""
    return words[1:] if words[0] == "--" and len(words) > 1 else words


def _say(text: str) -> None:
    from hamn_flow.cli.paper import Paper
    from hamn_flow.report.line import line

    Paper.of(as_json=False).tell([line(text)])


def _lines(status: "Status") -> "list[Line]":
    from hamn_flow.report.line import Span, Tone, line, seconds_text

    if status.state == "none":
        return [line(f"There is no lab {status.name} in {status.place.parent}.")]
    said = {
        "up": "up",
        "changing": "being set up or taken down",
        "half": "half there: down removes it, up begins anew",
    }[status.state]
    lines = [line(Span(f"lab {status.name}", Tone.HEAD), f"  {said}")]
    for host in status.hosts:
        runs = f"for {seconds_text(host.age)}, pid {host.leader}, {' '.join(host.addresses)}" if host.leader else ""
        tone = Tone.GOOD if host.role == "active" else Tone.PLAIN
        lines.append(line(f"  {host.name:<9}", Span(f"{host.role:<9}", tone), "" if len(host.role) < 9 else "  ", runs))
        if host.mounted:
            lines.append(line(f"{'':<20}{' '.join(host.mounted)}"))
    lines.append(line(f"  {'disk':<9}{status.image}, {status.written >> 20} MiB written, {' '.join(status.loops)}"))
    lines.append(line(f"  {'network':<9}{' '.join(status.namespaces)}"))
    return lines
