"""Keyed jobs, over both ways to a node: launched at most once, outliving the link, asked for again."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hamn_flow.errors import OutcomeUnknown, Refused, StaleDriver, Unreachable
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.transport.connection import Connection, Owner
from tests.claiming import claim
from tests.transport.conftest import UNTIL, Dial, see_end
from tests.waiting import until

NODE = NodeName("mn1")
OURS = Owner(run="k7m2qx", driver="laptop:4711")
THEIRS = Owner(run="p3wn8a", driver="console:99")
LONG = 60.0


def sh(text: str, *arguments: str, text_in: str = "") -> Command:
    return Command(node=NODE, argv=("sh", "-c", text, "sh", *arguments), text_in=text_in)


def launch(node: Connection, key: str, command: Command, *, generation: int = 0, owner: Owner = OURS) -> Key:
    node.launch(Key(key), command, generation=generation or claim(node, owner), owner=owner)
    return Key(key)


def finished(job: Job) -> Result:
    assert job.state is JobState.DONE
    assert job.result
    return job.result


def folder(base: Path, key: str) -> Path:
    (found,) = base.glob(f"*/jobs/{key}")
    return found


def wrapper(base: Path, key: str) -> int:
    (mark,) = folder(base, key).glob("running.*")
    return int(mark.name.split(".")[1])


@pytest.mark.parametrize(
    ("command", "status", "output", "errors"),
    [
        (sh("echo out; echo err >&2; exit 3"), 3, b"out\n", b"err\n"),
        (sh("kill -KILL $$"), -9, b"", b""),
        (sh("cat; wc -c", text_in="read\n" * 20_000), 0, b"read\n" * 20_000 + b"0\n", b""),
        (sh("cat"), 0, b"", b""),
        (Command(node=NODE, argv=("no-such",)), 127, b"", b"no-such: No such file or directory\n"),
        (sh("sleep 60 & kill -KILL $! ; sleep 60 > /dev/null 2>&1 & echo over"), 0, b"over\n", b""),
        (sh("head -c 10000000 /dev/zero"), 0, bytes(10_000_000), b""),
    ],
    ids=["status", "signal", "reads", "reads nothing", "not found", "leaves a child", "much"],
)
def test_a_job_ends_with_its_status_and_output(
    node: Connection, command: Command, status: int, output: bytes, errors: bytes
) -> None:
    key = launch(node, "k7m2qx/mn1.unmount./install/1/0", command)
    result = finished(node.wait(key, LONG))
    assert (result.status, result.output, result.errors) == (status, output, errors)
    assert finished(node.ask(key)) == result


def test_a_key_is_used_once(node: Connection, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    generation = claim(node, OURS)
    for _ in range(3):
        launch(node, "k", sh('echo ran >> "$1"', str(trace)), generation=generation)
    assert finished(node.wait(Key("k"), LONG)).status == 0
    launch(node, "k", sh('echo again >> "$1"', str(trace)), generation=generation)
    assert trace.read_text() == "ran\n"


def test_a_key_is_used_once_by_many_at_a_time(dial: Dial, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    nodes = [dial() for _ in range(4)]
    generation = claim(nodes[0], OURS)
    mark = sh('echo "$2" >> "$1"', str(trace))
    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            command = Command(node=NODE, argv=(*mark.argv, str(number)))
            list(pool.map(lambda node: launch(node, f"k{number}", command, generation=generation), nodes * 2))  # noqa: B023 - used up in this turn
            assert finished(nodes[0].wait(Key(f"k{number}"), LONG)).status == 0
    assert trace.read_text().split() == [str(number) for number in range(10)]


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "..", ".", "%new.1.2", "ü ü", "-rf", "a" * 200])
def test_every_key_is_a_folder_of_its_own(node: Connection, base: Path, key: str) -> None:
    assert node.ask(Key(key)).state is JobState.NONE
    launch(node, key, sh("true"))
    assert finished(node.wait(Key(key), LONG)).status == 0
    assert len(list(base.glob("*/jobs/*"))) == 1
    assert node.ask(Key("a")).state is JobState.NONE


def test_a_job_outlives_the_link_and_is_found_again(dial: Dial, tmp_path: Path) -> None:
    """Running: re-attached. Finished meanwhile: its status. Never launched: none."""
    go = tmp_path / "go"
    first = dial()
    generation = claim(first, OURS)
    launch(first, "running", sh(f"{UNTIL}; echo over", str(go)), generation=generation)
    launch(first, "finished", sh("echo before; exit 5"), generation=generation)
    first.close()

    second = dial()
    assert (second.hello.generation, second.hello.owner) == (generation, OURS.text)
    assert claim(second, OURS) == generation + 1
    assert second.ask(Key("running")).state is JobState.RUNNING
    assert second.wait(Key("running"), 0.1).state is JobState.RUNNING
    go.touch()
    assert finished(second.wait(Key("running"), LONG)).output == b"over\n"
    assert finished(second.wait(Key("finished"), LONG)).status == 5
    assert second.ask(Key("never")).state is JobState.NONE


def test_a_stale_driver_is_refused_on_the_node_and_told_who_holds_it(dial: Dial, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    stale, other = dial(), dial()
    generation = claim(stale, OURS)
    claim(other, THEIRS)
    with pytest.raises(StaleDriver, match=f"was taken over: run {THEIRS.run}, driver {THEIRS.driver}, generation 2"):
        launch(stale, "k", sh('touch "$1"', str(trace)), generation=generation)
    with pytest.raises(StaleDriver):  # the right number with the wrong owner
        launch(stale, "l", sh('touch "$1"', str(trace)), generation=generation + 1)
    assert stale.ask(Key("k")).state is JobState.REFUSED
    assert stale.wait(Key("l"), LONG).state is JobState.REFUSED
    assert not trace.exists()


def test_a_node_that_was_booted_since_refuses_and_says_so(node: Connection) -> None:
    assert (node.hello.generation, node.hello.owner) == (0, "")
    with pytest.raises(StaleDriver, match="it was booted since"):
        launch(node, "k", sh("true"), generation=7)


def test_a_hung_job_is_cancelled_with_its_group(node: Connection, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = sh('trap "" TERM; sleep 100 & echo $! > "$1.new"; mv "$1.new" "$1"; while :; do wait; done', str(ready))
    launch(node, "k", stubborn)
    node.look(sh('until [ -e "$1" ]; do sleep 0.02; done', str(ready)))
    node.cancel(Key("k"), "TERM")
    assert node.wait(Key("k"), 0.2).state is JobState.RUNNING
    node.cancel(Key("k"), "KILL")
    assert finished(node.wait(Key("k"), LONG)).status == -signal.SIGKILL
    see_end(node, int(ready.read_text()))
    node.cancel(Key("k"), "TERM")  # nothing is left that could be meant
    node.cancel(Key("never"), "TERM")


def test_a_wrapper_that_was_killed_leaves_a_lost_job(dial: Dial, base: Path) -> None:
    node, other = dial(), dial()
    launch(node, "k", sh("sleep 60"))
    (mark,) = folder(base, "k").glob("running.*")
    _, pid, start, group = mark.name.split(".")
    os.kill(int(pid), signal.SIGKILL)
    for each in (node, other):
        assert each.wait(Key("k"), LONG).state is JobState.LOST
        each.cancel(Key("k"), "KILL")
    os.killpg(int(group), 0)  # nobody touched what may still be at work
    os.killpg(int(group), signal.SIGKILL)

    # The pid of another process, which started at another time, is not taken for the wrapper's.
    mark.rename(mark.with_name(f"running.{os.getpid()}.{start}.{os.getpid()}"))
    assert node.ask(Key("k")).state is JobState.LOST
    node.cancel(Key("k"), "TERM")


def test_a_wrapper_stands_alone(node: Connection, base: Path, tmp_path: Path) -> None:
    """Its session is its own, it holds nothing of the link, and no signal but KILL ends it."""
    go = tmp_path / "go"
    launch(node, "k", sh(f"{UNTIL}; exit 4", str(go)))
    pid = wrapper(base, "k")
    assert os.getsid(pid) == pid
    assert [Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)] == [Path("/dev/null")] * 3
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGQUIT):
        os.kill(pid, number)
    go.touch()
    assert finished(node.wait(Key("k"), LONG)).status == 4


def test_output_that_is_missing_is_said_and_the_status_is_right(node: Connection, base: Path) -> None:
    launch(node, "k", sh("echo out; exit 6"))
    assert finished(node.wait(Key("k"), LONG)).status == 6
    (folder(base, "k") / "output").unlink()
    result = finished(node.ask(Key("k")))
    assert result.status == 6
    assert result.errors.endswith(b"jobs/k/output: No such file or directory\n")


def test_a_folder_that_was_full_is_said_and_the_status_is_right(dial: Dial, base: Path) -> None:
    """A mark that a full disk leaves (its own name, by renaming): here it is made by hand."""
    node = dial()
    launch(node, "k", sh("exit 6"))
    finished(node.wait(Key("k"), LONG))
    (mark,) = folder(base, "k").glob("ended.*")
    mark.rename(f"{mark}.full")
    result = finished(node.ask(Key("k")))
    assert result.status == 6
    assert b"was full" in result.errors


def test_a_job_that_the_node_cannot_prepare_is_refused_and_its_key_is_unused(node: Connection, base: Path) -> None:
    generation = claim(node, OURS)
    (jobs,) = base.glob("*/jobs")
    jobs.rename(jobs.with_name("away"))
    with pytest.raises(Refused, match=r"could not start `sh`: .*: No such file"):
        launch(node, "k", sh("true"), generation=generation)
    jobs.with_name("away").rename(jobs)
    assert node.ask(Key("k")).state is JobState.NONE
    launch(node, "k", sh("true"), generation=generation)
    assert finished(node.wait(Key("k"), LONG)).status == 0


def test_a_state_that_cannot_be_read_is_never_taken_for_none(node: Connection, base: Path) -> None:
    launch(node, "k", sh("true"))
    finished(node.wait(Key("k"), LONG))
    where = folder(base, "k")
    where.rename(where.with_name("away"))
    where.touch()  # as good as a disk that cannot be read
    with pytest.raises(Unreachable, match="jobs/k: Not a directory"):
        node.ask(Key("k"))


def test_a_launch_whose_wrapper_dies_before_its_word_is_unknown(node: Connection, base: Path) -> None:
    """Its look at the generation is held up (by a pipe that nobody writes to): it has claimed, and not said so."""
    generation = claim(node, OURS)
    (owner,) = base.glob("*/gen/*/owner")
    owner.unlink()
    os.mkfifo(owner)
    with ThreadPoolExecutor(1) as pool:
        launching = pool.submit(launch, node, "k", sh("true"), generation=generation)
        node.look(sh('until [ -e "$1"/*/jobs/k ]; do sleep 0.02; done', str(base)))
        assert node.ask(Key("k")).state is JobState.RUNNING
        os.kill(wrapper(base, "k"), signal.SIGKILL)
        with pytest.raises(OutcomeUnknown, match="its wrapper was killed"):
            launching.result()
    until(lambda: node.ask(Key("k")).state is JobState.LOST)  # its entry in /proc goes a moment after it
