"""Setting a lab up: the network, the disk, the two hosts, and xCAT with mn1 as the active node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from hamn_flow.errors import HamnError, Interrupted, Refused, RolledBack, StepFailed
from hamn_flow.lab import disk, furnish, groups, host, network, pair, requirements, seed
from hamn_flow.lab.alone import alone
from hamn_flow.lab.down import clear, remove
from hamn_flow.lab.place import ADDRESSES, NODES, Lab

Say = Callable[[str], None]
_PATIENCE = 2.0  # seconds for another command to end


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a lab is made of: the DHCP server (isc or kea), and a root file system of the user's, if any."""

    dhcp: str = "isc"
    image: str = ""

    @property
    def root(self) -> Path:
        """The root that the hosts have under their own disks."""
        return Path(self.image).resolve() if self.image else Path("/")


def up(lab: Lab, options: Options, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
    """Set the lab up; nothing where it is up already. One that is half there is taken down first.

    Refused if something is missing, before anything is touched; RolledBack if it cannot be set up: then nothing of it
    is left.
    """
    requirements.check(options.root, dhcp=options.dhcp, stand_ins=not options.image)
    requirements.check_folder(lab.directory)
    with alone(lab, _PATIENCE) as lock:
        if _is_up(lab):
            _refuse_other_options(lab, options)
            say(f"lab {lab.name} is up already")
            _boot_again(lab, say, lock)
            return
        if lab.begun:
            say("a lab that is half there is taken down first")
        clear(lab)
        begun = clock()
        try:
            _build(lab, options, lambda text: say(f"{clock() - begun:6.1f} s  {text}"), lock)
        except HamnError as error:
            say(f"this went wrong, and all is taken down again: {error.sentence}")
            remove(lab)
            raise RolledBack(f"lab {lab.name} was not set up: {error.sentence}", hint=error.hint) from error
        except KeyboardInterrupt as error:
            remove(lab)
            raise Interrupted(f"interrupted; nothing of lab {lab.name} is left") from error
        except BaseException:
            remove(lab)
            raise


def _is_up(lab: Lab) -> bool:
    """Whether an `up` came to its end, and the machine was not rebooted since."""
    return lab.complete.exists() and network.there(lab.network)


def _refuse_other_options(lab: Lab, options: Options) -> None:
    made = Options(**json.loads(lab.complete.read_text()))
    if made != options:
        raise Refused(
            f"lab {lab.name} is up, and was set up otherwise: --dhcp {made.dhcp}, image {made.image or 'none'}",
            hint=f"Type {lab.typed('down')} first, or choose another name by --name.",
        )


def _boot_again(lab: Lab, say: Say, lock: int) -> None:
    """Boot the hosts that are off: by their own poweroff or reboot, which here comes to the same."""
    for node in NODES:
        if groups.leader(lab, node) is None:
            host.power_off(lab, node)  # what is left of it
            host.power_on(lab, node, lock=lock)
            say(f"{node} was off, and has booted again{_but(host.booted(lab, node))}")


def _but(failed_units: str) -> str:
    return f", but these units failed: {failed_units}" if failed_units else ""


def _build(lab: Lab, options: Options, say: Say, lock: int) -> None:
    for node in NODES:
        lab.folder(node).mkdir()
    network.lay(lab)
    disk.make(lab)
    say(f"the shared disk is {lab.image}, behind {' and '.join(disk.loops(lab))}")
    furnish.make_keys(lab)
    for node in NODES:
        furnish.furnish(lab, node, options.root, stand_ins=not options.image)
        host.power_on(lab, node, lock=lock)
    network.verify(lab)
    for node in NODES:
        failed_units = host.booted(lab, node)
        if failed_units and not options.image:
            raise StepFailed(f"{node} has booted{_but(failed_units)}")
        say(f"{node} ({ADDRESSES[node]}) has booted{_but(failed_units)}")
    version = seed.postgres_version(options.root)
    pair.describe(lab, version, options.dhcp)
    if options.image:
        say(f"xCAT is left as the image has it; see that {lab.cluster_file} fits it")
    else:
        seed.install_both(lab, version)
        say("both hosts have a database and an xCAT of their own, below the mount points")
        seed.seed(lab, version, options.dhcp, say)
    lab.complete.write_text(json.dumps(asdict(options)))
    say(f"lab {lab.name} is up" + ("" if options.image else ", and mn1 is the active node"))
    if not options.image:
        say(f"now try: {lab.typed('run', 'hamn-flow start planned-failover')}")
