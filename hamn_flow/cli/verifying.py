"""The exhaustive search of procedures on the simulated pair."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import get_args

from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.errors import Invalid, Refused
from hamn_flow.search.cases import Pair, case_of, first_scene
from hamn_flow.search.explore import Search
from hamn_flow.search.told import Searched, searched_data, searched_lines
from hamn_flow.simulator.standard import DatabaseName, Size


def verify(
    settings: Settings,
    procedure: str,
    options: Mapping[str, str],
    pair: Pair,
    *,
    faults: int,
    jobs: int,
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
        case = case_of(catalog, name, options, pair)
        search = Search.of(case, first_scene(case, pair), jobs=jobs, first=first)
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


def pair_named(name: str, *, size: Size) -> Pair:
    """The simulated pair with a database of that name."""
    for known in get_args(DatabaseName):
        if name == known:
            return Pair(database=known, size=size)
    raise Refused(f"there is no simulated pair with {name}", hint="Say --database postgresql, or sqlite.")
