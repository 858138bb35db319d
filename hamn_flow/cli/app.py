"""The commands: what each takes, its help, and the module that does it, imported when it is needed."""

# No postponed annotations here: typer reads them all at every start, and would have to compile each of them anew.

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hamn_flow.cli.laboratory import lab
from hamn_flow.cli.laboratory_faults import fault
from hamn_flow.cli.settings import CLUSTER_FILE, Settings
from hamn_flow.cli.suggest import procedures, runs, steps
from hamn_flow.cli.words import Command, Group

app = typer.Typer(
    name="hamn-flow",
    cls=Group,
    help="Move the role of an xCAT management node between the two nodes of a pair, step by step, and back.",
    epilog="Example: hamn-flow plan planned-failover",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)
command = partial(app.command, cls=Command)
lab.add_typer(fault, name="fault")
app.add_typer(lab, name="lab")

_RUN = "A run's id or its beginning; the open run if left out."
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it at once: it is neither shown first nor asked for.")]
Because = Annotated[str, typer.Option(metavar="WHY", help="The reason; it is kept in the journal.")]
Procedure = Annotated[str, typer.Argument(metavar="PROCEDURE", autocompletion=procedures, help="A procedure's name.")]
Cancel = Annotated[
    bool, typer.Option("--cancel", help="End what an earlier driver left running on the nodes, instead of waiting.")
]
Options = Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="The procedure's options.")]
RunId = Annotated[str, typer.Argument(metavar="[RUN]", autocompletion=runs, help=_RUN)]
RunOption = Annotated[str, typer.Option("--run", metavar="RUN", autocompletion=runs, help=_RUN)]
StepName = Annotated[
    str, typer.Argument(metavar="STEP", autocompletion=steps, help="A step's name, such as mn1.unmount./install.")
]


@app.callback()
def before(
    ctx: typer.Context,
    *,
    cluster: Annotated[
        str, typer.Option(metavar="FILE", envvar="HAMN_FLOW_CLUSTER", help="The file that describes the pair.")
    ] = str(CLUSTER_FILE),
    journal: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            envvar="HAMN_FLOW_JOURNAL",
            show_default=False,
            help="The journal; by default /var/lib/hamn-flow/journal.db, for others than root in their state folder.",
        ),
    ] = "",
    workflows: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="A folder of procedures, searched before the others; may be given again."),
    ] = None,
) -> None:
    """Take the options that stand before the command."""
    ctx.obj = Settings(
        cluster_file=Path(cluster),
        journal=Path(journal) if journal else None,
        workflows=tuple(Path(folder) for folder in workflows or ()),
    )


@command(epilog="Example: hamn-flow plan planned-failover dump=/var/backups")
def plan(ctx: typer.Context, procedure: Procedure, options: Options = None, *, json: Json = False) -> None:
    """Show what a procedure would do now. On which node, by which command, and what is already so."""
    from hamn_flow.cli import look

    look.plan(settings_of(ctx), procedure, options_of(options), as_json=json)


