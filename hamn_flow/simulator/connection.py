"""A connection to a simulated node without any wire between: what the real transport promises, at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hamn_flow.errors import HamnError, LookFailed, OutcomeUnknown, StaleDriver, Unreachable
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.model.pair import NodeSpec
from hamn_flow.simulator.world import LinkCutError, World
from hamn_flow.transport.connection import Held, Hello, Keeping, Kept, Owner, Piece

_PAUSE = 0.05  # seconds between two questions about a job that runs


@dataclass
class SimulatedConnection:
    """A Connection (transport/connection.py) to one node of a world in this process."""

    world: World
    node: NodeName
    hello: Hello
    link: int

    def look(self, command: Command) -> Result:
        """Carry the command out; it must not change anything."""
        self._live()
        try:
            return self.world.look(self.node, command)
        except LinkCutError as error:
            raise Unreachable(str(error)) from error

    def held(self) -> Held:
        """How the node is held now."""
        self._live()
        return self.world.held(self.node)

    def claim(self, owner: Owner, over: Held) -> Held:
        """Claim the node for this owner, over the holder that was seen."""
        self._live()
        return self.world.claim(self.node, owner.text, generation=over.generation, holder=over.owner)

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        """Launch a job; it has usually ended when this returns."""
        self._live()
        try:
            self.world.launch(self.node, key, command, generation=generation, owner=owner.text)
        except LinkCutError as error:
            message = f"{error}; whether the command took effect is not known"
            raise OutcomeUnknown(message) from error
        except StaleDriver as error:
            now = self.world.held(self.node)
            if now.is_by(owner) and now.generation > generation:  # claimed by ourselves, on another link
                message = f"{error}: its link is not the latest one"
                raise OutcomeUnknown(message) from error
            raise

    def ask(self, key: Key) -> Job:
        """What became of the key."""
        self._live()
        return self.world.ask(self.node, key)

    def wait(self, key: Key, seconds: float) -> Job:
        """Ask until it no longer runs, sleeping by the world's own `sleep`."""
        self._live()
        job = self.world.wait(self.node, key)
        waited = 0.0
        while job.state is JobState.RUNNING and waited < seconds:
            pause = min(_PAUSE, seconds - waited)
            self.world.sleep(pause)
            waited += pause
            self._live()
            job = self.world.wait(self.node, key)
        return job

    def cancel(self, key: Key, signal: str) -> None:
        """End a job that runs."""
        self._live()
        self.world.cancel(self.node, key, signal)

    def keep(self, copy: str, piece: Piece) -> Keeping:
        """Append to a copy, at once; what came of it is told when it is asked for."""
        self._live()
        try:
            kept = self.world.keep(self.node, copy, piece)
        except (LookFailed, StaleDriver) as error:
            return raising(error)
        return lambda _seconds: kept

    def copies(self) -> tuple[str, ...]:
        """The names of the copies that the node keeps."""
        self._live()
        return tuple(name for name in self.world.copies(self.node) if "." not in name)

    def fetch(self, copy: str) -> bytes:
        """A copy's text; nothing if there is none."""
        self._live()
        return self.world.copies(self.node).get(copy, b"")

    def set_aside(self, copy: str, *, generation: int, owner: Owner) -> None:
        """Give a copy another name."""
        self._live()
        self.world.set_aside(self.node, copy, generation=generation, owner=owner.text)

    def close(self) -> None:
        """Let go; jobs go on."""
        self.link = 0

    def _live(self) -> None:
        node = self.world.state.nodes[self.node]
        if not node.powered or node.links != self.link:
            message = f"the link to {self.node} was lost"
            raise Unreachable(message)


def raising(error: HamnError) -> Keeping:
    """What is said of a piece that was not kept, once it is asked for."""

    def keeping(seconds: float) -> Kept | None:
        del seconds
        raise error

    return keeping


def connector(world: World) -> Callable[[NodeSpec], SimulatedConnection]:
    """The `Connect` of a world in this process."""

    def connect(spec: NodeSpec) -> SimulatedConnection:
        hello = world.greet(spec.name)
        link = world.state.nodes[spec.name].links
        return SimulatedConnection(world=world, node=spec.name, hello=hello, link=link)

    return connect
