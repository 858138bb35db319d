"""Events and times as the journal's text, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, partial
from typing import Any, get_origin, get_type_hints

from hamn_flow.model import events
from hamn_flow.model.events import Event
from hamn_flow.model.run import PlannedStep

_EVENTS = {kind.__name__: kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}


def time_text(at: datetime) -> str:
    """A moment in UTC, always of the same width, so that text sorts as time does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def time_of(text: str) -> datetime:
    """The moment again."""
    return datetime.fromisoformat(text)


def data_text(data: Any) -> str:
    """Plain data as JSON; TypeError or ValueError for what is none."""
    return _DATA.encode(data)


def event_text(event: Event) -> str:
    """An event's fields as JSON."""
    return _FIELDS.encode(vars(event))


def _plain(value: object) -> object:
    """What the fields of an event may be besides plain data."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, PlannedStep):
        return vars(value)
    raise TypeError(f"{type(value).__name__} is no plain data")


# Made once, as each commit needs them several times.
_encoder = partial(json.JSONEncoder, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DATA, _FIELDS = _encoder(), _encoder(default=_plain)


def event_of(kind: str, text: str) -> Event:
    """The event again; KeyError, TypeError or ValueError if the text is not one."""
    hints = _hints(kind)
    return _EVENTS[kind](**{name: _typed(hints[name], value) for name, value in json.loads(text).items()})


@cache
def _hints(kind: str) -> dict[str, Any]:
    return get_type_hints(_EVENTS[kind])


def _typed(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if hint is datetime:
        return time_of(value)
    if hint == tuple[PlannedStep, ...]:
        return tuple(_planned(**fields) for fields in value)
    return tuple(value) if get_origin(hint) is tuple else value


def _planned(*, after: list[str] | None = None, **fields: Any) -> PlannedStep:
    return PlannedStep(**fields, after=None if after is None else tuple(after))
