"""Makes drivers: each a process of its own that can be killed, forked from one that has imported everything.

    python -m tests.crash.zygote

Each line on standard input is an order (see `Order`); the answers are the driver's pid, and, after the line `go`, its
exit status as the shell counts it: minus the signal that killed it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hamn_flow.catalog import Catalog
from hamn_flow.engine.begin import Desk, resume, rollback, start
from hamn_flow.engine.world import Knock, World
from hamn_flow.errors import HamnError
from hamn_flow.journal import drive
from hamn_flow.model.outage import Answer
from hamn_flow.model.run import Holder
from hamn_flow.simulator import standard_cluster
from hamn_flow.simulator.world_process import connect_socket


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a driver is to do: `start`, `resume` or `rollback`, and before which of its commits it kills itself."""

    verb: str
    journal: str
    sockets: str
    database: str
    killed_at_commit: int = 0

    @property
    def line(self) -> str:
        return json.dumps(asdict(self))


def scripted_knock() -> Knock:
    """Hears another answer each time, so that each is a commit of its own, and after three of them cannot knock."""
    answers = iter([Answer.XCATD, Answer.NOTHING, Answer.XCATD])

    def knock(_address: str, _port: int, _seconds: float) -> Answer:
        try:
            return next(answers)
        except StopIteration:
            raise OSError("nobody knocks any more") from None

    return knock


def drive_as_told(order: Order, catalog: Catalog) -> int:
    """One driver's life."""
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        if statement == "COMMIT":
            commits += 1
            if commits == order.killed_at_commit:
                os.kill(os.getpid(), signal.SIGKILL)

    def now() -> datetime:
        return datetime.now(UTC)

    world = World(
        connect=connect_socket(Path(order.sockets)),
        who="tester",
        driver=str(os.getpid()),
        sleep=lambda _seconds: None,
        new_run_id=lambda: "crashy",
        knock=scripted_knock(),
        knock_pause=0.0,
    )
    holder = Holder(pid=os.getpid(), host="here", user="tester", since=now(), what=order.verb)
    try:
        with drive(Path(order.journal), holder=holder, clock=now) as journal:
            journal._database.set_trace_callback(count)
            cluster = standard_cluster("sqlite" if order.database == "sqlite" else "postgresql")
            desk = Desk(journal=journal, cluster=cluster, catalog=catalog, world=world)
            match order.verb:
                case "start":
                    start(desk, "planned-failover", {})
                case "resume":
                    resume(desk, "crashy")
                case _:
                    rollback(desk, "crashy")
    except HamnError as error:
        print(f"{type(error).__name__}: {error.sentence}", file=sys.stderr, flush=True)
        return error.exit_status
    return 0


def main() -> None:
    """Obey until the input ends."""
    catalog = Catalog.load()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(drive_as_told(order, catalog))
        os.close(reading)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(writing, b"!")
        os.close(writing)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
