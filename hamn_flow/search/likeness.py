"""When two states are one: equal in all that can influence what follows."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from hamn_flow.journal.chain import SUM, Copy, Relation, relation
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.command import JobState, Key
from hamn_flow.model.run import RunState, StepState
from hamn_flow.search.scene import ByHand
from hamn_flow.simulator.digest import picture
from hamn_flow.simulator.state import KeyedJob, Node, State
from hamn_flow.transport.connection import Owner

_REMADE = ("/etc/dhcp/dhcpd.conf", "/etc/conserver.cf", "/etc/resolv.conf")
BOOTS = 2  # Node.boots of the standard pair, as long as nothing happens to it
_OPEN = frozenset({StepState.BEGUN, StepState.IN_DOUBT, StepState.FAILED})


def name_of(*parts: object) -> str:
    """A short name: equal for equal parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def rest_likeness(state: State, journal: MemoryJournal, by_hand: Iterable[ByHand] = ()) -> str:
    """The name of a state without a driver; where the journal has no run, what the nodes keep of one counts."""
    nodes = nodes_likeness(state, by_hand)
    if journal.runs():  # what the copies lack of it is brought when it goes on; what is none of it may be refused
        kept = [bool(copy) and _lacking(copy, journal) < 0 for copy in _copies(state)]
        return name_of("at rest", nodes, journal_likeness(journal, state, at_rest=True), kept)
    return name_of("at rest", nodes, [_kept(node, state) for node in state.nodes.values()], _related(state))


def _related(state: State) -> Relation:
    """How the one node's copy stands to the other's: alike as each may be, two that part are adopted by nobody."""
    one, other = (replayed(run_kept(state), copy)[0].commits for copy in _copies(state))
    return relation(one, other)


def _kept(node: Node, state: State) -> object:
    """What a node keeps of the last run, and whether anybody holds it."""
    run = run_kept(state)
    if not run:
        return ""
    copy, journal = replayed(run, node.copies.get(run, b""))
    known = journal_likeness(journal, state, at_rest=True) if copy.commits else ""
    return copy.health, known, Owner.of(node.launcher.owner) is None


_LACKING = (
    "SELECT count(e.number) FROM commits c LEFT JOIN events e "
    "ON e.run = c.run AND e.number > c.last_event "
    "AND e.kind NOT IN ('NodeSeen', 'DriverCame', 'CopyMissed', 'CopyBrought') "
    "WHERE c.number = ? AND c.sum = ? GROUP BY c.number"
)


def lacking(state: State, journal: MemoryJournal) -> list[int]:
    """How many events of consequence each node's copy lacks of the journal; -1 where the copy is none of it."""
    return [_lacking(copy, journal) for copy in _copies(state)]


def _copies(state: State) -> list[bytes]:
    """Each node's copy of the last run."""
    run = run_kept(state)
    return [node.copies.get(run, b"") for node in state.nodes.values()]


def _lacking(copy: bytes, journal: MemoryJournal) -> int:
    said = copy[-SUM - 1 : -1].decode(errors="replace")
    rows = journal.rows(_LACKING, str(copy.count(b"\n")), said)
    return int(rows[0][0]) if rows else -1


def run_kept(state: State) -> str:
    """The last run of which a node keeps a copy; empty if there is none."""
    return max((run for node in state.nodes.values() for run in node.copies if "." not in run), default="")


@lru_cache(maxsize=8)
def replayed(run: str, text: bytes) -> tuple[Copy, MemoryJournal]:
    """A copy, and a journal that has what fits of it."""
    copy = Copy.read(run, text)
    return copy, MemoryJournal.replayed(run, copy.commits)


def nodes_likeness(state: State, by_hand: Iterable[ByHand] = ()) -> str:
    """The nodes: what the simulator's digest has, what it leaves out as made anew, jobs that run, and boots."""
    more = [_more(node) for node in state.nodes.values()]
    return name_of(picture(state), more, sorted(state.strangers), [(one.node, one.mount_point) for one in by_hand])


