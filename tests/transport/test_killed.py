"""The driver is killed at any moment, with jobs in flight: no key runs twice, and what is said of a key is true."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hamn_flow.model.command import JobState, Key
from hamn_flow.transport.connection import Owner
from tests.claiming import claim
from tests.transport import driver
from tests.transport.sshd import Sshd

KILLS = int(os.environ.get("HAMN_FLOW_KILLS", "6"))
HEIR = Owner(run="heir", driver="test")


@pytest.mark.parametrize("way", ["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def test_no_key_runs_twice_whenever_the_driver_is_killed(
    request: pytest.FixtureRequest, base: Path, tmp_path: Path, way: str
) -> None:
    """After each kill another driver raises the generation, asks for all keys, and launches those of which none ran."""
    server: Sshd | None = request.getfixturevalue("sshd") if way == "ssh" else None
    port, directory = (server.port, server.directory) if server else (0, tmp_path)
    trace = tmp_path / "trace"
    trace.touch()
    chance = random.Random(4711)  # noqa: S311 - to be repeated, not to be secret
    found: Counter[JobState] = Counter()
    for turn in range(KILLS):
        prefix = f"t{turn}"
        arguments = (str(port), str(directory), str(base), str(trace), prefix)
        argv = (sys.executable, "-m", driver.__name__, *arguments)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout
            heard: list[str] = []
            enough = chance.randrange(1, 2 * driver.JOBS)  # lines, then it is killed
            while len(heard) < enough:
                heard.append(process.stdout.readline().decode().strip())
            process.kill()
            heard += process.stdout.read().decode().splitlines()

        node = driver.reach(port, directory, base)
        generation = claim(node, HEIR)
        keys = [f"{prefix}.{number}" for number in range(driver.JOBS)]
        states = {key: node.ask(Key(key)).state for key in keys}
        found.update(states.values())
        final = {key for key, state in states.items() if state in {JobState.NONE, JobState.REFUSED}}
        assert not {key for key in final if f"launched {key}" in heard}
        assert all(states[key] in {JobState.RUNNING, JobState.DONE} for key in keys if f"launched {key}" in heard)
        ran = set(trace.read_text().split())
        assert not final & ran
        for key in final:
            node.launch(Key(key), driver.job(trace, key), generation=generation, owner=HEIR)
        with ThreadPoolExecutor(4) as pool:
            jobs = list(pool.map(node.wait, map(Key, keys), itertools.repeat(60.0)))
        assert {job.state for job in jobs} <= {JobState.DONE, JobState.REFUSED}
        assert all(job.result.status == 0 for job in jobs if job.result)
        node.close()
    counted = Counter(trace.read_text().split())
    assert set(counted.values()) == {1}
    assert {JobState.NONE, JobState.DONE} <= set(found)
