"""The client of a launcher, over any stream of bytes: many threads may ask at once.

One thread reads; whoever asks waits for the answer with the id of the question. Every wait has a deadline, and while
somebody waits the other end must show signs of life: a peer that died without a word is noticed.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from time import monotonic
from typing import Protocol

from hamn_flow.errors import HamnError, LookFailed, OutcomeUnknown, Refused, Unreachable
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.transport import wire
from hamn_flow.transport.connection import Held, Hello, Keeping, Kept, Owner, Piece

STREAM_TIMEOUT = 30.0  # seconds for one read or write of a stream; a read may be repeated, a write may not


class Stream(Protocol):
    """Bytes to a launcher and back. TimeoutError and OSError are raised as sockets raise them."""

    def send(self, data: bytes) -> None:
        """Send all of it; after an error nobody knows how much was sent."""
        ...

    def receive(self) -> bytes:
        """What has come, as soon as something has; nothing at the end."""
        ...

    def hang_up(self) -> None:
        """End it both ways: a `receive` that waits returns. By any thread, and more than once."""
        ...

    def close(self) -> None:
        """Let go of all that it holds; by the one who receives, at the end."""
        ...

    def last_words(self) -> str:
        """What was printed beside the launcher's answers: why it did not start."""
        ...


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an answer may take, in seconds."""

    start: float = 30.0  # for the launcher to say hello
    answer: float = 30.0  # for what takes no time on the node, and beyond the deadline of what does
    quiet: float = 10.0  # without a word before the other end is asked whether it lives
    silence: float = 30.0  # without a word before it counts as dead


@dataclass
class _Question:
    """A request that waits for its answer, and what came before the answer."""

    heard: float
    answered: threading.Event = field(default_factory=threading.Event)
    reply: wire.Reply | None = None
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)


class _NotAnsweredError(Exception):
    """No answer in time, though the link lives."""


def program() -> bytes:
    """The launcher's text: its parts, in this order."""
    folder = resources.files("hamn_flow.transport").joinpath("launcher")
    return b"\n".join(
        folder.joinpath(f"{part}.pl").read_bytes() for part in ("common", "looks", "jobs", "copies", "loop")
    )


