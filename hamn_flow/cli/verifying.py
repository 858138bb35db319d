"""The exhaustive search of procedures on the simulated pair."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import get_args

from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.errors import HamnError, Invalid, Refused
from hamn_flow.search.acts import Case
from hamn_flow.search.cases import Pair, case_of, first_scene, see_it_planned
from hamn_flow.search.explore import Progress, Search, Told
from hamn_flow.search.told import NotSearched, Searched, progress_line, searched_data, searched_lines
from hamn_flow.simulator.standard import DatabaseName, Size

_TELLING_EVERY = 60.0  # seconds
_SHOWN = "The way to each violation is shown above; mend the procedure, then search again."
_LEFT_OUT = "What is not searched must be mended, or be named alone with its options."


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
    """Search one procedure, or all; Invalid, with each broken promise, and each of all that cannot be searched."""
    paper, catalog = Paper.of(as_json=as_json), settings.catalog()
    if options and not procedure:
        raise Refused("it is not said whose options these are", hint="Name the procedure before its options.")
    searched: list[Searched] = []
    left_out = [] if procedure else [NotSearched(one.name, one.problem) for one in catalog.broken]
    unusable = {one.procedure for one in left_out}
    for name in [procedure] if procedure else [one.name for one in catalog.entries if one.name not in unusable]:
        begun = monotonic()
        try:
            search = _begun(case_of(catalog, name, options, pair), pair, jobs=jobs, first=first)
        except HamnError as error:
            if procedure:
                raise
            left_out.append(NotSearched(name, f"{name} is not searched: {error.sentence}"))
            continue
        one = Searched(judgement=search.judged(faults), seconds=monotonic() - begun)
        searched.append(one)
        if not as_json:
            paper.tell(searched_lines(one, paper.width))
    broken = tuple(each.sentence for one in searched for each in one.judgement.violations)
    problems = (*broken, *(one.problem for one in left_out))
    hints = [hint for hint, some in ((_SHOWN, broken), (_LEFT_OUT, left_out)) if some]
    paper.result((), searched_data(searched, left_out), Invalid(problems, hint=" ".join(hints)) if problems else None)


def _begun(case: Case, pair: Pair, *, jobs: int, first: bool) -> Search:
    """A search of the case; what its start is refused with, if it is though nothing disturbs it."""
    scene = first_scene(case, pair)
    see_it_planned(case, scene)
    tell = _telling(Paper.of(as_json=True), case.procedure)
    return Search.of(case, scene, jobs=jobs, tell=tell, first=first)


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