def _more(node: Node) -> list[object]:
    return [
        node.boots > BOOTS,
        node.zones,
        node.leases,
        [node.root.files[path].content for path in _REMADE if path in node.root.files],
        [unit.id for unit in node.units.values() if unit.restart_due or unit.due],
        sorted(_job(key, job) for key, job in node.launcher.jobs.items() if job.state is JobState.RUNNING),
    ]


def _job(key: Key, job: KeyedJob) -> tuple[str, str, bool]:
    _, position, _, number = key.split("-")
    return position, number, job.command is not None


_RUN = "SELECT state, direction, checkpoint, back_to, unseen FROM runs"
_STEPS = (
    "SELECT name, kind, state, completed > 0, acted, seen, doubted, direction, failures, attempts > 0 FROM steps "
    "ORDER BY position"
)
# Of commands, those whose end is open, and those of what a step that is under way tried last.
_COMMANDS = (
    "SELECT s.kind, c.key, c.ended_at IS NULL, c.status, c.step, c.command, c.direction, c.text FROM commands c "
    "JOIN steps s ON s.name = c.step WHERE c.ended_at IS NULL "
    "OR (s.state IN ('begun', 'in_doubt', 'failed') AND c.intent = s.intents) ORDER BY c.number"
)
_DECISIONS = "SELECT DISTINCT kind, step, direction FROM decisions ORDER BY 1, 2, 3"


def journal_likeness(journal: MemoryJournal, state: State, *, at_rest: bool) -> str:
    """The journal, without times, texts and numbers that only name; and what the nodes know of its open commands.

    `at_rest`: no driver is at work. Then it is one whether it halted or died, and whichever way it went, as a person
    may go on or turn round; how many tries are left only says how soon the next one halts.
    """
    boots = {node.name: node.boot_id for node in state.nodes.values()}
    jobs = {key: job for node in state.nodes.values() for key, job in node.launcher.jobs.items()}
    runs = journal.rows(_RUN)
    waits = at_rest and any(not RunState(row[0]).ended for row in runs)
    if waits:
        runs = [(RunState.WAITING, *runs[0][-2:])]
    return name_of(
        runs,
        [_step(row, waits=waits) for row in journal.rows(_STEPS)],
        [like for row in journal.rows(_COMMANDS) if (like := _command(row, jobs))],
        journal.rows(_DECISIONS),
        [(node, boots[node] == known) for node, known in journal.rows("SELECT node, boot_id FROM nodes ORDER BY 1")],
    )


def _step(row: tuple[Any, ...], *, waits: bool) -> tuple[object, ...]:
    """How often it was tried, and which way last, counts while a step is under way.

    Where the run waits, the way counts only for what is done once in a run.
    """
    name, kind, state, changed, acted, seen, doubted, *tried = row
    if waits and state == StepState.IN_DOUBT and doubted:  # a rollback settles it first
        return name, state, changed, seen
    if state == StepState.UNDONE or (waits and state in _OPEN and not acted and not changed):
        state = StepState.PENDING
    if state not in _OPEN:
        return name, state, changed, acted, seen, doubted
    if waits:
        return name, "open", changed, acted, seen, tried[0] if _once(kind) else ""
    return name, state, changed, acted, seen, *tried


def _command(row: tuple[Any, ...], jobs: dict[Key, KeyedJob]) -> tuple[object, ...]:
    """What the node knows of one whose end is open; how another one ended, where its step is done once in a run."""
    kind, key, is_open, status, *names = row
    if is_open:
        job = jobs.get(Key(key))
        return (*names, job.state.value if job else "none", job.result.status if job and job.result else None)
    return (*names, status) if _once(kind) else ()


@cache
def _once(kind: str) -> bool:
    module, _, name = kind.partition(":")
    return bool(getattr(sys.modules[module], name).once)
