"""What each event does to the tables that `status` and `resume` read.

Every function is a function of the tables and the event alone, so replaying `events` in their order into an
empty journal gives the same tables.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from hamn_flow.journal.codec import data_text, time_text
from hamn_flow.model import events
from hamn_flow.model.run import Direction, RunState, StepState


@singledispatch
def project(event: events.Event, connection: sqlite3.Connection, at: str) -> None:
    """Carry the event into the tables.

    LookupError for a run, step or command that the journal does not know, ValueError for an intent out of its
    order, sqlite3.IntegrityError for a value or a key that the schema refuses: mistakes of the caller.
    """
    raise TypeError(f"no table follows from {type(event).__name__} ({connection} at {at})")


@project.register
def _(event: events.RunPlanned, connection: sqlite3.Connection, at: str) -> None:
    connection.execute(
        "INSERT INTO runs (id, procedure, cluster, cluster_path, options, state, direction, checkpoint, epoch, "
        "back_to, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'start', 0, '', ?)",
        (
            event.run,
            event.procedure,
            event.cluster,
            event.cluster_path,
            data_text(event.options),
            RunState.PLANNED,
            Direction.FORWARD,
            at,
        ),
    )
    connection.executemany(
        "INSERT INTO steps (run, position, name, stage, node, title, kind, version, fields, after, state, "
        "direction, attempts, intents, reason, completed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', 0)",
        [
            (
                event.run,
                position,
                step.name,
                step.stage,
                step.node,
                step.title,
                step.kind,
                step.version,
                data_text(step.fields),
                None if step.after is None else data_text(step.after),
                StepState.PENDING,
                Direction.FORWARD,
            )
            for position, step in enumerate(event.steps)
        ],
    )


@project.register
def _(event: events.RunBegun, connection: sqlite3.Connection, at: str) -> None:
    del at
    direction = _value(connection, "SELECT direction FROM runs WHERE id = ?", event.run)
    turned = event.anew or direction != event.direction
    connection.execute(
        "UPDATE runs SET state = ?, direction = ?, back_to = ?, epoch = epoch + ?, "
        "ended_at = NULL, halt_step = NULL, halt_reason = NULL, halt_hint = NULL WHERE id = ?",
        (
            RunState.RUNNING if event.direction is Direction.FORWARD else RunState.ROLLING_BACK,
            event.direction,
            event.back_to,
            turned,
            event.run,
        ),
    )
    if turned:
        connection.execute("UPDATE steps SET attempts = 0, failures = 0 WHERE run = ?", (event.run,))


@project.register
def _(event: events.DriverCame, connection: sqlite3.Connection, at: str) -> None:
    connection.execute(
        "INSERT INTO drivers (driver, run, who, at) VALUES (?, ?, ?, ?)", (event.driver, event.run, event.who, at)
    )


@project.register
def _(event: events.JobsFound, connection: sqlite3.Connection, at: str) -> None:
    """Nothing but the event: they belong to no step of this run."""
    del event, connection, at


@project.register
def _(event: events.CopyMissed, connection: sqlite3.Connection, at: str) -> None:
    """Nothing but the event: what a node keeps is told by the node."""
    del event, connection, at


@project.register
def _(event: events.Adopted, connection: sqlite3.Connection, at: str) -> None:
    del at
    _change(
        connection,
        f"run {event.run}",
        "UPDATE runs SET unseen = ? WHERE id = ?",
        (data_text(event.unseen), event.run),
    )


@project.register
def _(event: events.CopyBrought, connection: sqlite3.Connection, at: str) -> None:
    del at
    unseen = json.loads(_value(connection, "SELECT unseen FROM runs WHERE id = ?", event.run))
    left = data_text([node for node in unseen if node != event.node])
    connection.execute("UPDATE runs SET unseen = ? WHERE id = ?", (left, event.run))


@project.register
def _(event: events.NodeReleased, connection: sqlite3.Connection, at: str) -> None:
    """Nothing but the event: who holds a node is told by the node."""
    del event, connection, at


@project.register
def _(event: events.NodeRegained, connection: sqlite3.Connection, at: str) -> None:
    """Nothing but the event: what others did with a node is in their journals."""
    del event, connection, at


@project.register
def _(event: events.NodeSeen, connection: sqlite3.Connection, at: str) -> None:
    connection.execute(
        "INSERT INTO nodes (run, node, boot_id, generation, seen_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, node) "
        "DO UPDATE SET boot_id = excluded.boot_id, generation = excluded.generation, seen_at = excluded.seen_at",
        (event.run, event.node, event.boot_id, event.generation, at),
    )


@project.register
def _(event: events.Knocked, connection: sqlite3.Connection, at: str) -> None:
    del at
    connection.execute(
        "INSERT INTO knocks (run, at, answer, first) VALUES (?, ?, ?, ?)",
        (event.run, time_text(event.knocked_at), event.answer, event.first),
    )


@project.register
def _(event: events.NotMeasured, connection: sqlite3.Connection, at: str) -> None:
    """Nothing but the event: what was seen until then is told by the knocks."""
    del event, connection, at


@project.register
def _(event: events.StepBegun, connection: sqlite3.Connection, at: str) -> None:
    intents = _value(connection, "SELECT intents FROM steps WHERE run = ? AND name = ?", event.run, event.step)
    if event.intent != intents + 1:
        raise ValueError(f"intent {event.intent} of {event.step} follows intent {intents}")
    # What is seen going back is not what was there before the first intent. The time of beginning is that of
    # the epoch's first attempt, so that a duration holds retries but not the wait for a person.
    connection.execute(
        "UPDATE steps SET state = ?, direction = ?, intents = ?, attempts = attempts + 1, reason = ?, doubted = 0, "
        "seen = CASE WHEN ? THEN coalesce(seen, ?) ELSE seen END, "
        "begun_at = CASE WHEN attempts = 0 THEN ? ELSE begun_at END, ended_at = NULL WHERE run = ? AND name = ?",
        (
            StepState.BEGUN,
            event.direction,
            event.intent,
            event.reason,
            event.direction is Direction.FORWARD,
            data_text(event.seen),
            at,
            event.run,
            event.step,
        ),
    )


@project.register
def _(event: events.CommandLaunched, connection: sqlite3.Connection, at: str) -> None:
    connection.execute(
        "INSERT INTO commands (key, run, step, intent, command, direction, node, text, launched_at, last_lines) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
        (
            event.key,
            event.run,
            event.step,
            event.intent,
            event.number,
            event.direction,
            event.node,
            event.text,
            at,
        ),
    )
    if event.direction is Direction.FORWARD:
        connection.execute("UPDATE steps SET acted = 1 WHERE run = ? AND name = ?", (event.run, event.step))


@project.register
def _(event: events.CommandEnded, connection: sqlite3.Connection, at: str) -> None:
    _change(
        connection,
        f"command {event.key}",
        "UPDATE commands SET ended_at = ?, status = ?, seconds = ?, last_lines = ? WHERE key = ? AND run = ?",
        (at, event.status, event.seconds, event.last_lines, event.key, event.run),
    )


@project.register
def _(event: events.CommandCancelled, connection: sqlite3.Connection, at: str) -> None:
    """Nothing but the event: what became of the command is told by its end."""
    del event, connection, at


@project.register
def _(event: events.AttemptFailed, connection: sqlite3.Connection, at: str) -> None:
    connection.execute(
        "INSERT INTO attempts (run, step, number, at, reason, wait) VALUES (?, ?, ?, ?, ?, ?)",
        (event.run, event.step, event.number, at, event.reason, event.wait),
    )
    connection.execute(
        "UPDATE steps SET failures = failures + 1, state = ? WHERE run = ? AND name = ?",
        (StepState.FAILED, event.run, event.step),
    )


@project.register
def _(event: events.StepSettled, connection: sqlite3.Connection, at: str) -> None:
    _change(
        connection,
        f"step {event.step} in run {event.run}",
        "UPDATE steps SET state = ?1, reason = ?2, ended_at = ?3, "
        "doubted = CASE ?1 WHEN 'in_doubt' THEN NOT acted AND completed = 0 WHEN 'skipped' THEN doubted ELSE 0 END "
        "WHERE run = ?4 AND name = ?5",
        (event.state, event.reason, None if event.state is StepState.PENDING else at, event.run, event.step),
    )
    if event.state is StepState.UNDONE:
        connection.execute(
            "UPDATE steps SET completed = 0, acted = 0, seen = NULL WHERE run = ? AND name = ?", (event.run, event.step)
        )
    elif event.state is StepState.DONE and event.changed:
        connection.execute(
            "UPDATE steps SET completed = 1 + (SELECT max(completed) FROM steps WHERE run = ?1) "
            "WHERE run = ?1 AND name = ?2 AND completed = 0",
            (event.run, event.step),
        )


@project.register
def _(event: events.CheckpointReached, connection: sqlite3.Connection, at: str) -> None:
    del at
    _change(
        connection, f"run {event.run}", "UPDATE runs SET checkpoint = ? WHERE id = ?", (event.checkpoint, event.run)
    )


@project.register
def _(event: events.RunHalted, connection: sqlite3.Connection, at: str) -> None:
    del at
    _change(
        connection,
        f"run {event.run}",
        "UPDATE runs SET state = ?, halt_step = ?, halt_reason = ?, halt_hint = ?, ended_at = NULL WHERE id = ?",
        (RunState.WAITING, event.step, event.reason, event.hint, event.run),
    )


@project.register
def _(event: events.RunEnded, connection: sqlite3.Connection, at: str) -> None:
    _change(
        connection,
        f"run {event.run}",
        "UPDATE runs SET state = ?, ended_at = ?, halt_step = NULL, halt_reason = NULL, halt_hint = NULL WHERE id = ?",
        (event.state, at, event.run),
    )


@project.register
def _(event: events.Decided, connection: sqlite3.Connection, at: str) -> None:
    connection.execute(
        "INSERT INTO decisions (run, kind, step, direction, who, why, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (event.run, event.kind, event.step, event.direction, event.who, event.why, at),
    )


def _change(connection: sqlite3.Connection, what: str, sql: str, values: Sequence[str | float | None]) -> None:
    if connection.execute(sql, values).rowcount != 1:
        raise LookupError(f"the journal knows no {what}")


def _value(connection: sqlite3.Connection, sql: str, *keys: str) -> Any:
    row = connection.execute(sql, keys).fetchone()
    if row is None:
        raise LookupError(f"the journal knows no {' '.join(keys)}")
    return row[0]
