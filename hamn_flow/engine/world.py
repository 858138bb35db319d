"""What the engine needs from outside itself, as values: so that a test may give other ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import choice
from time import monotonic, sleep

from hamn_flow.facts.abreast import Abreast, threads
from hamn_flow.model.events import Event
from hamn_flow.model.outage import Answer
from hamn_flow.transport.connection import Connect

Knock = Callable[[str, int, float], Answer]
"""Knock at a port of an address and wait so many seconds at most: what answered."""

RUN_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read wrongly from a screen


def new_run_id() -> str:
    """A run's name: six letters, unique also among journals on other machines, short enough to type."""
    return "".join(choice(RUN_ID_LETTERS) for _ in range(6))


def utc_now() -> datetime:
    """The time for the journal."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class World:
    """How nodes are reached, what time it is, how to wait, what runs side by side, who asks, and who watches.

    `stop_requested` is asked between two commands (Ctrl-C). `watch` is told each event after it was recorded.
    `knock` is how the outage is measured (outage.py), each time so many seconds after the last one; None: it is not.
    """

    connect: Connect
    who: str
    driver: str  # this driver's identity on the nodes
    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = monotonic
    sleep: Callable[[float], None] = sleep
    abreast: Abreast = threads
    new_run_id: Callable[[], str] = new_run_id
    stop_requested: Callable[[], bool] = lambda: False
    watch: Callable[[Event], None] = lambda _event: None
    knock: Knock | None = None
    knock_pause: float = 0.1