@command(epilog="Example: hamn-flow start planned-failover")
def start(
    ctx: typer.Context,
    procedure: Procedure,
    options: Options = None,
    *,
    cancel: Cancel = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Show the plan of a procedure, ask, and carry it out."""
    from hamn_flow.cli import drive

    drive.start(settings_of(ctx), procedure, options_of(options), drive.left_running(cancel), yes=yes, as_json=json)


@command(epilog="Example: hamn-flow resume k7m2qx")
def resume(
    ctx: typer.Context,
    run: RunId = "",
    *,
    forward: Annotated[bool, typer.Option("--forward", help="Turn a rollback round and go on forwards.")] = False,
    cancel: Cancel = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Go on with a run that waits or lost its driver. It keeps its direction.

    Where others had its nodes meanwhile, that is told and asked about, and refused with --yes.
    """
    from hamn_flow.cli import drive

    drive.resume(settings_of(ctx), run, drive.left_running(cancel), forward=forward, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow rollback k7m2qx --to mn1.stop.xcatd")
def rollback(
    ctx: typer.Context,
    run: RunId = "",
    *,
    to: Annotated[
        str,
        typer.Option(metavar="STEP", autocompletion=steps, help="Keep this step's stage and what came before it."),
    ] = "",
    cancel: Cancel = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Undo what a run changed, last first.

    Where others had its nodes meanwhile, that is told and asked about, and refused with --yes or if the run is done.
    """
    from hamn_flow.cli import drive

    drive.rollback(settings_of(ctx), run, drive.left_running(cancel), to=to, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow status")
def status(ctx: typer.Context, *, json: Json = False) -> None:
    """Say how the open run stands. Where it stopped, why, and what to type next."""
    from hamn_flow.cli import recall

    recall.status(settings_of(ctx), as_json=json)


@command("runs", epilog="Example: hamn-flow runs --limit 5")
def list_runs(
    ctx: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """List the runs, newest first."""
    from hamn_flow.cli import recall

    recall.runs(settings_of(ctx), limit, as_json=json)


@command(epilog="Example: hamn-flow show k7m2qx")
def show(ctx: typer.Context, run: RunId = "", *, json: Json = False) -> None:
    """Tell a run's story.

    Each step as it stands, then what happened: commands with their time, status and last lines, attempts, decisions.
    """
    from hamn_flow.cli import recall

    recall.show(settings_of(ctx), run, as_json=json)


@command(epilog="Example: hamn-flow confirm mn1.swap.cable --because 'done, port 7'")
def confirm(ctx: typer.Context, step: StepName, *, because: Because, run: RunOption = "", json: Json = False) -> None:
    """Say that a step is so where the nodes cannot tell. It never overrules what they can."""
    from hamn_flow.cli import decide

    decide.confirm(settings_of(ctx), run, step, because, as_json=json)


@command(epilog="Example: hamn-flow skip mn2.start.conserver --because 'consoles can wait'")
def skip(
    ctx: typer.Context, step: StepName, *, because: Because, run: RunOption = "", yes: Yes = False, json: Json = False
) -> None:
    """Let a step out. Never against what keeps two nodes from being active."""
    from hamn_flow.cli import decide

    decide.skip(settings_of(ctx), run, step, because, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow abandon k7m2qx --because 'repaired by hand'")
def abandon(ctx: typer.Context, run: RunId = "", *, because: Because, yes: Yes = False, json: Json = False) -> None:
    """Close a run as it is; the nodes stay as they are."""
    from hamn_flow.cli import decide

    decide.abandon(settings_of(ctx), run, because, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow owner")
def owner(ctx: typer.Context, *, json: Json = False) -> None:
    """Say who holds each node. By which run, which driver, for how long, and what still runs there."""
    from hamn_flow.cli import owning

    owning.owner(settings_of(ctx), as_json=json)


@command(epilog="Example: hamn-flow release mn1 --because 'admin2 is broken for good'")
def release(
    ctx: typer.Context,
    nodes: Annotated[list[str] | None, typer.Argument(metavar="[NODE]...", help="The nodes; both if left out.")] = None,
    *,
    because: Because,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Give nodes up that a driver holds. If that driver lives, the nodes refuse it from then on."""
    from hamn_flow.cli import owning

    owning.release(settings_of(ctx), nodes or [], because, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow adopt mn2")
def adopt(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="A node that keeps a copy of the run's journal.")],
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run's id or its beginning; that which holds the node if left out.")
    ] = "",
    *,
    stay: Annotated[bool, typer.Option("--stay", help="Take the run over and go no further with it.")] = False,
    cancel: Cancel = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Go on here with a run whose machine is gone. By the copy of its journal that lies on the nodes."""
    from hamn_flow.cli import adopting, drive

    adopting.adopt(settings_of(ctx), node, run, drive.left_running(cancel), stay=stay, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow audit k7m2qx")
def audit(ctx: typer.Context, run: RunId = "", *, json: Json = False) -> None:
    """Compare a run's journal with its events and its copies. Whether each is whole, and where they part."""
    from hamn_flow.cli import adopting

    adopting.audit(settings_of(ctx), run, as_json=json)


@command("workflows", epilog="Example: hamn-flow workflows --check")
def list_workflows(
    ctx: typer.Context,
    *,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print the folders that are searched, in their order.")
    ] = False,
    check_all: Annotated[
        bool,
        typer.Option("--check", help="See that each step has a title, and an undo or the reason why there is none."),
    ] = False,
    json: Json = False,
) -> None:
    """List the procedures with their options. Files that are broken are named."""
    from hamn_flow.cli import look

    look.workflows(settings_of(ctx), paths=paths, check=check_all, as_json=json)


@command(epilog="Example: hamn-flow graph planned-failover > planned-failover.mmd")
def graph(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="NAME|RUN", autocompletion=procedures, help="A procedure or a run.")],
    *,
    json: Json = False,
) -> None:
    """Draw a procedure or a run as a mermaid diagram. A run's present checkpoint is marked."""
    from hamn_flow.cli import look

    look.graph(settings_of(ctx), what, as_json=json)


