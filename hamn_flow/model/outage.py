"""The outage that clients see: what answered at the virtual IP, and how long something did not.

A driver knocks at xcatd's port while it sits over a run. Of its knocks the first and the last are kept, and each that
was answered otherwise than the one before. What a knock found counts until the next one that is kept, also over the
time between two sittings, when nobody knocked; that time is told apart (`unobserved`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple


class Answer(StrEnum):
    """What a knock at xcatd's port of the virtual IP found."""

    XCATD = "xcatd"  # the connection was made: the address answers, and xcatd
    ADDRESS = "address"  # it was refused: the address answers, xcatd does not
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Knock:
    """A knock that was kept."""

    at: datetime  # when it was sent
    answer: Answer
    first: bool  # of its sitting: nobody knocked between the one before and this one


class Stretch(NamedTuple):
    """A piece of time."""

    begun: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        """How long it is; never less than nothing, though a clock may be set back."""
        return max(0.0, (self.ended - self.begun).total_seconds())


@dataclass(frozen=True, kw_only=True)
class Outage:
    """When one thing was away; `lasting`: it was still away at the last knock, where its last stretch ends."""

    away: tuple[Stretch, ...]
    lasting: bool

    @property
    def seconds(self) -> float:
        """How long in all."""
        return sum(stretch.seconds for stretch in self.away)


def of_virtual_ip(knocks: Sequence[Knock]) -> Outage | None:
    """When the virtual IP was away; None if it never answered, for then it may just not be seen from there."""
    return _outage(knocks, {Answer.ADDRESS, Answer.XCATD})


def of_xcat(knocks: Sequence[Knock]) -> Outage | None:
    """When xcatd was away, with the address or alone; None if it never answered."""
    return _outage(knocks, {Answer.XCATD})


def unobserved(knocks: Sequence[Knock]) -> tuple[Stretch, ...]:
    """The time between two sittings: from the last knock that is known to the first of the next sitting."""
    return tuple(Stretch(before.at, after.at) for before, after in pairwise(knocks) if after.first)


def shared(some: Iterable[Stretch], others: Iterable[Stretch]) -> float:
    """How many seconds lie in both; what lies in several at once counts once."""
    other = merged(others)
    return sum(
        Stretch(max(one.begun, two.begun), min(one.ended, two.ended)).seconds for one in merged(some) for two in other
    )


def merged(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The same time in pieces that do not touch, in their order."""
    whole: list[Stretch] = []
    for begun, ended in sorted(stretches):
        if whole and begun <= whole[-1].ended:
            whole[-1] = Stretch(whole[-1].begun, max(whole[-1].ended, ended))
        else:
            whole.append(Stretch(begun, ended))
    return tuple(whole)


def _outage(knocks: Sequence[Knock], answering: Collection[Answer]) -> Outage | None:
    if not any(knock.answer in answering for knock in knocks):
        return None
    away: list[Stretch] = []
    since: datetime | None = None
    for knock in knocks:
        if knock.answer not in answering:
            since = since or knock.at
        elif since is not None:
            away.append(Stretch(since, knock.at))
            since = None
    if since is not None:
        away.append(Stretch(since, knocks[-1].at))
    return Outage(away=tuple(away), lasting=since is not None)
