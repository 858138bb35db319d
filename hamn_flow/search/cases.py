"""What is searched: a procedure, with its options, from where it makes sense to start it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hamn_flow.catalog import Catalog
from hamn_flow.errors import Refused
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.search.acts import Act, Case
from hamn_flow.search.course import Course
from hamn_flow.search.scene import Scene
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
    course = _undisturbed(before, scene, before.start)
    return Scene.packed(course.world.state, MemoryJournal.empty())


def _undisturbed(case: Case, scene: Scene, act: Act) -> Course:
    course = Course(case=case, scene=scene, act=act, at="", faults=0, findings=Findings())
    course.follow()
    (standing,) = course.found.standings.values()
    if standing.state is None or not standing.state.ended:
        raise Refused(f"{act.text} does not get to its end on the simulated pair, though nothing disturbs it")
    return course