@command(epilog="Example: hamn-flow check")
def check(ctx: typer.Context, *, json: Json = False) -> None:
    """Look whether a planned failover could be started now. Nothing is changed."""
    from hamn_flow.cli import look

    look.check(settings_of(ctx), as_json=json)


@command(epilog="Example: hamn-flow verify planned-failover")
def verify(
    ctx: typer.Context,
    procedure: Annotated[
        str,
        typer.Argument(metavar="[PROCEDURE]", autocompletion=procedures, help="A procedure's name; all if left out."),
    ] = "",
    options: Options = None,
    *,
    faults: Annotated[int, typer.Option(min=0, max=3, metavar="N", help="Search with at most so many faults.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Use so many processes at a time.")] = 2,
    database: Annotated[
        str, typer.Option(metavar="NAME", help="The database of the simulated pair, postgresql or sqlite.")
    ] = "postgresql",
    small: Annotated[
        bool,
        typer.Option("--small", help="On a pair with two file systems, and no names, leases, consoles or exports."),
    ] = False,
    first: Annotated[bool, typer.Option("--first", help="End with the first violation that is found.")] = False,
    json: Json = False,
) -> None:
    """Search every state that faults can lead a procedure to. On a simulated pair; no node is reached."""
    from hamn_flow.cli import verifying

    verifying.verify(
        settings_of(ctx),
        procedure,
        options_of(options),
        verifying.pair_named(database, size="small" if small else "whole"),
        faults=faults,
        jobs=jobs,
        first=first,
        as_json=json,
    )


@command(epilog="Example: hamn-flow trust")
def trust(
    ctx: typer.Context,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a key that has changed: the node was installed anew.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Show the nodes' host keys, ask, and record them. They are shown by their fingerprints."""
    from hamn_flow.cli import trusting

    trusting.trust(settings_of(ctx), replace=replace, yes=yes, as_json=json)


@command(epilog="Example: hamn-flow demo")
def demo() -> None:
    """Show a failover on two simulated nodes.

    It halts on a busy file system, is resumed, and the next one is rolled back. No root is needed, and nothing leaves
    this machine.
    """
    from hamn_flow import demo as demonstration

    raise typer.Exit(demonstration.run())


@command(epilog="Example: hamn-flow version")
def version(*, json: Json = False) -> None:
    """Print the version of hamn-flow, of Python and of SQLite."""
    from hamn_flow.cli import look

    look.version(as_json=json)


def settings_of(ctx: typer.Context) -> Settings:
    """The options that stood before the command."""
    if not isinstance(ctx.obj, Settings):
        raise TypeError("the options before the command were not taken")
    return ctx.obj


def options_of(words: list[str] | None) -> dict[str, str]:
    """NAME=VALUE words as a mapping; a wrong command line (2) otherwise."""
    options: dict[str, str] = {}
    for word in words or ():
        name, found, value = word.partition("=")
        if not found or not name or name in options:
            raise typer.BadParameter(f"{word!r} is not NAME=VALUE, or is said twice", param_hint="[NAME=VALUE]...")
        options[name] = value
    return options
