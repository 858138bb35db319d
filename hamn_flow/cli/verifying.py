"""The exhaustive search of procedures on the simulated pair."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import get_args

from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.errors import Invalid, Refused
from hamn_flow.search.cases import case_of, first_scene
from hamn_flow.search.explore import Search
from hamn_flow.search.told import Searched, searched_data, searched_lines
from hamn_flow.simulator.standard import DatabaseName


def verify(
    settings: Settings,
    procedure: str,
    options: Mapping[str, str],
    *,
    faults: int,
    jobs: int,
    database: str,
    first: bool,
    as_json: bool,
) -> None:
    """Search one procedure, or all; Invalid, with each broken promise, if one is."""
    paper, catalog = Paper.of(as_json=as_json), settings.catalog()
    if options and not procedure:
        raise Refused("it is not said whose options these are", hint="Name the procedure before its options.")
    names = [procedure] if procedure else [entry.name for entry in catalog.entries]
    searched: list[Searched] = []
    for name in names:
        begun = monotonic()
        kind = database_named(database)
        case = case_of(catalog, name, options, kind)
        search = Search.of(case, first_scene(case, kind), jobs=jobs, first=first)
        one = Searched(judgement=search.judged(faults), seconds=monotonic() - begun)
        searched.append(one)
        if not as_json:
            paper.tell(searched_lines(one, paper.width))
    broken = tuple(each.sentence for one in searched for each in one.judgement.violations)
    if as_json:
        paper.json(searched_data(searched))
        if broken:
            raise SystemExit(Invalid.exit_status)  # what is wrong is in that one document
    elif broken:
        raise Invalid(broken, hint="The way to each is shown above; mend the procedure, then search again.")


def database_named(name: str) -> DatabaseName:
    """The simulated pair's database."""
    for known in get_args(DatabaseName):
        if name == known:
            found: DatabaseName = known
            return found
    raise Refused(f"there is no simulated pair with {name}", hint="Say --database postgresql, or sqlite.")
