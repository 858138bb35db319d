"""The exhaustive search of procedures on the simulated pair."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import get_args

from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.errors import Invalid, Refused
from hamn_flow.search.cases import Pair, case_of, first_scene
from hamn_flow.search.explore import Progress, Search, Told
from hamn_flow.search.told import Searched, progress_line, searched_data, searched_lines
from hamn_flow.simulator.standard import DatabaseName, Size

_TELLING_EVERY = 60.0  # seconds


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
        tell = _telling(Paper.of(as_json=True), name)
        search = Search.of(case, first_scene(case, pair), jobs=jobs, tell=tell, first=first)
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


def _telling(paper: Paper, procedure: str) -> Told:
    """Say now and then, beside what is found, how far the search has come."""
    begun = said = monotonic()

    def tell(progress: Progress) -> None:
        nonlocal said
        now = monotonic()
        if now - said >= _TELLING_EVERY:
            said = now
            paper.tell([progress_line(procedure, progress, now - begun)])

    return tell


def pair_named(name: str, *, size: Size) -> Pair:
    """The simulated pair with a database of that name."""
    for known in get_args(DatabaseName):
        if name == known:
            return Pair(database=known, size=size)
    raise Refused(f"there is no simulated pair with {name}", hint="Say --database postgresql, or sqlite.")
