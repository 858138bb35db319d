"""What a node printed, and what it means."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hamn_flow.facts.exports import NfsClients
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.network import (
    Nameservers,
)
from hamn_flow.facts.services import Process, Processes, Units, titled
from hamn_flow.facts.storage import (
    Device,
    Marker,
    MarkerAt,
    Mounts,
    below,
)
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.facts.xcat import (
    DatabaseLocation,
    Table,
    numbers,
)
from hamn_flow.model.command import Result
from tests.facts.readings import NO_READINGS, READINGS, ROOT, SHOW, out


def name_of_case(value: object) -> str:
    return type(value).__name__ if not isinstance(value, Result) else "from"


@pytest.mark.parametrize(("fact", "result", "value"), READINGS, ids=name_of_case)
def test_a_reading(fact: Fact[Any], result: Result, value: object) -> None:
    assert fact.parse(result) == value


@pytest.mark.parametrize(("fact", "result", "reason"), NO_READINGS, ids=name_of_case)
def test_nothing_is_concluded_from_an_answer_that_makes_no_sense(fact: Fact[Any], result: Result, reason: str) -> None:
    with pytest.raises(Unreadable) as raised:
        fact.parse(result)
    assert reason in raised.value.sentence
    assert not raised.value.sentence.endswith((".", "\n"))


def test_no_error_quotes_what_was_printed() -> None:
    with pytest.raises(Unreadable) as raised:
        DatabaseLocation().parse(out("hunter2|hunter2|hunter2\n"))
    assert "hunter2" not in raised.value.sentence


# --- units


def test_units_are_told_apart_by_every_name_they_have() -> None:
    units = Units(("xcatd", "postgresql.service", "bind9", "dhcpd")).parse(out(SHOW))
    xcatd, umbrella, named, dhcpd = units.values()
    assert list(units) == ["xcatd", "postgresql.service", "bind9", "dhcpd"]
    assert (xcatd.active, xcatd.loaded, xcatd.main_pid) == (True, True, 812)
    assert (umbrella.active, umbrella.sub_state, umbrella.type, umbrella.main_pid) == (True, "exited", "oneshot", 0)
    assert (named.id, named.held, named.loaded, named.present, named.stopped) == (
        "named.service",
        True,
        False,
        True,
        True,
    )
    assert (dhcpd.load_state, dhcpd.present, dhcpd.held, dhcpd.stopped) == ("not-found", False, False, True)


@pytest.mark.parametrize("state", ["activating", "deactivating", "maintenance"])
def test_a_unit_on_its_way_is_neither_up_nor_down(state: str) -> None:
    unit = Units(("x",)).parse(out(f"Id=x.service\nLoadState=loaded\nActiveState={state}\n"))["x"]
    assert (unit.active, unit.stopped) == (False, False)


# --- small ones


def test_titles_are_compared_by_their_beginning() -> None:
    ssl, tftp = (
        Process(pid=pid, started=1, user="root", unit="", title=title)
        for pid, title in ((1, "xcatd: SSL listener"), (2, "in.tftpd"))
    )
    assert titled((ssl, tftp), ("xcatd: ",)) == (ssl,)
    assert titled((ssl, tftp), ("in.tftpd", "xcatd")) == (ssl, tftp)
    assert titled((ssl, tftp), ()) == ()


@pytest.mark.parametrize(
    ("superblock", "exclusive", "free"), [("", "free", True), ("", "busy", False), ("/sys/fs/ext4/sdb", "free", False)]
)
def test_a_device_is_free_only_when_both_signs_agree(superblock: str, exclusive: str, *, free: bool) -> None:
    assert Device(present=True, superblock=superblock, exclusive=exclusive).free is free
    assert not Device(present=False).free


def test_below_is_told_by_whole_names() -> None:
    mounts = Mounts().parse(
        out(
            ROOT
            + "".join(f"1\town\t3{n} 27 0:{n} / {at} rw - tmpfs t rw\n" for n, at in enumerate(("/a", "/a/b", "/ab")))
        )
    )
    assert [mount.mount_point for mount in below(mounts, "/a")] == ["/a/b"]
    assert [mount.mount_point for mount in below(mounts, "/")] == ["/a", "/a/b", "/ab"]


def test_a_marker_reads_back_what_it_wrote() -> None:
    marker = Marker(cluster="lab = 1", mount_point="/install", source="UUID=f0-0d")
    assert MarkerAt("/install").parse(out(marker.text)) == marker


def test_versions_are_compared_by_component() -> None:
    assert numbers("2.6.9") < numbers("2.6.10") < numbers("2.19.0")


@pytest.mark.parametrize("name", ["passwd", "ipmi"])
def test_a_table_of_secrets_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="holds secrets"):
        Table(name)


# --- every parser, any answer

RECORDED: dict[str, Fact[Any]] = {repr(fact): fact for fact, *_ in (*READINGS, *NO_READINGS)}
FACTS: list[Fact[Any]] = [*RECORDED.values(), Nameservers(), NfsClients(), Processes(), Units(("xcatd", "named"))]
REAL = [result.output.decode() for _, result, _ in READINGS if result.output] + [SHOW]


@st.composite
def results(draw: Callable[..., Any]) -> Result:
    """Anything at all, or the output of some real program with a piece of something else put over a part of it."""
    text: str = draw(st.sampled_from(["", *REAL]))
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    piece: str = draw(st.text(st.sampled_from("\t\n |:=,#\"'-0179ax\\²é/()"), max_size=12))
    noise: bytes = draw(st.one_of(st.just((text[:start] + piece + text[end:]).encode()), st.binary(max_size=40)))
    return Result(
        status=draw(st.sampled_from([0, 0, 0, 1, 2, 9, 111, 127, -14])),
        output=noise,
        errors=draw(st.binary(max_size=20)),
    )


@given(st.sampled_from(FACTS), results())
@example(Mounts(), out(ROOT.replace("1\t", "²\t")))
def test_a_parser_answers_or_says_that_it_cannot(fact: Fact[Any], result: Result) -> None:
    with suppress(Unreadable):
        fact.parse(result)
