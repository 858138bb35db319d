"""Keyed jobs and generations: the simulated node keeps the promises of transport/connection.py as the launcher does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hamn_flow.errors import LookFailed, StaleDriver
from hamn_flow.model.command import JobState, Key
from hamn_flow.transport.connection import Kept, Owner, Piece
from tests.claiming import claim
from tests.simulator.conftest import Dial, Way, command

FIRST, SECOND = Owner(run="k7m2", driver="first"), Owner(run="k7m2", driver="second")


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A directory that both this machine and the simulated one can make and look for."""
    return str(tmp_path / "made")


def test_a_look_brings_status_and_words(dial: Dial) -> None:
    result = dial().look(command("cat", "/nosuch"))
    assert (result.status, result.text) == (1, "")
    assert result.error_text == "cat: /nosuch: No such file or directory\n"


def test_the_first_owner_claims_the_first_generation(dial: Dial) -> None:
    connection = dial()
    assert (connection.hello.generation, connection.hello.owner) == (0, "")
    assert claim(connection, FIRST) == 1
    again = dial()
    assert (again.hello.generation, again.hello.owner) == (1, FIRST.text)
    assert again.hello.boot_id == connection.hello.boot_id


def test_a_job_outlives_its_connection_and_keeps_its_result(dial: Dial, place: str) -> None:
    connection, key = dial(), Key("k7m2.mn1.mkdir.1.0")
    generation = claim(connection, FIRST)
    connection.launch(key, command("mkdir", "-p", "--", place), generation=generation, owner=FIRST)
    connection.close()
    job = dial().wait(key, 10.0)
    assert job.state is JobState.DONE
    assert job.result is not None
    assert job.result.status == 0
    assert dial().look(command("stat", "-c", "%F|%n", "--", place)).text == f"directory|{place}\n"


def test_a_used_key_launches_nothing(dial: Dial, place: str) -> None:
    connection, key = dial(), Key("used")
    generation = claim(connection, FIRST)
    connection.launch(key, command("rm", "-f", "--", "/nosuch/1"), generation=generation, owner=FIRST)
    connection.wait(key, 10.0)
    connection.launch(key, command("mkdir", "-p", "--", place), generation=generation, owner=FIRST)
    assert connection.look(command("stat", "-c", "%F|%n", "--", place)).status == 1


@pytest.mark.parametrize(
    ("raised_by", "generation", "owner"),
    [
        pytest.param(SECOND, 1, FIRST, id="older generation"),
        pytest.param(FIRST, 2, SECOND, id="same generation, other owner"),
        pytest.param(FIRST, 7, FIRST, id="generation that never was"),
    ],
)
def test_a_stale_driver_is_refused_for_good(
    dial: Dial, place: str, raised_by: Owner, generation: int, owner: Owner
) -> None:
    connection, key = dial(), Key("stale")
    claim(connection, FIRST)
    present = claim(connection, raised_by)
    job = command("mkdir", "-p", "--", place)
    with pytest.raises(StaleDriver):
        connection.launch(key, job, generation=generation, owner=owner)
    assert connection.ask(key).state is JobState.REFUSED
    connection.launch(key, job, generation=present, owner=raised_by)  # the key stays used
    assert connection.ask(key).state is JobState.REFUSED
    assert connection.look(command("stat", "-c", "%F|%n", "--", place)).status == 1


def test_a_driver_that_was_taken_over_sets_no_copy_aside(dial: Dial) -> None:
    driver, heir = dial(), dial()
    generation = claim(driver, FIRST)
    present = claim(heir, SECOND)
    piece = Piece(text=b"brought\n", generation=present, owner=SECOND.text)
    assert heir.keep("k7m2", piece)(30.0) == Kept(size=8, end=piece.text)
    for said, owner in ((generation, FIRST), (present, FIRST), (generation, SECOND)):
        with pytest.raises(StaleDriver):
            driver.set_aside("k7m2", generation=said, owner=owner)
    assert heir.fetch("k7m2") == piece.text
    heir.set_aside("k7m2", generation=present, owner=SECOND)
    assert (heir.copies(), heir.fetch("k7m2")) == ((), b"")


def test_a_copy_that_cannot_be_gone_on_with_is_set_aside_before_anything_else_is_done(way: Way) -> None:
    """The driver may be dead before it hears of it, and the copy would be taken for all there is."""
    node = way.dial()
    generation = claim(node, FIRST)
    kept = Piece(text=b"kept\n", generation=generation, owner=FIRST.text)
    assert node.keep("k7m2", kept)(30.0) == Kept(size=5, end=kept.text)
    way.fill("k7m2")
    lost = node.keep("k7m2", replace(kept, at=5, text=b"lost\n"))
    assert (node.copies(), node.fetch("k7m2")) == ((), b"")
    with pytest.raises(LookFailed, match="cannot write: "):
        lost(30.0)


def test_no_generation_means_that_the_node_forgot(dial: Dial) -> None:
    connection, key = dial(), Key("early")
    with pytest.raises(StaleDriver):
        connection.launch(key, command("rm", "-f", "--", "/nosuch/1"), generation=1, owner=FIRST)


def test_what_was_never_launched_is_none_and_cannot_be_cancelled(dial: Dial) -> None:
    connection = dial()
    claim(connection, FIRST)
    connection.cancel(Key("never"), "TERM")
    assert connection.ask(Key("never")).state is JobState.NONE
    assert connection.wait(Key("never"), 0.0).state is JobState.NONE


def test_a_failing_job_says_what_a_shell_would(dial: Dial) -> None:
    connection, key = dial(), Key("fails")
    generation = claim(connection, FIRST)
    connection.launch(key, command("cat", "/nosuch"), generation=generation, owner=FIRST)
    job = connection.wait(key, 10.0)
    assert job.result is not None
    assert (job.result.status, job.result.error_text) == (1, "cat: /nosuch: No such file or directory\n")
