"""Knocking at an address of a simulated world in this process: what a client beside both nodes would find."""

from __future__ import annotations

from collections.abc import Callable

from hamn_flow.model.outage import Answer
from hamn_flow.simulator.network import ANY
from hamn_flow.simulator.world import World


def knocker(world: World) -> Callable[[str, int, float], Answer]:
    """The `knock` of this world; it leaves no trace there, and never has to wait for an answer."""

    def knock(address: str, port: int, seconds: float) -> Answer:
        del seconds
        with world.changed:
            node = world.state.at(address)
            if node is None:
                return Answer.NOTHING
            listening = {("tcp", ANY, port), ("tcp", address, port)}
            served = any(listening & set(each.ports) for each in node.processes.values())
            return Answer.XCATD if served else Answer.ADDRESS

    return knock
