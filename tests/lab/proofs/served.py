"""What the pair serves and keeps, asked as its users would ask, and what of it must be as before after a way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hamn_flow.lab import control, groups
from hamn_flow.lab.place import DOMAIN, NODES, VIRTUAL_IP
from tests.lab.proofs import pair as pair_of_hosts
from tests.lab.proofs.pair import Pair, has_address, mounted

UNITS = pair_of_hosts.UNITS
_LISTENER = "xcatd: SSL listener"  # the title of its main process; one of them runs for each xcatd
_DATABASE = ("runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-At")


def sql(pair: Pair, node: str, statements: str) -> list[str]:
    """Statements for the shared database server, as its owner through its socket; the rows that they select."""
    return pair.inside(node, *_DATABASE, text_in=statements).splitlines()


def dump(pair: Pair, node: str, directory: str) -> dict[str, str]:
    """xCAT's tables, dumped to a folder of the host's own disk: each table's text."""
    pair.inside(node, "dumpxCATdb", "-p", directory)
    tables: dict[str, str] = {}
    for line in pair.inside(node, "grep", "--recursive", "", directory).splitlines():
        path, _, text = line.partition(":")
        tables[Path(path).stem] = f"{tables.get(Path(path).stem, '')}{text}\n"
    return tables


def named_answer(pair: Pair, name: str) -> str:
    """What the name server on the virtual IP says to somebody on the network."""
    words = ("dig", "+short", "+tries=2", "+time=2", f"@{VIRTUAL_IP}", f"{name}.{DOMAIN}")
    return control.run(pair.lab, words).stdout.strip()


def exports(pair: Pair, node: str) -> str:
    """What a host exports, with all options."""
    return pair.inside(node, "exportfs", "-v")


def xcatds(pair: Pair) -> list[str]:
    """The hosts on which an xcatd runs, once for each."""
    return [node for node in NODES for title in titles(pair, node) if title == _LISTENER]


def titles(pair: Pair, node: str) -> Iterator[str]:
    """The command lines of all that runs in a host."""
    for pid in groups.members(pair.lab, node):
        try:
            yield Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue


def standing_of(pair: Pair, node: str) -> dict[str, str]:
    """What a way back must bring back on a host: its part of the role, its units, and what follows the role.

    Exports count where their server runs: a host that lost its power with the role keeps a table of them that is
    exported to nobody, until its server is started and stopped the next time.
    """
    properties = "--property=Id,LoadState,ActiveState,UnitFileState"
    units = pair.inside(node, "systemctl", "show", properties, *UNITS)
    serves = any("Id=nfs-server.service" in unit and "ActiveState=active" in unit for unit in units.split("\n\n"))
    return {
        "mounted": " ".join(sorted(mounted(pair.lab, node))),
        "virtual IP": str(has_address(pair.lab, node)),
        "addresses": pair.inside(node, "ip", "-brief", "-4", "addr"),
        "units": units,
        "exports": exports(pair, node) if serves else "",
        "host name": pair.inside(node, "hostname"),
        "resolver": pair.inside(node, "cat", "/etc/resolv.conf"),
    }


def configuration(pair: Pair, node: str) -> dict[str, str]:
    """What the daemons of a host read. Whoever takes the role writes it anew, so it stays only where the role was."""
    files = pair.inside(node, "find", "/etc/dhcp", "/etc/bind", "/etc/conserver.cf", "/var/lib/bind", "-type", "f")
    return {path: pair.inside(node, "cat", path) for path in files.split()}
