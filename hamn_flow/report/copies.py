"""Copies of a run's journal: what lies on the nodes, and how it stands to the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from hamn_flow.engine.adopt import Kept
from hamn_flow.engine.audit import Audit
from hamn_flow.errors import Unreachable
from hamn_flow.journal.chain import Commit, Copy, Health, Relation, common, relation
from hamn_flow.journal.rows import Parting
from hamn_flow.model.pair import Cluster
from hamn_flow.report.line import Line, Span, Tone, hanging, line, one_line

_SHORT = 60  # characters of a value that is told


def kept_lines(kept: Kept, cluster: Cluster, width: int) -> list[Line]:
    """What each node keeps of the run, and which copy is the newest whole one."""
    source, _ = kept.newest()
    lines = [line(f"copies of the journal of run {kept.run}:")]
    for spec in cluster.nodes:
        copy = kept.copies.get(spec.name)
        said = "it does not answer; a step that was begun there and is not in the other copy is in doubt"
        if copy is not None:
            said = f"{copy.health}, {_commits(copy.commits)}{'  <- taken' if spec.name == source else ''}"
        lines += hanging(line(f"  {spec.name}  "), said, width, Tone.PLAIN if copy else Tone.WARN)
    return lines


def audit_lines(audit: Audit, zone: datetime, width: int) -> list[Line]:
    """The journal and each copy, in words."""
    wide = max(len("journal"), *(len(node) for node in audit.copies)) + 2
    lines = [line("run ", Span(audit.run, Tone.HEAD))]
    said, tone = _spoken_journal(audit, zone)
    lines += hanging(line(f"  {'journal':<{wide}}"), said, width, tone)
    for parting in audit.partings or ():
        lines += hanging(line(" " * (wide + 2)), _spoken_parting(parting), width, Tone.BAD)
    for node, copy in audit.copies.items():
        lines += hanging(line(f"  {node:<{wide}}"), _spoken(audit, copy), width, _tone(audit, copy))
    return lines


def audit_data(audit: Audit) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "run": audit.run,
        "journal": {
            "commits": len(audit.commits),
            "damaged_at": audit.unfit,
            "events_beyond": audit.beyond,
            "compared": audit.partings is not None,
            "parts": [vars(parting) for parting in audit.partings or ()],
        },
        "copies": [{"node": node, **_data(audit, copy)} for node, copy in audit.copies.items()],
        "trouble": trouble_of(audit),
    }


def trouble_of(audit: Audit) -> str:
    """What is wrong, in one sentence; nothing if all that answers is whole, though a copy may be behind."""
    return "; ".join(_troubles(audit))


def _troubles(audit: Audit) -> Iterator[str]:
    if audit.unfit is not None:
        yield f"the journal of run {audit.run} is damaged at commit {audit.unfit}"
    if audit.beyond:
        yield f"{audit.beyond} of the events of run {audit.run} are in no commit"
    if audit.partings:
        tables = ", ".join(dict.fromkeys(parting.table for parting in audit.partings))
        yield f"what the journal has of run {audit.run} in {tables} is not what follows from its events"
    for node, copy in audit.copies.items():
        if isinstance(copy, Unreachable):
            continue
        if copy.health in {Health.TORN, Health.DAMAGED}:
            yield f"the copy on {node} is {copy.health} after commit {len(copy.commits)}"
        if copy.health is Health.MISSING and audit.needed:
            noted = f" (as was noted: {audit.missed[node]})" if node in audit.missed else ""
            yield f"{node} keeps no copy of run {audit.run}, which is open and has launched something{noted}"
        how = relation(audit.commits, copy.commits)
        if how is Relation.PARTED:
            yield f"the copy on {node} parts from the journal after commit {common(audit.commits, copy.commits)}"
        elif how is Relation.AHEAD:
            more = _commits(copy.commits[len(audit.commits) :])
            yield f"the copy on {node} has {more} more than the journal: another driver went on with the run"


def _spoken_journal(audit: Audit, zone: datetime) -> tuple[str, Tone]:
    if audit.unfit is not None:
        return f"damaged: commit {audit.unfit} of {len(audit.commits)} does not follow from those before", Tone.BAD
    said = _commits(audit.commits)
    if audit.commits:
        said += f", the last at {audit.commits[-1].at.astimezone(zone.tzinfo):%Y-%m-%d %H:%M:%S %Z}"
    if audit.beyond:
        said += f"; {audit.beyond} of its events are in no commit"
    if audit.partings is None:
        said += "; what an older version wrote of it is not compared with its events"
    if audit.partings:
        said += "; its tables are not what follows from its events"
    return (f"changed, {said}", Tone.BAD) if audit.beyond or audit.partings else (f"whole, {said}", Tone.GOOD)


def _spoken_parting(parting: Parting) -> str:
    where = f"{parting.table} {parting.row}"
    if not parting.column:
        return f"{where} is missing" if parting.has is None else f"{where} follows from no event"
    return f"{where}: {parting.column} is {_value(parting.has)}, and {_value(parting.follows)} follows"


def _value(value: object) -> str:
    text = "empty" if value is None or value == "" else one_line(str(value))
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _tone(audit: Audit, copy: Copy | Unreachable) -> Tone:
    if isinstance(copy, Unreachable):
        return Tone.WARN
    if copy.health is Health.MISSING and not audit.needed:
        return Tone.WARN
    return Tone.GOOD if copy.health is Health.WHOLE else Tone.BAD


def _spoken(audit: Audit, copy: Copy | Unreachable) -> str:
    if isinstance(copy, Unreachable):
        return copy.sentence
    if copy.health is Health.MISSING:
        return "no copy"
    shared = common(audit.commits, copy.commits)
    match relation(audit.commits, copy.commits):
        case Relation.SAME:
            how = "the same as the journal"
        case Relation.BEHIND:
            how = f"{_commits(audit.commits[shared:])} behind the journal"
        case Relation.AHEAD:
            how = f"{_commits(copy.commits[shared:])} more than the journal"
        case Relation.PARTED:
            how = f"parts from the journal after commit {shared}"
    return f"{copy.health}, {_commits(copy.commits)}, {how}"


def _commits(commits: Sequence[Commit]) -> str:
    return "1 commit" if len(commits) == 1 else f"{len(commits)} commits"


def _data(audit: Audit, copy: Copy | Unreachable) -> dict[str, Any]:
    if isinstance(copy, Unreachable):
        return {"error": copy.sentence}
    return {
        "health": copy.health.value,
        "commits": len(copy.commits),
        "relation": relation(audit.commits, copy.commits).value,
        "common": common(audit.commits, copy.commits),
    }
