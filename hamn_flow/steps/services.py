"""Daemons that follow the role: stopped and kept from coming back, allowed again and started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hamn_flow.facts.network import ListeningPorts
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.services import LastLines, Unit, Units, telling
from hamn_flow.model.command import Command
from hamn_flow.model.pair import Service
from hamn_flow.model.probe import Finding, Probe, done, partial, todo
from hamn_flow.steps.evidence import not_mounted, not_standing, signs_asked, signs_of_life, still_holds
from hamn_flow.steps.step import Failure, Step, words_of


def unit_of(node: Node, service: Service) -> str:
    """The unit that a service is on a node: the first of its names that systemd knows there, held or not.

    The first name of all where none is known; a check says so before anything is touched.
    """
    known = node.get(Units(service.units))
    for name in service.units:
        unit = known.get(name)
        if unit is not None and unit.present:
            return name
    return service.units[0]


def unit_on(node: Node, name: str) -> Unit:
    """A unit as systemd describes it now."""
    return node.get(Units((name,)))[name]


@dataclass(frozen=True, kw_only=True)
class _OnService(Step):
    """What starting and stopping have in common: when a service counts as running, and when as stopped."""

    service: Service
    unit: str  # as this node names it

    def _stopped(self, nodes: Nodes) -> Probe:
        """Done when its unit is inactive, nobody listens on its ports, and no process bears its titles."""
        node = nodes[self.node].at_once(*signs_asked((self.unit,), self.service))
        active = not unit_on(node, self.unit).stopped
        signs = signs_of_life(node, (self.unit,), self.service)
        if not signs:
            return done("stopped", seen={"active": False})
        say = todo if active else partial
        outside = "" if active else " though its unit is not active"
        return say(f"running{outside}: {', '.join(signs)}", seen={"active": active})

    def _running(self, node: Node) -> Probe:
        """Done when its unit is active and it listens; a site may use some of its ports only."""
        unit = unit_on(node, self.unit)
        seen = {"active": not unit.stopped}
        if unit.active and self.service.ports and not set(self.service.ports) & node.get(ListeningPorts()):
            silent = f"started, but nobody listens on {' or '.join(self.service.ports)}"
            return partial(silent, seen=seen, coming=True)  # a unit is active before its daemon listens
        if unit.active:
            return done("running", seen=seen)
        return (todo if unit.stopped else partial)(f"its unit {self.unit} is {unit.active_state}", seen=seen)

    def explain(self, nodes: Nodes, failure: Failure) -> tuple[str, str]:
        """Why, in the words of systemctl, or else of the daemon itself as systemd's journal has them."""
        if failure.probe.finding is Finding.UNKNOWN or failure.probe.hint:
            return failure.probe.reason, failure.probe.hint
        said = words_of(failure)
        if not said or said.startswith("Job for "):  # which says no more than that it failed
            said = "; ".join(telling(nodes[self.node].get(LastLines(self.unit))))
        last = f" ({said})" if said else ""
        hint = f"Type journalctl -u {self.unit} on {self.node}, mend the cause, then type hamn-flow resume."
        return f"{self.service.name}: {failure.probe.reason}{last}", hint


@dataclass(frozen=True, kw_only=True)
class StopService(_OnService):
    """Stop a daemon of the role.

    Guide L451-L467. Through systemd only: a killed xcatd is restarted after five seconds. Proven by its ports and
    process titles, as systemd knows nothing of a daemon that restartxcatd started (xcat-core #2742).
    """

    @property
    def what(self) -> str:
        """Identity: one per service."""
        return f"stop.{self.service.name}"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when nothing of it is left."""
        return self._stopped(nodes)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Ask systemd to stop it."""
        yield nodes[self.node].platform.stop_unit(self.unit)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Start it again, if systemd ran it."""
        if seen["active"]:
            yield nodes[self.node].platform.start_unit(self.unit)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when it runs again, if systemd ran it."""
        return self._running(nodes[self.node]) if seen["active"] else done("systemd did not run it before")

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """Starting it again needs the other node to have let go, and the shared file systems to be here."""
        return still_holds(nodes, nodes.peer_of(self.node).name, self.service) or not_mounted(nodes, self.node)

    def explain(self, nodes: Nodes, failure: Failure) -> tuple[str, str]:
        """A daemon outside of systemd has to be ended by a person: nothing is killed by its name."""
        if failure.probe.finding is not Finding.PARTIAL or not unit_on(nodes[self.node], self.unit).stopped:
            return super().explain(nodes, failure)
        return (
            f"{self.service.name} is {failure.probe.reason}; systemd did not start it, so it cannot stop it",
            f"End those processes on {self.node} by kill -TERM and their number, then type hamn-flow resume.",
        )


@dataclass(frozen=True, kw_only=True)
class StartService(_OnService):
    """Start a daemon of the role.

    Guide L519-L534.
    """

    @property
    def what(self) -> str:
        """Identity: one per service."""
        return f"start.{self.service.name}"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when its unit is active."""
        return self._running(nodes[self.node])

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Ask systemd to start it."""
        yield nodes[self.node].platform.start_unit(self.unit)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Stop it, unless it was running before."""
        if not seen["active"]:
            yield nodes[self.node].platform.stop_unit(self.unit)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when nothing of it is left, unless it was running before."""
        return done("it was running before") if seen["active"] else self._stopped(nodes)

    def objection(self, nodes: Nodes) -> str | None:
        """The other node must have let go, of this service too, and what it needs must stand here."""
        return still_holds(nodes, nodes.peer_of(self.node).name, self.service) or not_standing(nodes, self.node)


