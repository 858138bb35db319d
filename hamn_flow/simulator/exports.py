"""NFS service: `exportfs`, `showmount`, nfs_clients.pl."""

from __future__ import annotations

from hamn_flow.model.command import Result
from hamn_flow.simulator.host import Host, Program, is_directory, line, ok, refused
from hamn_flow.simulator.state import Export, Node, State

_SHOWN = "wdelay,hide,no_subtree_check,sec=sys,ro,secure,root_squash,no_all_squash"


def export_all(state: State, node: Node) -> str:
    """Make the kernel's table agree with /etc/exports (`exportfs -r`); what could not be exported is said."""
    file = node.root.files.get("/etc/exports")
    node.exports.clear()
    errors = ""
    for text in file.content.splitlines() if file else ():
        path, *clients = text.partition("#")[0].split() or [""]
        for word in clients:
            client, _, options = word.partition("(")
            errors += export(state, node, Export(client, path, options.rstrip(")")))
    return errors


def export(state: State, node: Node, wanted: Export) -> str:
    """Export one path; exportfs(8) says what it cannot find, and takes it into its table all the same."""
    file_system, relative = state.locate(node, wanted.path)
    withdraw(node, wanted.client, wanted.path)
    node.exports.append(wanted)
    found = is_directory(file_system, relative)
    return "" if found else f"exportfs: Failed to stat {wanted.path}: No such file or directory\n"


def withdraw(node: Node, client: str, path: str) -> bool:
    """Take one export out of the kernel's table; False if it was not there."""
    kept = [each for each in node.exports if (each.client, each.path) != (client, path)]
    found = len(kept) < len(node.exports)
    node.exports[:] = kept
    return found


def exportfs(host: Host) -> Result:
    """`exportfs -v`, `exportfs -ra`, `exportfs [-o OPTIONS] CLIENT:PATH`, `exportfs -u CLIENT:PATH`."""
    match host.words:
        case ("-v",):
            return ok("".join(map(_shown, sorted(host.node.exports, key=lambda each: (each.path, each.client)))))
        case ("-ra",):
            host.change()
            errors = export_all(host.state, host.node)
            return refused(1, errors) if errors else ok()
        case ("-u", target) if ":" in target:
            host.change()
            client, _, path = target.rpartition(":")
            if not withdraw(host.node, client, path):
                return refused(1, f"exportfs: Could not find '{target}' to unexport.\n")
            return ok()
        case ("-o", options, target) if ":" in target:
            return _export(host, target, options)
        case (target,) if ":" in target and not target.startswith("-"):
            return _export(host, target, "")
        case _:
            raise host.unknown()


def _export(host: Host, target: str, options: str) -> Result:
    host.change()
    client, _, path = target.rpartition(":")
    errors = export(host.state, host.node, Export(client, path, options))
    return refused(1, errors) if errors else ok()


def _shown(each: Export) -> str:
    """As `exportfs -v` prints it: every option in force, given or not; a long path has its client on a line below."""
    client = "<world>" if each.client == "*" else each.client
    gap = "\n\t\t" if len(each.path) > 14 else "\t"
    return f"{each.path:<14}{gap}{client}({in_force(each.options)})\n"


def in_force(options: str) -> str:
    """The options as the kernel's table has them: what was given, in the place of each default."""
    opposites = {
        "rw": "ro",
        "async": "sync",
        "insecure": "secure",
        "no_root_squash": "root_squash",
        "all_squash": "no_all_squash",
        "no_wdelay": "wdelay",
        "nohide": "hide",
        "subtree_check": "no_subtree_check",
    }
    words = ["sync", *_SHOWN.split(",")]
    for option in filter(None, options.split(",")):
        default = opposites.get(option)
        if default in words:
            words[words.index(default)] = option
        elif option not in words and option not in opposites.values():
            words.append(option)
        elif option in opposites.values():
            words = [option if opposites.get(word) == option else word for word in words]
    return ",".join(words)


def showmount(host: Host) -> Result:
    """`showmount -e --no-headers SERVER`: asks the server's mountd."""
    match host.words:
        case ("-e", "--no-headers", server):
            pass
        case _:
            raise host.unknown()
    there = host.state.at(server)
    if there is None:
        return refused(1, "clnt_create: RPC: Port mapper failure - Timed out\n")
    if not any(process.command == "rpc.mountd" for process in there.processes.values()):
        return refused(1, "clnt_create: RPC: Program not registered\n")
    paths: dict[str, list[str]] = {}
    for each in there.exports:
        paths.setdefault(each.path, []).append(each.client)
    shown = ((path, ",".join("*" if "*" in clients else each for each in clients)) for path, clients in paths.items())
    width = max(map(len, paths), default=0)
    return ok("".join(f"{path:<{width}} {clients}\n" for path, clients in sorted(shown)))


def nfs_clients_script(host: Host) -> Result:
    """nfs_clients.pl: who has something mounted from here; nothing where the server is stopped."""
    if host.words:
        raise host.unknown()
    if not any(unit.daemon == "nfs" and unit.active for unit in host.node.units.values()):
        return ok()
    return ok("".join(line(each.client, each.path, each.name) for each in host.node.nfs_clients))


PROGRAMS: dict[str, Program] = {
    "exportfs": exportfs,
    "showmount": showmount,
    "nfs_clients.pl": nfs_clients_script,
}
