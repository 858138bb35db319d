"""How long the virtual IP and xCAT were away during a run, as its driver saw it, and which steps had a share in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from hamn_flow.model import events
from hamn_flow.model.events import Story
from hamn_flow.model.outage import Outage, Stretch, of_virtual_ip, of_xcat, shared, unobserved
from hamn_flow.model.run import Run, StepState, stages_before
from hamn_flow.report.line import Line, Span, Tone, hanging, line, seconds_text

_COLUMN = 14
_MORE_THAN_THE_WHOLE = "Steps that ran side by side share the same time: the shares may add up to more than the whole."


class Share(NamedTuple):
    """For how many seconds of some time each was away; None where that is not known."""

    virtual_ip: float | None
    xcatd: float | None


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The outage by what was done meanwhile."""

    steps: dict[str, Share]  # from a step's first look to its outcome
    between: Share  # no step was at work: those that had been done were looked at again
    waiting: Share  # nobody knocked: the run waited for a person, or its driver was dead


def outage_words(run: Run, zone: datetime) -> str:
    """How long, in few words; empty where nothing was away, or nobody knows. Times in the zone of `zone`."""
    each = zip(("the virtual IP", "xCAT"), _outages(run), strict=True)
    away = [(name, _how_long(outage, zone)) for name, outage in each if outage and outage.away]
    return ", ".join(f"{name}{'' if number else ' was away'} {how}" for number, (name, how) in enumerate(away))


def outage_lines(run: Run, story: Story, zone: datetime, width: int) -> list[Line]:
    """The outage, each step's share in it, and what is not known of it; times in the zone of `zone`."""
    address, xcat = _outages(run)
    always = "the virtual IP and xCAT answered at every knock" if xcat else "the virtual IP answered at every knock"
    told = [outage_words(run, zone) or always] if address else []
    told += [f"not measured: {reason}" for reason in _not_measured(run, story)]
    gaps = [f"{begun:%Y-%m-%d %H:%M:%S} and {ended:%Y-%m-%d %H:%M:%S}" for begun, ended in _in_zone(run, zone)]
    shares = shares_of(run, story)
    if gaps:
        counted = "; what was away before is counted on" if any(shares.waiting) else ""
        told.append(f"not observed between {'; between '.join(gaps)}{counted}")
    lines = [line(Span("outage", Tone.HEAD), Span("  as seen from where hamn-flow ran", Tone.DIM))]
    for text in told:
        lines += hanging(line("  "), text, width)
    table = _table(shares)
    return [*lines, *table, *(hanging(line("  "), _MORE_THAN_THE_WHOLE, width, Tone.DIM) if table else [])]


def outage_data(run: Run) -> dict[str, Any]:
    """The outage as plain data; None for what answered at no knock."""
    address, xcat = _outages(run)
    return {
        "virtual_ip": _data(address),
        "xcatd": _data(xcat),
        "not_observed": [_stretch_data(gap) for gap in unobserved(run.knocks)],
    }


def whole_outage_data(run: Run, story: Story) -> dict[str, Any]:
    """The same, with the time that was no step's, and why it is not known."""
    shares = shares_of(run, story)
    return {
        **outage_data(run),
        "between_steps": share_data(shares.between),
        "while_waiting": share_data(shares.waiting),
        "not_measured": _not_measured(run, story),
    }


def share_data(share: Share) -> dict[str, float | None]:
    """A share in seconds."""
    return {name: seconds and round(seconds, 3) for name, seconds in share._asdict().items()}


def shares_of(run: Run, story: Story) -> Shares:
    """The outage by what was done meanwhile."""
    worked, waited = _worked(run, story), unobserved(run.knocks)
    known = [*waited, *(each for stretches in worked.values() for each in stretches)]
    return Shares(
        steps={step.name: _share(run, worked.get(step.name, ())) for step in run.steps},
        between=_of_each(run, lambda outage: max(0.0, outage.seconds - shared(outage.away, known))),
        waiting=_share(run, waited),
    )


def _outages(run: Run) -> tuple[Outage | None, Outage | None]:
    return of_virtual_ip(run.knocks), of_xcat(run.knocks)


def _share(run: Run, stretches: Iterable[Stretch]) -> Share:
    return _of_each(run, lambda outage: shared(outage.away, stretches))


