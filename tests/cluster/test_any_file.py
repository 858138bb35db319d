"""Whatever stands in cluster.toml: a valid pair, or Invalid with a place for every mistake; never another error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamn_flow.cluster import load
from hamn_flow.cluster.schema import EXAMPLES, TABLES
from hamn_flow.errors import Invalid

FULL = (Path(__file__).parents[2] / "docs" / "cluster.toml").read_text()
LINES = [line for line in FULL.splitlines() if line and not line.startswith("#")]

# The folder is the same for all examples: each writes the file anew. How long one takes is the machine's affair.
ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cluster.toml"


def problems(path: Path, content: bytes) -> tuple[str, ...]:
    """What is wrong with such a file; any exception but Invalid goes through and fails the test."""
    path.write_bytes(content)
    path.chmod(0o600)
    try:
        cluster = load(path)
    except Invalid as error:
        return error.problems or ("nothing is said",)
    assert len({cluster.virtual_ip.address, *(node.address for node in cluster.nodes)}) == 3
    assert "/etc/xcat" in {each.mount_point for each in cluster.file_systems}
    assert [service.name for service in cluster.services].count("xcatd") == 1
    return ()


def is_valid(path: Path, content: bytes) -> bool:
    """Whether it is; if not, every problem has a line that the file has, a sentence and a hint."""
    found = problems(path, content)
    for problem in found:
        place = re.match(rf"{re.escape(str(path))}:(\d+): [^\n]+\n    HINT: [A-Z]", problem)
        assert place, problem
        assert 1 <= int(place[1]) <= content.count(b"\n") + 1, problem
    return not found


@ANY
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_bytes(path: Path, content: bytes) -> None:
    assert not is_valid(path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"x = " + b"9" * 5000,
        b"x = 0x" + b"f" * 1900,
        b"policy.attempts = 0x" + b"f" * 1900,
        b"x = " + b"[\n" * 50_000,
        b"x = " + b"{a=" * 600,
        b"a." * 900 + b"a = 1",
        b"[" + b"a." * 900 + b"a]",
        b"[[nodes]]\n" * 2_000,
        b"x = 1\r",
        b'x = """\n' * 3,
    ],
    ids=lambda content: content[:12].decode(),
)
def test_bytes_that_break_parsers(path: Path, content: bytes) -> None:
    assert not is_valid(path, content)


KEYS = sorted({part for name in EXAMPLES for part in name.split(".")})
SCALARS = st.one_of(
    st.sampled_from(
        [*EXAMPLES.values(), "-1", "nan", "-inf", "1e400", "2026-01-01", "07:00:00", '"""\n"""', "[]", "{}"]
    ),
    st.integers().map(str),
    st.sampled_from(["/dev/sda1", "~", "/", "10.97.0.255", "eth0:0", "::1", "UUID=", "LABEL=/x", "\\u0000", "é"]).map(
        '"{}"'.format
    ),
)
PAIRS = st.tuples(st.sampled_from(KEYS), SCALARS).map(" = ".join)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        st.lists(
            st.tuples(st.sampled_from(KEYS), inner).map(" = ".join), max_size=3, unique_by=lambda pair: pair.split()[0]
        ).map(lambda each: f"{{ {', '.join(each)} }}"),
    ),
    max_leaves=6,
)
STATEMENTS = st.one_of(
    PAIRS,
    st.tuples(st.sampled_from(KEYS), VALUES).map(" = ".join),
    st.sampled_from([name for name in TABLES if name]).flatmap(
        lambda name: st.sampled_from([f"[{name}]", f"[[{name}]]"])
    ),
)


@ANY
@given(st.lists(STATEMENTS, max_size=12))
def test_any_toml_near_the_schema(path: Path, statements: list[str]) -> None:
    is_valid(path, "\n".join(statements).encode())


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The full example with lines removed, doubled, changed places, or given other values."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["remove", "double", "swap", "value", "insert", "cut"])):
            case "remove":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                lines[at], lines[at - 1] = lines[at - 1], lines[at]
            case "value":
                lines[at] = f"{lines[at].partition('=')[0]}= {draw(VALUES)}"
            case "insert":
                lines.insert(at, draw(STATEMENTS))
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\n".join(lines)


@ANY
@given(mutated())
def test_any_change_of_the_example(path: Path, text: str) -> None:
    is_valid(path, text.encode())


def test_the_unchanged_example_is_valid(path: Path) -> None:
    assert is_valid(path, "\n".join(LINES).encode())
