"""Commands that fail, and commands that say that all went well and did nothing: the effect counts, on both ways.

Each is struck in the form in which it changes something, so that what is read through it stays true; and some as a
whole, so that nothing can be read through them at all.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hamn_flow.errors import Unreachable
from hamn_flow.lab import host
from hamn_flow.lab.place import COMPUTE_NODE, HOSTS, VIRTUAL_IP
from tests.lab.proofs import served
from tests.lab.proofs.halting import (
    Failover,
    Met,
    Planted,
    Side,
    changed_unit,
    foreign_address,
    locked_by,
    write_lock_file,
)
from tests.lab.proofs.pair import Pair, has_address, mounted
from tests.lab.proofs.standing import watched
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_ODD = "an odd thing happened"
_UNREAD = Unreachable.exit_status
_NOBODY = 4194303  # the greatest number that a process can have (proc(5), pid_max): none gets so far
_DHCP, _STALE = "/etc/dhcp/dhcpd.conf", "# of an earlier time\n"


def fails(side: Side, command: str, form: str = "", status: int = 2) -> Planted:
    """A command that ends with a status, and words."""
    return Planted(side=side, kind="fails-command", what=(command, str(status), _ODD), form=form)


def lies(side: Side, command: str, form: str = "") -> Planted:
    """A command that ends with 0."""
    return Planted(side=side, kind="lies", what=(command,), form=form)


_STOPPING = (
    Met(
        faults=(lies("here", "systemctl", "stop*"), fails("here", "exportfs", "-u*")),
        says=(
            "its unit xcatd.service is active",
            "`xcatd: SSL listener`",
            f"exported: *:/install, *:/tftpboot ({_ODD})",
        ),
    ),
    Met(
        faults=(fails("here", "systemctl", "stop*"), lies("here", "exportfs", "-u*")),
        says=("its unit xcatd.service is active", _ODD, "exported: *:/install, *:/tftpboot"),
    ),
)
_LETTING_GO = (
    Met(faults=(fails("here", "umount", status=32),), says=("{here} has /install mounted at /install", _ODD)),
    Met(faults=(lies("here", "umount"),), says=("{here} has /install mounted at /install", "no process is seen")),
    Met(faults=(fails("here", "ip", '"addr del"*'),), says=(f"{VIRTUAL_IP}/24 is on eth0 ({_ODD})",)),
    Met(faults=(lies("here", "ip", '"addr del"*'),), says=(f"{VIRTUAL_IP}/24 is on eth0",)),
    Met(faults=(fails("here", "ip"),), says=("the addresses could not be read", _ODD), status=_UNREAD),
    Met(faults=(lies("here", "ip"),), says=("the addresses could not be read",), status=_UNREAD),
    Met(faults=(fails("there", "arping"),), says=("arping", "could not be read", _ODD), status=_UNREAD),
)
_TAKING_BACK = (
    Met(faults=(lies("here", "ip", '"addr add"*'),), says=(f"cannot be undone: {VIRTUAL_IP} is not on {{here}}",)),
    Met(faults=(fails("here", "mount", status=32),), says=(f"cannot be undone: not mounted ({_ODD})",)),
    Met(faults=(lies("here", "mount"),), says=("cannot be undone: not mounted",)),
    Met(
        faults=(Planted(side="here", kind="database-port"),),
        says=("cannot be undone", "Address already in use", "5432"),
    ),
)
_MOUNTING = (
    Met(
        faults=(fails("there", "mount", status=32), fails("there", "ip", '"addr add"*')),
        says=(f"/etc/xcat: not mounted ({_ODD})", f"{VIRTUAL_IP} is not on {{there}} ({_ODD})"),
    ),
    Met(
        faults=(lies("there", "mount"), lies("there", "ip", '"addr add"*')),
        says=("/etc/xcat: not mounted", f"{VIRTUAL_IP} is not on {{there}}"),
    ),
)
# In a failover of their own: while they are tried again, all else that does not need them is done.
_EXPORTING = (
    # The NFS server reads /etc/exports as it starts, beside the announcement.
    Met(faults=(fails("there", "arping", "-U*"), lies("there", "exportfs")), says=("`arping -U", _ODD)),
    Met(faults=(fails("there", "exportfs", "-o*"),), says=(f"not exported: *:/install, *:/tftpboot ({_ODD})",)),
    Met(faults=(lies("there", "exportfs", "-o*"),), says=("not exported: *:/install, *:/tftpboot",)),
)
_TAKING = (
    Met(faults=(lies("there", "arping"),), says=("arping", "could not be read"), status=_UNREAD),
    Met(
        faults=(fails("there", "makedhcp"), fails("there", "makedns")),
        says=(f"`makedhcp -n` ended with status 2: {_ODD}", f"`makedns -n` ended with status 2: {_ODD}"),
    ),
    Met(
        faults=(lies("there", "makedhcp"), lies("there", "makedns")),
        says=("isc-dhcp-server does not run", f"does not answer rightly for {COMPUTE_NODE}", "makedhcp -n"),
    ),
)


def test_what_lets_go_is_not_believed_but_looked_at_and_the_way_back_neither(pair: Pair, tmp_path: Path) -> None:
    """Also a stop after which the daemon lives; and the database starts over the lock file of a dead server."""
    failover = Failover.of(pair, tmp_path)
    here = failover.here
    with watched(pair.lab) as standing:
        failover.meets_all("start", _STOPPING)
        with changed_unit(pair, here, "xcatd", "KillMode=none", "ExecStop=/bin/true"):
            said = failover.halts("resume", "though its unit is not active", "`xcatd: SSL listener`", "by kill -TERM")
        end_as_told(pair, here, said)
        failover.meets_all("resume", _LETTING_GO)
        failover.meets_all("rollback", _TAKING_BACK)
        write_lock_file(pair, here, _NOBODY)
        failover.ends("rollback")
    pair.assert_active(here)
    assert locked_by(pair, here) != _NOBODY
    standing.assert_never_two()
    assert standing.holders()[-1] == (here,)
    assert standing.answerers() == [here]


def test_what_takes_is_not_believed_but_looked_at(pair: Pair, tmp_path: Path) -> None:
    """Nor is the virtual IP taken from a stranger, nor are zones and leases of an earlier time served."""
    failover = Failover.of(pair, tmp_path)
    here, there = failover.here, failover.there
    pair.inside(there, "find", "/var/lib/bind", "-name", "db.*", "-delete")
    host.write(pair.lab, there, _DHCP, pair.inside(there, "cat", _DHCP) + _STALE)
    with watched(pair.lab) as standing:
        failover.meets_all("start", _MOUNTING)
        with foreign_address(pair.lab):
            whom = "its hardware address"  # by which a stranger is found
            failover.halts("resume", f"somebody answers ARP for {VIRTUAL_IP}", "neither node has it", whom)
            assert not has_address(pair.lab, there)
            assert not mounted(pair.lab, here)
        failover.meets_all("resume", _TAKING)
        failover.ends("resume")
    pair.assert_active(there)
    assert _STALE not in pair.inside(there, "cat", _DHCP)
    assert served.named_answer(pair, COMPUTE_NODE) == next(one for one in HOSTS if HOSTS[one] == COMPUTE_NODE)
    standing.assert_moved(here, there)


def test_what_announces_and_exports_is_not_believed_but_looked_at(pair: Pair, tmp_path: Path) -> None:
    failover = Failover.of(pair, tmp_path)
    with watched(pair.lab) as standing:
        failover.meets_all("start", (_MOUNTING[0], *_EXPORTING))
        failover.ends("resume")
    pair.assert_active(failover.there)
    standing.assert_moved(failover.here, failover.there)


def end_as_told(pair: Pair, node: str, said: str) -> None:
    """Do what the hint says with the processes that the sentence names."""
    named = set(re.findall(r"process (\d+) is `", said))
    assert named, said
    for pid in named:
        pair.tried(node, "kill", "-TERM", pid)  # one of them ends the others
    until(lambda: all(pair.tried(node, "kill", "-0", pid).returncode for pid in named))
