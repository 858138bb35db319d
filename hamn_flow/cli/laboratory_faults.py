"""`hamn-flow lab fault`: what goes wrong in a lab, set and lifted."""

# No postponed annotations here: typer reads them all at every start, and would have to compile each of them anew.

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hamn_flow.cli.laboratory import Directory, Json, Name
from hamn_flow.cli.words import Command, Group

if TYPE_CHECKING:
    from hamn_flow.lab.place import Lab
    from hamn_flow.report.line import Line

fault = typer.Typer(
    cls=Group,
    help="Let something go wrong in a lab. What is set is remembered until it is lifted.",
    epilog="Example: hamn-flow lab fault set hold mn1 /install cwd",
    no_args_is_help=True,
    rich_markup_mode=None,
)
command = partial(fault.command, cls=Command)


@command(epilog="Example: hamn-flow lab fault kinds")
def kinds(*, json: Json = False) -> None:
    """List the kinds of faults. With what each takes, and what it does."""
    from hamn_flow.cli.paper import Paper
    from hamn_flow.lab.faults import KINDS
    from hamn_flow.report.line import Span, Tone, hanging, line

    paper = Paper.of(as_json=json)
    lines: list[Line] = []
    for name, kind in KINDS.items():
        lines.append(line(Span(" ".join((name, "NODE", *kind.words)), Tone.HEAD)))
        lines += hanging(line("    "), kind.does, paper.width)
    data = [{"kind": name, "words": list(kind.words), "does": kind.does} for name, kind in KINDS.items()]
    paper.result(lines, {"kinds": data})


@command("set", epilog="Example: hamn-flow lab fault set full mn1 /install")
def set_one(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="As `hamn-flow lab fault kinds` lists them.")],
    node: Annotated[str, typer.Argument(metavar="NODE", help="mn1 or mn2.")],
    what: Annotated[list[str] | None, typer.Argument(metavar="WHAT", help="What the kind takes.")] = None,
    *,
    name: Name = "lab",
    directory: Directory = "",
    json: Json = False,
) -> None:
    """Set a fault. It stays until it is lifted, or its host loses its power."""
    from hamn_flow.cli.paper import Paper
    from hamn_flow.lab.faults import KINDS, set_fault
    from hamn_flow.report.line import line

    lab = _lab(name, directory)
    made = set_fault(lab, kind, node, *(what or ()))
    lasts = KINDS[kind].lasts
    said = f"{made} is set; lift it by: {lab.typed('fault lift', made.id)}" if lasts else f"{kind} on {node} is done."
    Paper.of(as_json=json).result([line(said)], {"id": made.id if lasts else None})


@command("list", epilog="Example: hamn-flow lab fault list")
def list_all(*, name: Name = "lab", directory: Directory = "", json: Json = False) -> None:
    """List the faults that are set."""
    from hamn_flow.cli.paper import Paper
    from hamn_flow.lab.faults import recorded
    from hamn_flow.report.line import line

    found = recorded(_there(name, directory))
    data = [{"id": one.id, "kind": one.kind, "node": one.node, "what": list(one.what)} for one in found]
    Paper.of(as_json=json).result([line(str(one)) for one in found] or [line("No fault is set.")], {"faults": data})


@command(epilog="Example: hamn-flow lab fault lift all")
def lift(
    which: Annotated[str, typer.Argument(metavar="ID|all", help="A fault's number, or all.")],
    *,
    name: Name = "lab",
    directory: Directory = "",
    json: Json = False,
) -> None:
    """Lift a fault, or all of them. A host that was off is booted."""
    from hamn_flow.cli.paper import Paper
    from hamn_flow.lab import faults
    from hamn_flow.report.line import line

    lab, paper = _there(name, directory), Paper.of(as_json=json)
    if which == "all":
        said = faults.lift_all(lab, lambda each: paper.tell([line(each)]))
    else:
        said = [faults.lift(lab, which)]
        paper.tell([line(said[0])])
    paper.result([] if said else [line("No fault is set.")], {"said": said})


def _lab(name: str, directory: str) -> "Lab":
    from hamn_flow.lab.place import Lab
    from hamn_flow.lab.requirements import need_root

    need_root()
    return Lab(name=name, directory=Path(directory)) if directory else Lab(name=name)


def _there(name: str, directory: str) -> "Lab":
    from hamn_flow.errors import Refused

    lab = _lab(name, directory)
    if not lab.begun:
        raise Refused(f"there is no lab {lab.name} in {lab.directory}", hint=f"Type {lab.typed('up')} first.")
    return lab