def _of_each(run: Run, seconds: Callable[[Outage], float]) -> Share:
    return Share(*(None if outage is None else seconds(outage) for outage in _outages(run)))


def _how_long(outage: Outage, zone: datetime) -> str:
    over = Outage(away=outage.away[: -1 if outage.lasting else None], lasting=False)
    said = [f"for {seconds_text(over.seconds)}"] if over.away else []
    said += [f"from {outage.away[-1].begun.astimezone(zone.tzinfo):%H:%M:%S} on"] if outage.lasting else []
    return " and ".join(said)


def _worked(run: Run, story: Story) -> dict[str, list[Stretch]]:
    """When each step was at work: from its first look, over its retries, to its outcome or the end of its driver.

    The steps of a stage are taken up together, when the stages that it comes after are settled; going back each has
    its turn.
    """
    worked: defaultdict[str, list[Stretch]] = defaultdict(list)
    stages, before = {step.name: step.planned.stage for step in run.steps}, stages_before(run)
    open_since: dict[str, datetime] = {}
    ended: dict[str, datetime] = {}  # when the last step of a stage was settled
    turn: datetime | None = None  # since when the steps that wait for none are being looked at
    latest: datetime | None = None  # of what a driver did

    def taken_up(step: str, at: datetime) -> datetime:
        waited_for = (ended[stage] for stage in before[stages[step]] if stage in ended)
        return max((each for each in (turn, *waited_for) if each), default=at)

    for _, at, event in story:
        match event:
            case events.StepBegun():
                open_since.setdefault(event.step, taken_up(event.step, at))
            case events.StepSettled() if event.state is not StepState.PENDING:
                begun = open_since.pop(event.step) if event.step in open_since else taken_up(event.step, at)
                worked[event.step].append(Stretch(begun, at))
                if event.state is StepState.UNDONE:
                    turn = at
                else:
                    ended[stages[event.step]] = at
            case events.RunBegun() | events.RunHalted():  # RunBegun: an earlier driver has ended without a word
                last = latest if latest and isinstance(event, events.RunBegun) else at
                for step, begun in open_since.items():
                    worked[step].append(Stretch(begun, last))
                open_since.clear()
                turn = at if isinstance(event, events.RunBegun) else None
        if not isinstance(event, events.NodeSeen | events.Decided):
            latest = at
    return worked


def _not_measured(run: Run, story: Story) -> list[str]:
    reasons = list(dict.fromkeys(event.reason for _, _, event in story if isinstance(event, events.NotMeasured)))
    address, xcat = _outages(run)
    if run.knocks and address is None:
        reasons.append("the virtual IP did not answer from here at any time")
    elif run.knocks and xcat is None:
        reasons.append("xCAT did not answer from here at any time")
    return reasons or ([] if run.knocks else ["nobody knocked at the virtual IP"])


def _in_zone(run: Run, zone: datetime) -> list[Stretch]:
    return [Stretch(*(at.astimezone(zone.tzinfo) for at in gap)) for gap in unobserved(run.knocks)]


def _table(shares: Shares) -> list[Line]:
    rows = {**shares.steps, "between the steps": shares.between, "not observed": shares.waiting}
    told = {name: share for name, share in rows.items() if any(share)}
    wide = max(map(len, told), default=0) + 2
    heads = "".join(f"{head:>{_COLUMN}}" for head in ("virtual IP", "xCAT"))
    lines = [line(Span(f"  {'':<{wide}}{heads}", Tone.DIM))] if told else []
    for name, share in told.items():
        columns = "".join(f"{seconds_text(seconds) if seconds else '-':>{_COLUMN}}" for seconds in share)
        lines.append(line(f"  {name:<{wide}}{columns}"))
    return lines


def _data(outage: Outage | None) -> dict[str, Any] | None:
    if outage is None:
        return None
    return {
        "seconds": round(outage.seconds, 3),
        "away": [_stretch_data(stretch) for stretch in outage.away],
        "lasting": outage.lasting,
    }


def _stretch_data(stretch: Stretch) -> dict[str, str]:
    return {"begun": stretch.begun.isoformat(), "ended": stretch.ended.isoformat()}
