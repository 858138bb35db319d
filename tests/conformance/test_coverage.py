"""The table has a row for every command that the Linux platform and the facts can emit, and for all that steps send."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from itertools import product
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import hamn_flow.facts
from hamn_flow.facts import exports, network, scripts
from hamn_flow.facts.exports import Export
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.platform import Platform
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.pair import FileSystem, VirtualIp
from hamn_flow.simulator.world import words_of
from tests.conformance.row import MN1, set_up
from tests.conformance.table import TABLE
from tests.conformance.targets import Simulated, scene_of, there
from tests.steps.conftest import new_pair

ANY, NUMBER = "ANY", 909_090_909  # stand in a sample for any word and any number
PLATFORM = SystemdLinux(node=MN1)
RAW = {"node", "run", "script", "xcat"}  # what the platform's actions and the facts are made of
NAMES = {"Arping": network.Arping, "Export": exports.Export}  # imported by the protocol for its types alone
PLAIN: dict[object, list[object]] = {
    str: [ANY],
    int: [NUMBER],
    bool: [False, True],
    tuple[str, ...]: [(ANY,)],
    FileSystem: [FileSystem(mount_point=ANY, source=f"UUID={ANY}", type=ANY, options=ANY)],
    VirtualIp: [VirtualIp(address=ANY, prefix=NUMBER, interface=ANY, host_name=ANY)],
    Export: [Export(client=ANY, path=ANY), Export(client=ANY, path=ANY, options=ANY)],
}
_TWO = "Debian's two packages of an arping exclude each other, and the lab's hosts have what the machine has"
ONLY_SIMULATED = {  # what no real host is sent, and why
    "arping -0 -c 2 -i ANY ANY": _TWO,
    "arping -U -c 2 -i ANY ANY": _TWO,
    "congo list": "Debian has no goconserver",
}
CHOICES: dict[str, list[object]] = {"console": ["conserver", "goconserver"]}


def samples_of(kind: Any) -> list[object]:
    """Values of a type: each that makes another command."""
    if kind in PLAIN:
        return PLAIN[kind]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    assert issubclass(kind, Enum), f"no sample of {kind}: add one here"
    return list(kind)


def actions() -> Iterator[tuple[str, Command]]:
    """The platform's actions."""
    for name, action in inspect.getmembers(Platform, inspect.isfunction):
        if name.startswith("_") or name in RAW:
            continue
        kinds = get_type_hints(action, localns=NAMES)
        _, *parameters = inspect.signature(action).parameters.values()
        wanted = [each for each in parameters if each.default is each.empty]
        for values in product(*(samples_of(kinds[each.name]) for each in wanted)):
            yield f"{name}{values}", getattr(PLATFORM, name)(*values)


def facts() -> Iterator[tuple[str, Command]]:
    """The looks of every fact that there is."""
    for module in pkgutil.iter_modules(hamn_flow.facts.__path__, "hamn_flow.facts."):
        found: Any
        for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and found is not Fact and hasattr(found, "command"):
                kinds = get_type_hints(found)
                choices = [CHOICES.get(name) or samples_of(kinds[name]) for name in inspect.signature(found).parameters]
                for values in product(*choices):
                    fact: Fact[Any] = found(*values)
                    yield repr(fact), fact.command(PLATFORM)


SAMPLES = dict([*actions(), *facts()])


def in_one_line(command: Command) -> str:
    return "\0".join((*(f"{name}={value}" for name, value in command.environment), *words_of(command)))


def pattern(sample: Command) -> re.Pattern[str]:
    """What fits the sample, whatever stands for its words and numbers."""
    text = re.escape(in_one_line(sample))
    return re.compile(text.replace(ANY, ".+").replace(str(NUMBER), r"\d+"), re.DOTALL)


@pytest.fixture(scope="module")
def sent() -> dict[str, bool]:
    """The commands of all rows, and whether they are sent to real hosts too."""
    said: dict[str, bool] = {}
    for row in TABLE.values():
        if row.only_real:
            continue
        target = Simulated()
        with scene_of(row.scene)(target), set_up(row, there(target, row.node)) as command:
            line = in_one_line(command)
            said[line] = said.get(line, False) or not row.only_simulated
    return said


@pytest.mark.parametrize("name", SAMPLES)
def test_every_command_has_a_row(name: str, sent: dict[str, bool]) -> None:
    text, fitting = SAMPLES[name].text, pattern(SAMPLES[name])
    rows = [real for line, real in sent.items() if fitting.fullmatch(line)]
    assert rows, f"no row sends {text}"
    assert any(rows) is (text not in ONLY_SIMULATED), f"{text} is{'' if any(rows) else ' not'} sent to real hosts"


def test_every_program_of_ours_has_a_row(sent: dict[str, bool]) -> None:
    assert set(scripts.names()) <= {line.partition("\0")[0] for line, real in sent.items() if real}


def test_steps_send_nothing_else(sent: dict[str, bool]) -> None:
    """Carry the role over and back, and look at all that is sent."""
    known = [pattern(sample) for sample in SAMPLES.values()]
    pair = new_pair(arping=("iputils", "habets"))
    said: dict[str, str] = {}

    def note(node: NodeName, key: Key | None, command: Command) -> None:
        del node, key
        said[in_one_line(command)] = command.text

    pair.world.before = note
    pair.go_through("planned-failover")
    pair.go_through("planned-failover")
    unknown = {line: text for line, text in said.items() if not any(one.fullmatch(line) for one in known)}
    assert len(said) > 50
    assert [text for line, text in unknown.items() if not sent.get(line)] == []
