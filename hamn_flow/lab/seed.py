"""The first xCAT: on each host an installation of its own, then mn1 with the shared disk and all that is the role."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from hamn_flow.errors import StepFailed
from hamn_flow.lab import disk, host
from hamn_flow.lab.network import INTERFACE
from hamn_flow.lab.place import (
    ADDRESSES,
    COMPUTE_NODE,
    DOMAIN,
    FILE_SYSTEMS,
    HARDWARE_ADDRESS,
    MN1,
    NODES,
    PREFIX,
    VIRTUAL_IP,
    Lab,
)

_LONG = 120.0  # seconds; xcatd's first start makes all tables, and the machine may be busy with other things
_POSTGRES = "/var/lib/postgresql"
_SITE = {"master": VIRTUAL_IP, "nameservers": VIRTUAL_IP, "domain": DOMAIN, "dhcpinterfaces": INTERFACE}
_TRUSTED = {"1.2": "mn", "1.3": "mn1", "1.4": "mn2"}
_NETWORK = "10_97_0_0-255_255_255_0"
_OF_NETWORK = ("net=10.97.0.0", "mask=255.255.255.0", f"mgtifname={INTERFACE}", "gateway=<xcatmaster>", "mtu=1500")
_OF_NODE = ("groups=compute,all", f"mac={HARDWARE_ADDRESS}", "mgt=ipmi", "cons=ipmi", "netboot=xnba", "os=debian12")


def postgres_version(root: Path) -> str:
    """The newest PostgreSQL whose programs are there; Debian 12's where there is none."""
    return max((each.parts[-3] for each in root.glob("usr/lib/postgresql/*/bin/initdb")), key=int, default="15")


def install(lab: Lab, node: str, version: str) -> None:
    """What a host has before anything is shared: a database, an xCAT with tables in SQLite, and a mark everywhere.

    It lies below the mount points later, so that what is read tells a file system that is not mounted.
    """
    run = partial(host.run, lab, node)
    run("pg_createcluster", "--start-conf=manual", "--pgoption=listen_addresses=*", version, "main", "--", "--no-sync",
        "--wal-segsize=1", timeout=_LONG)  # fmt: skip
    allowed = "".join(f"host all all {address}/32 scram-sha-256\n" for address in (VIRTUAL_IP, *ADDRESSES.values()))
    access = f"/etc/postgresql/{version}/main/pg_hba.conf"
    run("tee", "--append", access, text_in=allowed)
    run("mkdir", "--parents", *(each.mount_point for each in FILE_SYSTEMS))
    run("xcatconfig", "-d")
    for each in FILE_SYSTEMS:
        host.write(lab, node, f"{each.mount_point}/README.local", f"This is {node}'s own disk.\n")


def seed(lab: Lab, version: str, dhcp: str, say: Callable[[str], None]) -> None:
    """Make mn1 the active node of a pair that serves one compute node."""
    run = partial(host.run, lab, MN1, timeout=_LONG)
    _share(lab)
    run("ip", "addr", "add", f"{VIRTUAL_IP}/{PREFIX}", "brd", "+", "dev", INTERFACE, "label", f"{INTERFACE}:0")
    host.start_unit(lab, MN1, f"postgresql@{version}-main")
    _make_database(lab)
    run("xcatconfig", "-d")
    host.start_unit(lab, MN1, "xcatd")
    say("the database and xcatd run on mn1")
    site = _SITE | ({"dhcpbackend": "kea"} if dhcp == "kea" else {})
    for key, value in site.items():
        run("chtab", f"key={key}", f"site.value={value}")
    for priority, name in _TRUSTED.items():
        run("chtab", f"priority={priority}", f"policy.name={name}", "policy.rule=trusted")
    run("mkdef", "-t", "network", _NETWORK, *_OF_NETWORK)
    run("mkdef", "-t", "node", COMPUTE_NODE, *_OF_NODE)
    run("makehosts")
    _at_once(
        partial(run, "makedns", "-n"),
        partial(_lease, lab),
        partial(_serve_consoles, lab),
        partial(host.start_unit, lab, MN1, "nfs-server"),
    )
    if HARDWARE_ADDRESS not in run("makedhcp", "-q", COMPUTE_NODE):  # it ends with 0 also where it has failed
        raise StepFailed(f"the DHCP server of mn1 does not know {COMPUTE_NODE}")
    host.write(lab, MN1, "/etc/resolv.conf", f"search {DOMAIN}\nnameserver {VIRTUAL_IP}\n")
    say("mn1 serves names, leases, consoles and exports")


def _share(lab: Lab) -> None:
    """Put mn1's database on the shared disk, and mount all that is shared."""
    run = partial(host.run, lab, MN1)
    for each in FILE_SYSTEMS:
        device = str(disk.partition(lab, MN1, each))
        if each.mount_point == _POSTGRES:
            run("mount", "-t", "ext4", device, "/mnt")
            run("cp", "--archive", "--no-target-directory", _POSTGRES, "/mnt")
            run("rm", "/mnt/README.local")
            run("umount", "/mnt")
        run("mount", "-t", "ext4", "-o", "rw", device, each.mount_point)


def _make_database(lab: Lab) -> None:
    """Make xCAT's role and database; the password stands in /etc/xcat/cfgloc alone."""
    password = secrets.token_urlsafe(24)
    statements = f"CREATE ROLE xcatadm LOGIN PASSWORD '{password}';\nCREATE DATABASE xcatdb OWNER xcatadm;\n"
    psql = ("runuser", "-u", "postgres", "--", "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1")
    host.run(lab, MN1, *psql, text_in=statements)
    host.write(lab, MN1, "/etc/xcat/cfgloc", f"Pg:dbname=xcatdb;host={VIRTUAL_IP}|xcatadm|{password}\n", "0600")


def _lease(lab: Lab) -> None:
    host.run(lab, MN1, "makedhcp", "-n", timeout=_LONG)
    host.run(lab, MN1, "makedhcp", "-a", timeout=_LONG)


def _serve_consoles(lab: Lab) -> None:
    host.run(lab, MN1, "makeconservercf", timeout=_LONG)
    host.start_unit(lab, MN1, "conserver")


def install_both(lab: Lab, version: str) -> None:
    """Install on both hosts at once."""
    _at_once(*(partial(install, lab, node, version) for node in NODES))


def _at_once(*tasks: Callable[[], object]) -> None:
    """Do all of them side by side; what the first one to fail raises is raised when all have ended."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        under_way = [pool.submit(task) for task in tasks]
    for each in under_way:
        each.result()
