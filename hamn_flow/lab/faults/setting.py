"""Faults set, remembered and lifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from hamn_flow.errors import HamnError, Refused, StepFailed
from hamn_flow.lab.alone import alone
from hamn_flow.lab.faults import where
from hamn_flow.lab.faults.fault import Fault, Kind, record, recorded
from hamn_flow.lab.faults.kinds import KINDS
from hamn_flow.lab.place import NODES, Lab

_PATIENCE = 60.0  # seconds for another command to end


def _silent(_: str) -> None:
    """Say nothing."""


def set_fault(lab: Lab, kind: str, node: str, *what: str) -> Fault:
    """Set a fault, and remember how to lift it; Refused if it makes no sense or there is one like it.

    One that could be set only half is lifted again, and the reason raised.
    """
    found = _kind(kind, node, what)
    _need_lab(lab)
    with alone(lab, _PATIENCE):
        others = recorded(lab)
        _refuse_twice(lab, found, node, what, others)
        if not (boot := where.boot(lab, node)):
            raise Refused(f"{node} is off", hint="Only a host that runs can be given a fault.")
        number = max((int(other.id) for other in others), default=0) + 1
        fault = Fault(id=str(number), kind=kind, node=node, what=what, boot=boot)

        def note(**known: Any) -> None:
            nonlocal fault
            fault = replace(fault, known={**fault.known, **known})
            record(lab, (*others, fault))

        try:
            found.set(lab, fault, note)
        except HamnError:
            if fault in recorded(lab):
                with suppress(HamnError):  # then it stays in the list
                    found.lift(lab, fault)
                    record(lab, others)
            raise
        return fault


def lift(lab: Lab, identity: str) -> str:
    """Lift a fault, and say so; Refused if there is none of that number, or if it cannot be reached now."""
    _need_lab(lab)
    with alone(lab, _PATIENCE):
        return _lift(lab, identity)


def lift_all(lab: Lab, say: Callable[[str], None] = _silent) -> list[str]:
    """Lift all, and return what was said of each. StepFailed names those that cannot be lifted; they keep no others."""
    if not recorded(lab):
        return []
    said, failed = [], []
    with alone(lab, _PATIENCE):
        newest_first = sorted(recorded(lab), key=lambda fault: (KINDS[fault.kind].turn, -int(fault.id)))
        for fault in newest_first:
            try:
                said.append(_lift(lab, fault.id))
                say(said[-1])
            except HamnError as error:
                failed.append(f"{fault}: {error.sentence}")
    if failed:
        raise StepFailed(
            f"not all could be lifted: {'; '.join(failed)}", hint="Put right what is named, and lift all again."
        )
    return said


@contextmanager
def during(lab: Lab, kind: str, node: str, *what: str) -> Iterator[Fault]:
    """Set a fault, and lift it at the end of the block."""
    fault = set_fault(lab, kind, node, *what)
    try:
        yield fault
    finally:
        if any(other.id == fault.id for other in recorded(lab)):  # it may have been lifted within, or does not last
            lift(lab, fault.id)


def _lift(lab: Lab, identity: str) -> str:
    faults = recorded(lab)
    fault = next((fault for fault in faults if fault.id == identity), None)
    if fault is None:
        raise Refused(f"there is no fault {identity!r}", hint=f"Type {lab.typed('fault list')} to see what is set.")
    there = KINDS[fault.kind].lift(lab, fault)
    record(lab, tuple(other for other in faults if other.id != identity))
    if there:
        return f"{fault} is lifted"
    if where.same_boot(lab, fault):
        return f"{fault} was no more: it has ended by itself, or by somebody else"
    return f"{fault} was no more: {fault.node} has been off since"


def _kind(kind: str, node: str, what: tuple[str, ...]) -> Kind:
    if kind not in KINDS:
        raise Refused(f"there is no fault {kind!r}", hint="Type hamn-flow lab fault kinds to see what there is.")
    if node not in NODES:
        raise Refused(f"{node!r} is none of the hosts", hint=f"Say {' or '.join(NODES)}.")
    if len(what) not in KINDS[kind].takes:
        usage = " ".join(("lab fault set", kind, "NODE", *KINDS[kind].words))
        raise Refused(f"{kind} is given too few or too many words", hint=f"Type hamn-flow {usage}.")
    return KINDS[kind]


def _refuse_twice(lab: Lab, kind: Kind, node: str, what: tuple[str, ...], others: tuple[Fault, ...]) -> None:
    for other in others:
        same = kind.subject and KINDS[other.kind].subject == kind.subject
        if same and other.node == node and other.what[:1] == what[:1]:
            raise Refused(f"{other} is set already", hint=f"Type {lab.typed('fault lift', other.id)} first.")


def _need_lab(lab: Lab) -> None:
    if not lab.begun:
        raise Refused(f"lab {lab.name} is not up", hint=f"Type {lab.typed('up')} first.")
