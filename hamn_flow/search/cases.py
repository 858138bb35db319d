"""What is searched: a procedure, with its options, from where it makes sense to start it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hamn_flow.catalog import Catalog
from hamn_flow.errors import Refused
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.run import RunState
from hamn_flow.search.acts import Case
from hamn_flow.search.course import Course
from hamn_flow.search.scene import Scene, run_in
from hamn_flow.search.tasks import Findings
from hamn_flow.simulator import standard_cluster, standard_pair
from hamn_flow.simulator.standard import MN1, MN2, DatabaseName, Size


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The simulated pair that is searched."""

    database: DatabaseName = "postgresql"
    size: Size = "whole"


_OPTIONS: Mapping[str, dict[str, str]] = {"activate": {"node": MN2}, "deactivate": {"node": MN1}}
_AFTER: Mapping[str, str] = {"activate": "deactivate"}  # a node takes the role once the other one has let go


def case_of(catalog: Catalog, procedure: str, options: Mapping[str, str], pair: Pair) -> Case:
    """The case; an option `node` that is not given is the node for which there is something to do."""
    entry = catalog.find(procedure)
    chosen = {**_OPTIONS.get(procedure, {"node": MN1} if "node" in entry.workflow.options else {}), **options}
    cluster = standard_cluster(pair.database, size=pair.size)
    return Case(procedure=procedure, options=chosen, cluster=cluster, catalog=catalog)


def first_scene(case: Case, pair: Pair) -> Scene:
    """mn1 is active and mn2 stands by; or what is left when the procedure that comes first is done."""
    scene = Scene.packed(standard_pair(pair.database, size=pair.size).state, MemoryJournal.empty())
    if case.procedure not in _AFTER:
        return scene
    before = case_of(case.catalog, _AFTER[case.procedure], {}, pair)
    course = _undisturbed(before, scene)
    run = run_in(course.journal)
    if course.found.broken or run is None or run.summary.state is not RunState.DONE:
        raise Refused(
            f"{before.start.text}, which comes first, does not get to its end on the simulated pair, though nothing "
            "disturbs it",
            hint=f"Type hamn-flow verify {before.procedure} to see why.",
        )
    return Scene.packed(course.world.state, MemoryJournal.empty())


def see_it_planned(case: Case, scene: Scene) -> None:
    """Raise what the start is refused with though nothing disturbs it: without a run there is nothing to search.

    A run that stops before its end is for the search, which tells what it stops at and how it came there.
    """
    course = _undisturbed(case, scene)
    if course.error is not None and run_in(course.journal) is None:
        raise course.error


def _undisturbed(case: Case, scene: Scene) -> Course:
    """The course of the start, with nothing in its way."""
    course = Course(case=case, scene=scene, act=case.start, at="", faults=0, findings=Findings())
    course.follow()
    return course
