"""NFS: what is exported, what clients are shown, and who has it mounted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hamn_flow.facts.platform import Platform
from hamn_flow.facts.scripts import rows
from hamn_flow.facts.unreadable import succeeded, unreadable
from hamn_flow.model.command import Command, Result

_EXPORT = re.compile(r"(?P<client>[^\s(]+)(?:\((?P<options>[^)]*)\))?")


@dataclass(frozen=True, kw_only=True)
class Export:
    """One path exported to one client, with its options as `exportfs -v` shows and `exportfs -o` takes them."""

    client: str  # "*" for everybody
    path: str
    options: str = ""

    @property
    def target(self) -> str:
        """As exportfs(8) takes it: client and path; an IPv6 client in brackets."""
        client = f"[{self.client}]" if ":" in self.client and not self.client.startswith("[") else self.client
        return f"{client}:{self.path}"


@dataclass(frozen=True)
class Exports:
    """What is exported now; remembered before a release, for going back (trap T20)."""

    def command(self, platform: Platform) -> Command:
        """The kernel's list with all options."""
        return platform.run("exportfs", "-v")

    def parse(self, result: Result) -> tuple[Export, ...]:
        """In exportfs' order; a long path stands on a line of its own before its client."""
        exports, path = [], ""
        for line in filter(str.strip, succeeded("the exports", result).split("\n")):
            before, _, shown = line.partition("\t")
            path = before.rstrip(" ") or path
            found = _EXPORT.fullmatch(shown.strip())
            if not path.startswith("/") or (shown and found is None):
                raise unreadable("the exports", result, why="a line is not as `exportfs -v` prints it")
            if found is not None:
                client = "*" if found["client"] == "<world>" else found["client"]
                exports.append(Export(client=client, path=path, options=found["options"] or ""))
        return tuple(exports)


@dataclass(frozen=True)
class Shown:
    """The paths that clients of this server are shown (trap T33)."""

    server: str

    def command(self, platform: Platform) -> Command:
        """Ask mountd over the network, as a client does."""
        return platform.run("showmount", "-e", "--no-headers", self.server, deadline=20.0)

    def parse(self, result: Result) -> tuple[str, ...]:
        """None if no mountd answers there."""
        if result.status != 0 and "RPC" in result.error_text:
            return ()
        text = succeeded(f"the exports shown by {self.server}", result)
        return tuple(line.split()[0] for line in text.splitlines() if line.strip())


@dataclass(frozen=True, kw_only=True)
class NfsClient:
    """A client that has something mounted from here; it hangs while the exports are gone (guide L6, trap T56)."""

    client: str
    path: str  # empty where the protocol (NFS 4) does not say
    name: str  # as the client calls itself, empty where unknown


@dataclass(frozen=True)
class NfsClients:
    """Who has something mounted from this node. NFS 3 clients come from mountd's list, which may be out of date."""

    def command(self, platform: Platform) -> Command:
        """Ask knfsd and mountd."""
        return platform.script("nfs_clients.pl")

    def parse(self, result: Result) -> tuple[NfsClient, ...]:
        """None is an answer."""
        clients = []
        for fields in rows(succeeded("the NFS clients", result)):
            if len(fields) != 3:
                raise unreadable("the NFS clients", result, why="a line has not three fields")
            clients.append(NfsClient(client=fields[0], path=fields[1], name=fields[2]))
        return tuple(clients)