class Session:
    """A `Connection` over a stream on which a bootstrap was started."""

    def __init__(
        self,
        node: NodeName,
        stream: Stream,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._node = node
        self._stream = stream
        self._patience = patience or Patience()
        self._clock = clock
        self._numbers = itertools.count(1)
        self._replies = wire.Replies()
        self._questions: dict[int, _Question] = {}
        self._lost = ""  # why there will be no more answers
        self._lock = threading.Lock()  # of the two above
        self._sending = threading.Lock()
        self._heard = clock()
        try:
            self._hello = self._start()
        except BaseException:
            stream.hang_up()
            stream.close()
            raise
        self._reader = threading.Thread(target=self._read, name=f"launcher of {node}", daemon=True)
        self._reader.start()

    @property
    def node(self) -> NodeName:
        """The node at the other end."""
        return self._node

    @property
    def hello(self) -> Hello:
        """What the node said when the connection was made."""
        return self._hello

    def look(self, command: Command) -> Result:
        """Run a command that only reads, and wait for it.

        LookFailed after its deadline, on the node or here, or if the node cannot run it.
        """
        request = wire.Look(
            argv=command.argv,
            environment=command.environment,
            text_in=command.text_in,
            deadline=command.deadline,
        )
        late = f"{self._node}: `{command.argv[0]}` did not end within {command.deadline:g} s"
        try:
            question = self._ask(request, command.deadline)
        except _NotAnsweredError as error:
            raise LookFailed(late) from error
        match question.reply:
            case wire.Ended(status=status, seconds=seconds):
                return _result(question, status, seconds)
            case wire.Overdue():
                raise LookFailed(late)
            case wire.Failed(reason=reason):
                raise LookFailed(f"{self._node} could not run `{command.argv[0]}`: {reason.strip()}")
        raise self._unfit(question)

    def held(self) -> Held:
        """How the node is held now."""
        return self._held(self._get(wire.Holding()))

    def claim(self, owner: Owner, over: Held) -> Held:
        """Make `owner` the one driver of this node, if it is still held as was seen; how it is held then."""
        return self._held(self._get(wire.Claim(generation=over.generation, holder=over.owner, owner=owner.text)))

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        """Launch a job once under its key; a used key launches nothing.

        StaleDriver if the node's generation is not this one; Refused if the node cannot start it, and the key stays
        unused; OutcomeUnknown if the answer was lost.
        """
        request = wire.Launch(
            key=key,
            generation=generation,
            owner=owner.text,
            argv=command.argv,
            environment=command.environment,
            text_in=command.text_in,
        )
        self._still_there()
        unknown = f"{self._node}: it is not known whether `{command.argv[0]}` was launched"
        try:
            question = self._ask(request, 0.0)
        except (_NotAnsweredError, Unreachable) as error:
            raise OutcomeUnknown(f"{unknown}: {error}", hint=_RESUME) from error
        match question.reply:
            case wire.Launched():
                return
            case wire.Stale(generation=present, owner=holder) if holder == owner.text and present > generation:
                # raised by ourselves, on another link
                raise OutcomeUnknown(f"{unknown}: its link is not the latest one", hint=_RESUME)
            case wire.Stale(generation=present, owner=holder):
                raise Held(generation=present, owner=holder).refusal(self._node)
            case wire.Vanished():
                raise OutcomeUnknown(f"{unknown}: its wrapper was killed", hint=_RESUME)
            case wire.Failed(reason=reason):
                raise Refused(f"{self._node} could not start `{command.argv[0]}`: {reason.strip()}")
        raise self._unfit(question)

    def ask(self, key: Key) -> Job:
        """What became of the key."""
        return self._job(key, self._get(wire.Ask(key=key)))

    def wait(self, key: Key, seconds: float) -> Job:
        """Ask until the job is no longer running, at most so many seconds; still running is an answer."""
        return self._job(key, self._get(wire.Wait(key=key, seconds=seconds), seconds))

    def cancel(self, key: Key, signal: str) -> None:
        """Send TERM or KILL to the job's process group; nothing happens to a job that does not run."""
        question = self._get(wire.Cancel(key=key, signal=signal))
        if not isinstance(question.reply, wire.Signalled):
            raise self._unfit(question)

    def keep(self, copy: str, piece: Piece) -> Keeping:
        """Send a piece of a copy; the answer is heard when it is asked for."""
        request = wire.Keep(copy=copy, at=piece.at, text=piece.text, generation=piece.generation, owner=piece.owner)
        _, question = self._put(request)

        def kept(seconds: float) -> Kept | None:
            try:
                self._hear_out(question, seconds)
            except _NotAnsweredError:
                return None
            return self._kept(question)

        return kept

    def copies(self) -> tuple[str, ...]:
        """The names of the copies that the node keeps."""
        question = self._get(wire.Copies())
        if isinstance(question.reply, wire.Listed):
            return question.reply.copies
        raise self._unfit(question)

    def fetch(self, copy: str) -> bytes:
        """A copy's text; nothing if there is none."""
        question = self._get(wire.Fetch(copy=copy))
        self._kept(question)
        return bytes(question.output)

    def set_aside(self, copy: str, *, generation: int, owner: Owner) -> None:
        """Give a copy another name."""
        self._kept(self._get(wire.Aside(copy=copy, generation=generation, owner=owner.text)))

    def close(self) -> None:
        """Let go of the link; jobs go on, looks do not."""
        self._lose(f"the connection to {self._node} was closed")
        self._reader.join(STREAM_TIMEOUT)

    # --- asking

    def _get(self, request: wire.Request, seconds: float = 0.0) -> _Question:
        try:
            return self._ask(request, seconds)
        except _NotAnsweredError as error:
            raise Unreachable(f"{self._node} does not answer: {error}", hint=self._hint) from error

    def _ask(self, request: wire.Request, seconds: float) -> _Question:
        """Send a request and wait for its answer, `seconds` and the usual patience after the last word of it."""
        number, question = self._put(request)
        try:
            self._hear_out(question, seconds + self._patience.answer)
        except _NotAnsweredError:
            with self._lock:
                self._questions.pop(number, None)
            raise
        return question

    def _put(self, request: wire.Request) -> tuple[int, _Question]:
        """Send a request; its number, and the question that its answer comes to."""
        wire.check(request)
        question = _Question(heard=self._clock())
        with self._lock:
            number = next(self._numbers)
            if not self._lost:
                self._questions[number] = question
        self._still_there()
        self._send(wire.encode(number, request))
        return number, question

    def _hear_out(self, question: _Question, limit: float) -> None:
        """Wait for the answer, so many seconds after the last word of it."""
        while not question.answered.wait(min(self._patience.quiet, self._silence_left(), limit)):
            if self._clock() - question.heard > limit:
                raise _NotAnsweredError(f"nothing came within {limit:g} s")
            self._listen_for_life()
        if question.reply is None:
            self._still_there()

    def _silence_left(self) -> float:
        """Seconds until the other end counts as dead if it says nothing; at least so many that nobody spins."""
        return max(0.1, self._patience.silence - (self._clock() - self._heard))

    def _listen_for_life(self) -> None:
        quiet = self._clock() - self._heard
        if quiet > self._patience.silence:
            self._lose(f"{self._node} has not given a sign of life for {quiet:.0f} s")
        elif quiet > self._patience.quiet:
            self._send(wire.encode(next(self._numbers), wire.Ping()))

    def _send(self, data: bytes) -> None:
        with self._sending:
            try:
                self._stream.send(data)
            except OSError as error:
                self._lose(f"the link to {self._node} was lost: {error!r}")

    def _still_there(self) -> None:
        if self._lost:
            raise Unreachable(self._lost, hint=self._hint)

    def _lose(self, why: str) -> None:
        with self._lock:
            self._lost = self._lost or why
            questions = list(self._questions.values())
            self._questions.clear()
        self._stream.hang_up()
        for question in questions:
            question.answered.set()

    # --- listening

    def _start(self) -> Hello:
        """Send the launcher once the bootstrap is there, and hear its hello."""
        until = self._clock() + self._patience.start
        sent = False
        try:
            while self._clock() < until:
                data = self._stream.receive()
                for _, reply in self._replies.feed(data):
                    match reply:
                        case Hello():
                            return reply
                        case wire.Bye(reason=reason):
                            raise Unreachable(f"{self._node}: the launcher does not start: {reason.strip()}")
                if not data:
                    raise self._never_started()
                if self._replies.ready and not sent:
                    self._stream.send(program())
                    sent = True
        except TimeoutError as error:
            raise Unreachable(f"{self._node}: the launcher does not answer", hint=self._hint) from error
        except (OSError, wire.Garbled) as error:
            raise Unreachable(f"{self._node}: the launcher does not start: {error}", hint=self._hint) from error
        raise Unreachable(f"{self._node}: no launcher after {self._patience.start:g} s", hint=self._hint)

    def _never_started(self) -> HamnError:
        words = self._stream.last_words().strip() or self._replies.noise.decode(errors="replace").strip()
        if words.startswith("sudo:"):
            return Refused(
                f"{self._node}: {words}",
                hint="Allow the user of this node `perl` by sudo without a password (NOPASSWD), or connect as root.",
            )
        return Unreachable(f"{self._node}: the launcher does not start: {words or 'no reason given'}", hint=self._hint)

    def _read(self) -> None:
        self._listen()
        self._stream.close()

    def _listen(self) -> None:
        while not self._lost:
            try:
                data = self._stream.receive()
                replies = self._replies.feed(data)
            except TimeoutError:
                continue  # nobody has asked anything for a while
            except (OSError, wire.Garbled) as error:
                self._lose(f"the link to {self._node} was lost: {error}")
                return
            if not data:
                words = self._stream.last_words().strip()
                self._lose(f"the link to {self._node} was lost{words and ': '}{words}")
                return
            self._heard = self._clock()
            for number, reply in replies:
                self._hear(number, reply)

    def _hear(self, number: int, reply: wire.Reply) -> None:
        if isinstance(reply, wire.Bye):
            self._lose(f"the launcher of {self._node} gave up: {reply.reason.strip()}")
            return
        with self._lock:
            question = self._questions.get(number)
            if question is None:
                return  # the answer to a ping, or one that nobody waits for any more
            question.heard = self._heard
            if not isinstance(reply, wire.Output):
                del self._questions[number]
        if isinstance(reply, wire.Output):
            (question.output if reply.stream == 1 else question.errors).extend(reply.data)
        else:
            question.reply = reply
            question.answered.set()

    # --- answers

    def _held(self, question: _Question) -> Held:
        if isinstance(question.reply, Held):
            return question.reply
        raise self._unfit(question)

    def _kept(self, question: _Question) -> Kept:
        match question.reply:
            case Kept() as kept:
                return kept
            case wire.Stale(generation=present, owner=holder):
                raise Held(generation=present, owner=holder).refusal(self._node)
            case wire.Failed(reason=reason):
                raise LookFailed(f"{self._node} cannot keep copies of journals: {reason.strip()}")
        raise self._unfit(question)

    def _job(self, key: Key, question: _Question) -> Job:
        match question.reply:
            case wire.Standing(state=JobState.DONE, status=status, seconds=seconds):
                return Job(key=key, state=JobState.DONE, result=_result(question, status, seconds))
            case wire.Standing(state=state):
                return Job(key=key, state=state)
            case wire.Failed(reason=reason):
                raise OutcomeUnknown(f"{self._node} cannot say what became of a job: {reason.strip()}", hint=_RESUME)
        raise self._unfit(question)

    def _unfit(self, question: _Question) -> HamnError:
        if isinstance(question.reply, wire.Failed):
            return Unreachable(f"{self._node} could not do it: {question.reply.reason.strip()}", hint=self._hint)
        return Unreachable(f"{self._node} gave an answer that does not fit: {question.reply}", hint=self._hint)

    @property
    def _hint(self) -> str:
        return f"Look whether {self._node} is up and answers SSH, then type `hamn-flow resume`."


_RESUME = "Type `hamn-flow resume`: it looks at what is true before it does anything."


def _result(question: _Question, status: int, seconds: float) -> Result:
    return Result(status=status, output=bytes(question.output), errors=bytes(question.errors), seconds=seconds)
