"""Write docs/coverage.md from docs/coverage.toml: what becomes of each line of the guide."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
SOURCE = DOCS / "coverage.toml"
TABLE = DOCS / "coverage.md"

_OPENING = """\
# What becomes of the guide

<!-- written by tools/coverage_table.py from coverage.toml -->

The guide is xCAT's page on a second management node with twin-tailed shared disks. Each of its lines that
holds a numbered step, a command or something asked for in prose is listed here by its number, with what
does it and the test that shows it. A planned failover is its own checks, then deactivate, then activate.
""".splitlines()

_NUMBERED = re.compile(r"\W*\d+a?\. ")


@dataclass(frozen=True, kw_only=True)
class Does:
    """What carries lines of the guide out: `kind` is "module:name" of a step class or of a check."""

    kind: str
    procedures: tuple[str, ...]
    test: str  # as pytest takes it: path::function


@dataclass(frozen=True, kw_only=True)
class Row:
    """Lines of the guide that ask for something: a numbered step, a command, or something asked for in prose."""

    at: str
    says: str
    by: tuple[str, ...]
    not_yet: str
    otherwise: str
    test: str  # where it is not that of what does it

    @property
    def lines(self) -> tuple[int, ...]:
        """The line numbers."""
        return numbers(self.at)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section of the guide; `text` are its lines that ask for nothing."""

    title: str
    first: int
    last: int
    text: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The whole source."""

    lines: int
    sha256: str
    later: Mapping[str, str]
    does: Mapping[str, Does]
    parts: tuple[Part, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, in the guide's order."""
        return tuple(row for part in self.parts for row in part.rows)


def numbers(ranges: str) -> tuple[int, ...]:
    """The numbers of "1-3, 7"; none for an empty text. ValueError if it is not written so."""
    found: list[int] = []
    for each in filter(None, ranges.split(", ")):
        first, _, last = each.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def read(path: Path = SOURCE) -> Coverage:
    """The source as values; KeyError or TypeError if a key is missing or unknown."""
    tree = tomllib.loads(path.read_text())
    return Coverage(
        lines=tree["guide"]["lines"],
        sha256=tree["guide"]["sha256"],
        later=tree["later"],
        does={name: Does(**(each | {"procedures": tuple(each["procedures"])})) for name, each in tree["does"].items()},
        parts=tuple(
            Part(**(part | {"text": numbers(part["text"]), "rows": tuple(_row(**row) for row in part["rows"])}))
            for part in tree["part"]
        ),
    )


def _row(
    *,
    at: str,
    step: str = "",
    what: str = "",
    command: str = "",
    asked: str = "",
    by: list[str] | None = None,
    not_yet: str = "",
    otherwise: str = "",
    test: str = "",
) -> Row:
    typed, remark, meant = command.partition(" (")
    says = f"**{step}.** {what}" if step else f"`{typed}`{remark}{meant}" if command else asked
    return Row(
        at=at,
        says=says,
        by=tuple(by or ()),
        not_yet=not_yet,
        otherwise=otherwise,
        test=test,
    )


def render(coverage: Coverage) -> str:
    """The table as Markdown."""
    return "\n".join(_lines(coverage)) + "\n"


def _lines(coverage: Coverage) -> Iterator[str]:
    kinds = Counter({"done": 0, "done otherwise, on purpose": 0})
    reasons: Counter[str] = Counter()
    for row in coverage.rows:
        if row.not_yet:
            reasons[row.not_yet] += len(row.lines)
        else:
            kinds["done otherwise, on purpose" if row.otherwise else "done"] += len(row.lines)
    yield from _OPENING
    yield from ("", "| lines | |", "|---|---|")
    yield from (f"| {number} | {kind} |" for kind, number in kinds.items())
    yield from (f"| {number} | not yet: {coverage.later[key]} |" for key, number in reasons.most_common())
    for part in coverage.parts:
        if part.rows:
            yield from ("", f"## {part.title} (L{part.first}-L{part.last})", "")
            yield from ("| line | the guide | hamn-flow | shown by |", "|---|---|---|---|")
            yield from (_line(coverage, row) for row in part.rows)


def _line(coverage: Coverage, row: Row) -> str:
    does = [coverage.does[name] for name in row.by]
    what = f"not yet: {coverage.later[row.not_yet]}" if row.not_yet else row.otherwise
    procedures = dict.fromkeys(each for one in does for each in one.procedures)
    if does:
        steps = ", ".join(f"`{name}`" for name in row.by) + (f" in {', '.join(procedures)}" if procedures else "")
        what = f"{what}: {steps}" if what else steps
    tests = [row.test] if row.test else list(dict.fromkeys(one.test for one in does))
    shown = "<br>".join(f"[{_sentence(test)}](../{test.partition('::')[0]})" for test in tests)
    return f"| {row.at} | {row.says} | {what} | {shown} |"


def _sentence(test: str) -> str:
    """A test's name as the sentence that it is, with its parameter."""
    name, _, parameter = test.rpartition("::")[2].removesuffix("]").partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    return f"{words}: {parameter}" if parameter else words


def disagreements(coverage: Coverage, guide: bytes) -> list[str]:
    """Sentences on where the source does not fit the guide's own text."""
    found: list[str] = []
    if hashlib.sha256(guide).hexdigest() != coverage.sha256:
        found.append("the text is not the one that the source names by its checksum")
    lines = guide.decode().splitlines()
    if len(lines) != coverage.lines:
        found.append(f"the text has {len(lines)} lines, not {coverage.lines}")
    listed = {number for row in coverage.rows for number in row.lines}
    found += [
        f"line {number} is a numbered step, and not in a row"
        for number, line in enumerate(lines, 1)
        if _NUMBERED.match(line) and number not in listed
    ]
    return found


def main() -> None:
    """Write the table; with the guide at hand, exit 1 if the source does not fit it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--guide", type=Path, help="the guide's text, to compare the source with")
    guide: Path | None = parser.parse_args().guide
    coverage = read()
    TABLE.write_text(render(coverage))
    print(f"wrote {TABLE}")
    if guide and (found := disagreements(coverage, guide.read_bytes())):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