@dataclass(frozen=True, kw_only=True)
class _OnUnits(Step):
    """What the steps on several units at once have in common: systemd reloads everything after each mask."""

    until_boot: ClassVar[bool] = True  # runtime masks lie in /run

    units: tuple[str, ...]
    subject: str = ""  # of whom, where it is one service's turn

    def _what(self, verb: str) -> str:
        return f"{verb}.{self.subject}" if self.subject else verb

    def _present(self, nodes: Nodes) -> dict[str, Unit]:
        """The units that systemd knows there, by the names that were given."""
        found = nodes[self.node].get(Units(self.units)) if self.units else {}
        return {name: unit for name, unit in found.items() if unit.present}

    def _as_before(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when exactly those are masked that were."""
        present = self._present(nodes)
        changed = [name for name, unit in present.items() if unit.held != (name in seen["held"])]
        return todo(f"not as before: {_listed(changed)}") if changed else done("as before")


@dataclass(frozen=True, kw_only=True)
class HoldServices(_OnUnits):
    """Keep stopped daemons from being started by anything, until the next boot or until they are allowed.

    A runtime mask. It comes after the stop, not before: systemd forgets the stop commands of a masked unit, and a
    rollback must lift the mask before it can start the unit.
    """

    @property
    def what(self) -> str:
        """Identity."""
        return self._what("hold")

    def probe(self, nodes: Nodes) -> Probe:
        """Done when all are masked and none slipped in before that."""
        present = self._present(nodes)
        seen = {"held": [name for name, unit in present.items() if unit.held]}
        running = [name for name, unit in present.items() if not unit.stopped]
        free = [name for name, unit in present.items() if not unit.held and not _outranked(unit)]
        outranking = [name for name, unit in present.items() if not unit.held and _outranked(unit)]
        if running:
            slipped_in = any(present[name].held for name in running)
            return (partial if slipped_in else todo)(f"not stopped: {_listed(running)}", seen=seen)
        if free:
            return todo(f"may be started: {_listed(free)}", seen=seen)
        warning = f"cannot be kept from starting, as a file below /etc outranks a runtime mask: {_listed(outranking)}"
        said = f"kept from starting: {_listed(seen['held'])}" if seen["held"] else "stopped"
        return done(said, seen=seen, warning=warning if outranking else "")

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Mask those that are not."""
        free = [name for name, unit in self._present(nodes).items() if not unit.held and not _outranked(unit)]
        if free:
            yield nodes[self.node].platform.hold_unit(*free)

    def remedy(self, nodes: Nodes, failure: Failure) -> Iterator[Command]:
        """Something started one of them between the stop and the mask: stop it again."""
        del failure
        for name, unit in self._present(nodes).items():
            if unit.held and not unit.stopped:
                yield nodes[self.node].platform.stop_unit(name)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Lift the masks that were not there before."""
        held = [name for name, unit in self._present(nodes).items() if unit.held and name not in seen["held"]]
        if held:
            yield nodes[self.node].platform.release_unit(*held)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when the masks are as they were."""
        return self._as_before(nodes, seen)


@dataclass(frozen=True, kw_only=True)
class HoldBack(HoldServices):
    """Keep a daemon from being started before its turn, which comes later in the run."""

    lasting: ClassVar[bool] = False  # its turn comes

    @property
    def what(self) -> str:
        """Identity: one per service."""
        return self._what("hold-back")


@dataclass(frozen=True, kw_only=True)
class AllowServices(_OnUnits):
    """Let daemons be started again, where a run had kept them from starting."""

    @property
    def what(self) -> str:
        """Identity."""
        return self._what("allow")

    def probe(self, nodes: Nodes) -> Probe:
        """Done when none is masked; a lasting mask is a person's, and stays."""
        present = self._present(nodes)
        held = [name for name, unit in present.items() if unit.held]
        lasting = [name for name in held if present[name].unit_file_state == "masked"]
        seen = {"held": held}
        if lasting:
            hint = f"Type systemctl unmask {' '.join(lasting)} on {self.node} if it may start, then hamn-flow resume."
            return todo(f"masked for good by a person: {_listed(lasting)}", seen=seen, hint=hint)
        return todo(f"kept from starting: {_listed(held)}", seen=seen) if held else done("may be started", seen=seen)

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """Lift the runtime masks."""
        held = [name for name, unit in self._present(nodes).items() if unit.held]
        if held:
            yield nodes[self.node].platform.release_unit(*held)

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """Keep those from starting again that were."""
        free = [name for name, unit in self._present(nodes).items() if not unit.held and name in seen["held"]]
        if free:
            yield nodes[self.node].platform.hold_unit(*free)

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Done when the masks are as they were."""
        return self._as_before(nodes, seen)


def _outranked(unit: Unit) -> bool:
    """systemd.unit(5): /etc comes before /run, so a runtime mask has no effect."""
    return unit.fragment_path.startswith("/etc/")


def _listed(names: list[str]) -> str:
    return ", ".join(names)
