r"""The chain: each commit of a run carries the sum of all before it, so that a copy is whole or tells where it is not.

A copy is text, one line a commit, as it lies on the nodes and as `audit` compares it:

    {"version":7,"at":"2026-05-01T03:14:00.731000+00:00","events":[["StepBegun",{...}],...]} 5f0c...e1\n

The sum is SHA-256 over the sum of the line before it and the line's own text; before the first line stands the sum of
the run's name. It says that nothing was lost or changed by chance. It is no signature: root on a node can write anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise, takewhile

from hamn_flow.journal.codec import data_text, event_of, time_of
from hamn_flow.model.events import Event

SUM = 64  # characters


def first_sum(run: str) -> str:
    """What stands before the first commit of a run."""
    return sha256(f"hamn-flow run {run}".encode()).hexdigest()


def next_sum(before: str, text: str) -> str:
    """The sum of a commit after the one before it."""
    return sha256(f"{before}\n{text}".encode()).hexdigest()


def commit_text(version: int, at: str, events: Sequence[tuple[str, str]]) -> str:
    """A commit as text: the journal's version when it was made, its time, and each event's kind with its fields."""
    told = ",".join(f"[{data_text(kind)},{fields}]" for kind, fields in events)
    return f'{{"version":{version},"at":{data_text(at)},"events":[{told}]}}'


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit of a run, as the chain has it."""

    text: str
    sum: str

    @property
    def line(self) -> str:
        """As it lies in a copy."""
        return f"{self.text} {self.sum}\n"

    @property
    def version(self) -> int:
        """The version of the journal that it was made by."""
        return int(json.loads(self.text)["version"])

    @property
    def at(self) -> datetime:
        """When it was made."""
        return time_of(json.loads(self.text)["at"])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its events, also where they are of a newer version."""
        return tuple(str(kind) for kind, _ in json.loads(self.text)["events"])

    def events(self) -> tuple[tuple[str, str, Event], ...]:
        """Its events: kind, fields as text, and the event itself; ValueError, KeyError or TypeError if it is none."""
        told = json.loads(self.text)["events"]
        return tuple((kind, data_text(fields), event_of(kind, data_text(fields))) for kind, fields in told)


class Health(StrEnum):
    """What a copy's own text says of it."""

    WHOLE = "whole"
    MISSING = "missing"
    TORN = "torn"  # its last line is not whole: it was cut off while it was written
    DAMAGED = "damaged"  # a line before its end does not fit what is before it


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy of a run's commits: those that fit, from the first on, and how its text is."""

    run: str
    health: Health
    commits: tuple[Commit, ...]

    @classmethod
    def read(cls, run: str, text: bytes) -> Copy:
        """Read a copy's text; nothing that does not fit is taken."""
        before, commits = first_sum(run), list[Commit]()
        *lines, rest = text.decode(errors="replace").split("\n")
        for line in lines:
            body, _, said = line.rpartition(" ")
            if next_sum(before, body) != said:
                return cls(run=run, health=Health.DAMAGED, commits=tuple(commits))
            before = said
            commits.append(Commit(text=body, sum=said))
        health = Health.TORN if rest else Health.WHOLE if commits else Health.MISSING
        return cls(run=run, health=health, commits=tuple(commits))


class Relation(StrEnum):
    """How a copy stands to a journal, or one copy to another."""

    SAME = "the same"
    BEHIND = "behind"
    AHEAD = "ahead"
    PARTED = "parted"


def common(ours: Sequence[Commit], theirs: Sequence[Commit]) -> int:
    """How many commits both have, from the first on."""
    pairs = zip(ours, theirs, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0].sum == pair[1].sum, pairs))


def relation(ours: Sequence[Commit], theirs: Sequence[Commit]) -> Relation:
    """How theirs stands to ours."""
    shared = common(ours, theirs)
    if shared == len(ours) == len(theirs):
        return Relation.SAME
    if shared == len(theirs):
        return Relation.BEHIND
    return Relation.AHEAD if shared == len(ours) else Relation.PARTED


def first_unfit(run: str, commits: Sequence[Commit]) -> int | None:
    """The first commit, from 1, whose sum does not follow from what is before it; None if all do."""
    before = [first_sum(run), *(commit.sum for commit in commits)]
    for number, ((last, said), commit) in enumerate(zip(pairwise(before), commits, strict=True), 1):
        if next_sum(last, commit.text) != said:
            return number
    return None
