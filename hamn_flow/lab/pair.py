"""What the controlling side knows of the pair: its cluster.toml, and how to log in."""

from __future__ import annotations

from hamn_flow.lab.furnish import known_hosts
from hamn_flow.lab.network import INTERFACE
from hamn_flow.lab.place import ADDRESSES, FILE_SYSTEMS, PREFIX, VIRTUAL_IP, Lab

_DHCP = {"isc": "dhcp", "kea": "kea"}  # the service of each server


def describe(lab: Lab, version: str, dhcp: str) -> None:
    """Write the controlling side's files; its key is there already."""
    lab.cluster_file.write_text(cluster_toml(lab, version, dhcp))
    ssh = lab.key.parent
    (ssh / "known_hosts").write_text(known_hosts(lab))
    names = "".join(f"Host {node}\n    HostName {address}\n\n" for node, address in ADDRESSES.items())
    common = f"Host *\n    User root\n    IdentityFile {lab.key}\n    UserKnownHostsFile {ssh / 'known_hosts'}\n"
    (ssh / "config").write_text(names + common)
    programs = lab.home / "bin"  # ssh takes its home from the list of users, and would not read that file
    programs.mkdir(exist_ok=True)
    (programs / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {ssh / "config"} "$@"\n')
    (programs / "ssh").chmod(0o755)


def cluster_toml(lab: Lab, version: str, dhcp: str) -> str:
    """The pair's file, for PostgreSQL of that version and that DHCP server (isc or kea)."""
    ssh = f'ssh = {{ user = "root", identity_file = "{lab.key}" }}'
    nodes = "".join(
        f'    {{ name = "{name}", address = "{address}", {ssh} }},\n' for name, address in ADDRESSES.items()
    )
    disks = "".join(
        f'    {{ mount_point = "{each.mount_point}", source = "UUID={each.uuid(lab)}" }},\n' for each in FILE_SYSTEMS
    )
    vip = f'address = "{VIRTUAL_IP}", prefix = {PREFIX}, interface = "{INTERFACE}", host_name = "mn"'
    return (
        f'name = "{lab.name}"\n\n'
        f"nodes = [\n{nodes}]\n\n"
        f"virtual_ip = {{ {vip} }}\n\n"
        f"file_systems = [\n{disks}]\n\n"
        f'database = {{ engine = "postgresql", data_directory = "/var/lib/postgresql/{version}/main", '
        f'unit = "postgresql@{version}-main" }}\n\n'
        f'services = ["nfs", "named", "xcatd", "{_DHCP[dhcp]}", "conserver"]\n\n'
        f'features = {{ nfs = true, dns = true, dhcp = "{dhcp}", console = "conserver" }}\n'
    )
