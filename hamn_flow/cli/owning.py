"""Who holds the nodes: shown, and given up where a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from hamn_flow.cli.drive import at_desk
from hamn_flow.cli.look import world
from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.engine import begin
from hamn_flow.engine.links import Links
from hamn_flow.errors import Refused, Unreachable
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster
from hamn_flow.report.holding import holding_data, holding_lines
from hamn_flow.report.line import line
from hamn_flow.transport.connection import Owner


def owner(settings: Settings, *, as_json: bool) -> None:
    """Who holds each node; Unreachable if none answers."""
    paper = Paper.of(as_json=as_json)
    with closing(Links(cluster=settings.cluster(), world=world())) as links:
        held = links.held()
    silent = [each for each in held.values() if isinstance(each, Unreachable)]
    nobody = silent[0] if len(silent) == len(held) else None
    paper.result(holding_lines(held, paper.width), holding_data(held), nobody)


def release(settings: Settings, given: Sequence[str], because: str, *, yes: bool, as_json: bool) -> None:
    """Show who holds the nodes, ask, and give them up; Unreachable if one of them does not answer."""
    paper = Paper.of(as_json=as_json)
    paper.need_an_answer(yes=yes)
    with at_desk(settings, "release") as desk, closing(Links(cluster=desk.cluster, world=desk.world)) as links:
        nodes = _nodes(desk.cluster, given)
        held = {node: how for node, how in links.held().items() if node in nodes}
        taken = {node: how for node, how in held.items() if not isinstance(how, Unreachable) and Owner.of(how.owner)}
        paper.tell(holding_lines(held, paper.width))
        if taken:
            paper.ask(
                f"Give up {' and '.join(taken)}? A driver that still lives is refused there from then on; "
                "commands that run go on.",
                yes=yes,
            )
        for node, how in taken.items():
            begin.release(desk, links, node, how, because)
        silent = [how for how in held.values() if isinstance(how, Unreachable)]
        said = f"{' and '.join(taken)} released." if taken else "Nobody holds what answers; nothing was changed."
        data = {"released": list(taken), "nodes": holding_data(held)["nodes"]}
        paper.result([line(said)], data, silent[0] if silent else None)


def _nodes(cluster: Cluster, given: Sequence[str]) -> tuple[NodeName, ...]:
    names = tuple(spec.name for spec in cluster.nodes)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise Refused(f"{unknown[0]} is no node of this pair", hint=f"Name {' or '.join(names)}.")
    return tuple(name for name in names if not given or name in given)
