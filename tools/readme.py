"""Fill README.md between its markers, and write docs/commands.md, from what hamn-flow really says."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hamn_flow import errors
from hamn_flow.engine.world import RUN_ID_LETTERS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
MINIMAL = ROOT / "docs" / "cluster-minimal.toml"

_RUN_ID = "k7m2qx"  # what every run's id is shown as
_SHOWN = 20  # lines of a command's output
_PROGRAM = "import sys; sys.argv[0] = 'hamn-flow'; from hamn_flow.cli.main import main; sys.exit(main())"


def hamn_flow(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run hamn-flow of this checkout as a person would, without colours, 104 columns wide."""
    environment = {**os.environ, "COLUMNS": "104", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(ROOT)}
    environment.pop("HAMN_FLOW_JOURNAL", None)
    return subprocess.run(  # noqa: S603 - this interpreter, and arguments that are not a person's
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def help_of(*command: str) -> str:
    """A command's help text."""
    return hamn_flow(*command, "--help").stdout.strip()


def command_names(*group: str) -> tuple[str, ...]:
    """The commands, as the main help lists them, or that of a group."""
    _, _, listed = help_of(*group).partition("Commands:\n")
    return tuple(re.findall(r"^  ([a-z][a-z-]*)", listed, re.MULTILINE))


def exit_codes() -> str:
    """The table of exit codes, from the errors themselves."""
    meanings = {0: "done, or nothing to do", 1: "a bug in hamn-flow", 2: "a mistake on the command line"}
    classes = [errors.HamnError]
    for each in classes:
        classes += each.__subclasses__()
    for each in classes[1:]:
        if each.__module__ == errors.__name__ and each.exit_status not in meanings:
            meanings[each.exit_status] = _sentence(each)
    rows = "\n".join(f"| {status} | {meaning} |" for status, meaning in sorted(meanings.items()))
    return f"| code | meaning |\n|---|---|\n{rows}"


def _sentence(error: type[errors.HamnError]) -> str:
    first = (error.__doc__ or "").partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:] if first[1:2].islower() else first


def plain(text: str) -> str:
    """A transcript with what differs from run to run made equal: run ids, dates, folders, user and host."""
    for run in dict.fromkeys(re.findall(rf"^ *run ([{RUN_ID_LETTERS}]{{6}})(?:  |: | is )", text, re.MULTILINE)):
        text = text.replace(run, _RUN_ID)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-31 02:15:00", text)
    text = re.sub(r"(?:/[\w.-]+)+/(hamn-flow-demo)-\w+", r"/tmp/\1", text)  # noqa: S108 - a name to be shown
    return re.sub(r"\bby [\w.-]+@[\w.-]+", "by root@mn0", text)


def first_act(transcript: str) -> str:
    """What the README shows of the demo: the failover that halts and is resumed, with the ends of long outputs."""
    found = re.search(r"^(Alice has .*?)^Now the other way round", transcript, re.DOTALL | re.MULTILINE)
    if not found:
        raise ValueError("the demo no longer tells of Alice, and then of the other way round")
    return "\n".join(_shortened(found[1].strip().splitlines()))


def _shortened(lines: list[str]) -> Iterator[str]:
    """The lines, of each command's output only the last."""
    output: list[str] = []
    for line in lines:
        if line.startswith("    "):
            output.append(line)
        elif line or not output:
            yield from _ending(output)
            output = []
            yield line
        else:
            output.append(line)
    yield from _ending(output)


def _ending(output: list[str]) -> Iterator[str]:
    if len(output) > _SHOWN:
        yield "    ..."
    yield from output[-_SHOWN:]


def not_said(shown: str, said: str) -> list[str]:
    """The lines of a transcript that another run does not say.

    It may have taken other times, broken its lines elsewhere, and told in another order what runs side by side.
    """
    everything = _even(said)
    return [line for line in shown.splitlines() if _even(line) not in everything and line.strip() != "..."]


def _even(text: str) -> str:
    counted = re.sub(r"\d+ steps done, \d+ already so", "n steps done, n already so", text)
    return " ".join(re.sub(r"\b\d+(\.\d+)? m?s\b", "n s", counted).split())


def demo() -> str:
    """What the demo prints."""
    ran = hamn_flow("demo")
    if ran.returncode:
        raise SystemExit(f"the demo ended with status {ran.returncode}:\n{ran.stdout}")
    return ran.stdout


LAB = (("lab", "up"), ("lab", "run", "hamn-flow", "start", "planned-failover", "--yes"))


def lab(name: str = "lab", directory: str = "/var/lib/hamn-flow/labs") -> str:
    """What the two commands print that try a failover on two real hosts; needs root and Debian's packages."""
    told: list[str] = []
    where = ("--name", name, "--directory", directory)
    try:
        for group, verb, *words in LAB:
            ran = hamn_flow(group, verb, *where, *words)
            if ran.returncode:
                raise SystemExit(f"{verb} ended with status {ran.returncode}:\n{ran.stdout}")
            told += [f"$ hamn-flow {' '.join((group, verb, *words))}"]
            told += [f"    {line}".rstrip() for line in ran.stdout.rstrip().splitlines()] + [""]
    finally:
        hamn_flow("lab", "down", *where)
    plainly = plain("\n".join(told)).replace(f"{directory}/{name}/", "/var/lib/hamn-flow/labs/lab/")
    plainly = plainly.replace(f"--name {name} ", "").replace(f"--directory {directory} ", "")
    plainly = re.sub(rf"\blab {name}\b", "lab lab", plainly)
    devices = list(dict.fromkeys(re.findall(r"/dev/loop\d+", plainly)))
    return re.sub(r"/dev/loop\d+", lambda found: f"/dev/loop{devices.index(found[0])}", plainly)


def shortened(transcript: str) -> str:
    """What the README shows of it: of each command's output the end."""
    return "\n".join(_shortened(transcript.strip().splitlines()))


def block(kind: str, text: str) -> str:
    """A code block."""
    return f"```{kind}\n{text}\n```"


def filled(text: str, contents: Mapping[str, str]) -> str:
    """The text with each marker's content in place; KeyError for a content without its marker."""
    for name, content in contents.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        if begin not in text or end not in text:
            raise KeyError(name)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{content}\n{end}{after}"
    return text


def contents() -> dict[str, str]:
    """What stands between the markers, all but the demo."""
    return {
        "cluster": block("toml", MINIMAL.read_text().strip()),
        "help": block("text", help_of()),
        "exits": exit_codes(),
    }


def commands_page() -> str:
    """docs/commands.md: each command's help."""
    return "\n".join(_commands_page()) + "\n"


def _commands_page() -> Iterator[str]:
    yield from ("# Commands", "", "<!-- written by tools/readme.py -->")
    yield from _described()


def _described(*group: str) -> Iterator[str]:
    """A group's commands, each followed by its own."""
    for name in command_names(*group):
        path = (*group, name)
        yield from ("", f"## {' '.join(path)}", "", block("text", help_of(*path)))
        yield from _described(*path)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fast", action="store_true", help="leave the outputs of the demo and of the lab as they are")
    parser.add_argument("--lab", action="store_true", help="try the lab too: it needs root and Debian's packages")
    found, asked = contents(), parser.parse_args()
    if not asked.fast:
        found["demo"] = block("text", first_act(plain(demo())))
    if asked.lab:
        found["lab"] = block("text", shortened(lab()))
    README.write_text(filled(README.read_text(), found))
    COMMANDS.write_text(commands_page())
    print(f"wrote {README} and {COMMANDS}")


if __name__ == "__main__":
    main()
