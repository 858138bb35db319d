"""A log that each host keeps of the jobs that run on it: past hamn-flow, its journal and its launcher's own folders.

In the place of each program that a job may run stands a few lines of shell that write when it began and when it ended,
with the key of the job that it is a child of. The log lies on the host's own disk, so it outlives a cut of its power.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hamn_flow.lab import host
from hamn_flow.lab.place import NODES, Lab

LOG = "/var/log/hamn-flow-jobs"
PROGRAMS = (
    *("mount", "umount", "ip", "arping", "systemctl", "exportfs", "hostname", "rm", "perl"),
    *("dumpxCATdb", "makedns", "makedhcp", "makeconservercf"),
)
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/opt/xcat/bin:/opt/xcat/sbin"  # as the launcher has it
_ASIDE = "/usr/lib/unlogged"  # for programs that lie where they are looked for first
_FIRST = "/usr/sbin"
_INSTALL = r"""
PATH="$1" aside="$2" first="$3" log="$4"
shift 4
mkdir -p "$aside"
for name; do
    real=$(command -v "$name") || exit 1
    if [ "${real%/*}" = "$first" ]; then
        mv "$real" "$aside/$name"
        real="$aside/$name"
    fi
    cat >"$first/$name" <<END
#!/bin/sh
read -r parent <"/proc/\$PPID/comm"
case "\$parent" in "hamn-flow job"*) ;; *) exec "$real" "\$@" ;; esac
key=\$(tr -d '\\000' <"/proc/\$PPID/cmdline")
boot=\$(cut -d' ' -f22 /proc/1/stat)
say() { read -r now _ </proc/uptime; echo "\$now \$1 \${key#hamn-flow job } \$boot $name" >>"$log"; }
say begin
"$real" "\$@"
status=\$?
say end
exit \$status
END
    chmod 755 "$first/$name"
done
"""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A job as the host saw it: seconds on the machine's clock; `ended` None if it was cut off."""

    key: str
    program: str
    boot: str
    began: float
    ended: float | None

    @property
    def step(self) -> str:
        """The run and the step, whatever the intent (engine/act.py makes the keys)."""
        return "-".join(self.key.split("-")[:2])


def install(lab: Lab) -> None:
    """Have both hosts keep the log from now on; nothing where they do already."""
    for node in NODES:
        if host.exec(lab, node, ("test", "-e", LOG)).returncode:
            words = (_PATH, _ASIDE, _FIRST, LOG, *PROGRAMS)
            host.run(lab, node, "sh", "-s", "--", *words, text_in=_INSTALL)
            host.run(lab, node, "touch", LOG)


def launched(lab: Lab, node: str, run: str) -> list[Launched]:
    """What a host launched for a run, in order; also while it is off."""
    begun: list[list[str]] = []
    ended: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in (Path(lab.folder(node)) / "upper" / LOG.lstrip("/")).read_text().splitlines():
        now, what, key, boot, program = line.split(" ")
        if key.startswith(f"{run}-") and what == "begin":
            begun.append([now, key, boot, program])
        elif key.startswith(f"{run}-"):
            ended[key, boot].append(float(now))
    return [
        Launched(
            key=key,
            program=program,
            boot=boot,
            began=float(now),
            ended=min((end for end in ended[key, boot] if end >= float(now)), default=None),
        )
        for now, key, boot, program in begun
    ]


def assert_launched_once(lab: Lab, run: str, known: set[str]) -> None:
    """At most once under its key, and never a step's command while an earlier one of the same step still ran.

    `known` are the keys that the journal has; a boot ends what ran before it.
    """
    seen = 0
    for node in NODES:
        by_step: dict[str, list[Launched]] = defaultdict(list)
        for job in launched(lab, node, run):
            assert job.key in known, f"{node} launched {job}, of which the journal knows nothing"
            by_step[job.step].append(job)
            seen += 1
        for jobs in by_step.values():
            keys = [job.key for job in jobs]
            assert len(keys) == len(set(keys)), f"{node} launched a key twice: {jobs}"
            for earlier, later in pairwise(jobs):
                if earlier.boot == later.boot:
                    assert earlier.ended is not None, f"{node} launched {later} while {earlier} ran"
                    assert earlier.ended <= later.began, f"{node} launched {later} while {earlier} ran"
    assert seen, f"no host has logged a job of {run}"
