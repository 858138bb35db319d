"""How a test drives: with a policy of its own, and by what the journal has of a run."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.lab.proofs import hostlog
from tests.lab.proofs.pair import Pair
from tests.lab.proofs.traces import jobs


class Begin(Protocol):
    """Begins hamn-flow on the controlling side with these words."""

    def __call__(self, *words: str) -> subprocess.Popen[str]:
        """The driver, which goes on while the test does."""
        ...


Story = Mapping[str, Any]  # a run as `show --json` tells it


def with_policy(pair: Pair, folder: Path, **policy: float) -> tuple[str, str]:
    """The options by which hamn-flow finds the lab's pair, but with this policy."""
    lines = "".join(f"{key} = {value}\n" for key, value in policy.items())
    path = folder / "cluster.toml"
    path.write_text(f"{pair.lab.cluster_file.read_text()}\n[policy]\n{lines}")
    return "--cluster", str(path)


def commands(story: Story, step: str = "") -> list[dict[str, Any]]:
    """What was launched, by one step or by all."""
    return [each for told in story["steps"] if step in {"", told["name"]} for each in told["commands"]]


def state(story: Story, step: str) -> str:
    """How a step stands."""
    (found,) = (told["state"] for told in story["steps"] if told["name"] == step)
    return str(found)


def assert_once(pair: Pair, story: Story) -> None:
    """No key was used twice, and of each command that a host knows, the journal has the end that it really had.

    By the journal, by the folders of the launcher, and by the log that the hosts keep themselves.
    """
    told = {each["key"]: each for each in commands(story)}
    hostlog.assert_launched_once(pair.lab, story["id"], set(told))
    assert len(told) == len(commands(story))
    for node in pair.powered():
        for key, end in jobs(pair, node, story["id"]).items():
            assert told[key]["node"] == node
            if end.startswith("ended."):
                assert told[key]["status"] in {None, int(end.split(".")[1])}, f"{told[key]} is {end} on {node}"
