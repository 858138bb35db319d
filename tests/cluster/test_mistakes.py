"""Each mistake of a cluster file with its line, and many of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamn_flow.cluster.loading import parse
from hamn_flow.cluster.problem import Problem
from hamn_flow.model.pair import Cluster

RIGHT = """\
name = "lab"
services = ["nfs", "named", "xcatd", "dhcp", "conserver"]
[[nodes]]
name = "mn1"
address = "10.97.0.11"
[[nodes]]
name = "mn2"
address = "10.97.0.12"
[virtual_ip]
address = "10.97.0.100"
prefix = 24
interface = "eth0"
host_name = "mn"
[[file_systems]]
mount_point = "/etc/xcat"
source = "UUID=3e6be9de-8139-4f2c-9106-a43f08d823a6"
[[file_systems]]
mount_point = "/var/lib/pgsql"
source = "UUID=5d2c9e70-1a6b-4f83-b7e9-90c1f3a8e652"
[database]
engine = "postgresql"
data_directory = "/var/lib/pgsql/data"
"""

Edits = dict[int, str]
"""Lines of the right file, by number, with what stands there instead; a last line 23 is added."""


def edited(edits: Edits) -> str:
    lines = ["", *RIGHT.splitlines(), ""]
    for number, text in edits.items():
        lines[number] = text
    return "\n".join(lines[1:])


def problems(text: str) -> list[Problem]:
    found = parse(text.encode(), Path("c"))
    return [] if isinstance(found, Cluster) else list(found)


def headlines(edits: Edits) -> list[str]:
    return [problem.headline for problem in problems(edited(edits))]


TABLE: dict[str, tuple[Edits, list[str]]] = {
    "nothing wrong": ({}, []),
    # names
    "cluster name": ({1: 'name = "my lab"'}, ['c:1: the cluster\'s name "my lab" is not one short word']),
    "node name": ({4: 'name = "mn1.example.org"'}, ['c:4: node name "mn1.example.org" is not a short host name']),
    "same node names": ({7: 'name = "MN1"'}, ["c:7: both nodes are named MN1"]),
    "host name": ({13: 'host_name = "m n"'}, ['c:13: "m n" is not a host name']),
    "host name of a node": (
        {13: 'host_name = "mn2.example.org"'},
        ["c:13: the virtual IP's host name mn2.example.org is the name of a node"],
    ),
    "one node": ({6: "", 7: "", 8: ""}, ["c:3: a pair has two nodes, not 1"]),
    "three nodes": (
        {23: '[[nodes]]\nname = "mn3"\naddress = "10.97.0.13"'},
        ["c:23: a pair has two nodes, not 3"],
    ),
    # addresses, trap T57
    "virtual IP of a node": (
        {10: 'address = "10.97.0.11"'},
        ["c:10: virtual IP 10.97.0.11 is the own address of mn1"],
    ),
    "virtual IP outside": (
        {10: 'address = "10.98.0.100"'},
        ["c:10: virtual IP 10.98.0.100 lies outside the nodes' network 10.97.0.0/24"],
    ),
    "virtual IP is the network": (
        {10: 'address = "10.97.0.0"'},
        ["c:10: virtual IP 10.97.0.0 is the network address of 10.97.0.0/24"],
    ),
    "virtual IP is the broadcast": (
        {10: 'address = "10.97.0.127"', 11: "prefix = 25"},
        ["c:10: virtual IP 10.97.0.127 is the broadcast address of 10.97.0.0/25"],
    ),
    "node is the broadcast": (
        {8: 'address = "10.97.0.255"'},
        ["c:8: address 10.97.0.255 is the broadcast address of 10.97.0.0/24"],
    ),
    "node outside": (
        {8: 'address = "10.97.1.12"'},
        ["c:8: address 10.97.1.12 of mn2 lies outside the virtual IP's network 10.97.0.0/24"],
    ),
    "same node addresses": ({8: 'address = "10.97.0.11"'}, ["c:8: both nodes have the address 10.97.0.11"]),
    "IPv6": ({10: 'address = "fd00::1/64"'}, ['c:10: "fd00::1/64" is an IPv6 address, and only IPv4 is supported']),
    "with prefix": ({5: 'address = "10.97.0.11/24"'}, ['c:5: "10.97.0.11/24" is an address with a prefix']),
    "no address": ({5: 'address = "10.97.0.256"'}, ['c:5: "10.97.0.256" is not an IPv4 address']),
    "loopback": (
        {5: 'address = "127.0.0.1"'},
        [
            "c:5: 127.0.0.1 cannot be a machine's address in a network",
            "c:5: address 127.0.0.1 of mn1 lies outside the virtual IP's network 10.97.0.0/24",
        ],
    ),
    "netmask for prefix": (
        {11: 'prefix = "255.255.255.0"'},
        ['c:11: virtual_ip.prefix must be a whole number, not "255.255.255.0"'],
    ),
    "prefix of one host": ({11: "prefix = 32"}, ["c:11: virtual_ip.prefix must be at most 30, not 32"]),
    # the interface, traps T23 and T27
    "alias": ({12: 'interface = "eth0:0"'}, ['c:12: interface "eth0:0" is an alias, not a physical interface']),
    "long label": (
        {12: 'interface = "enp130s0f0np0x"'},
        ['c:12: the label "enp130s0f0np0x:0" is longer than 15 characters'],
    ),
    "longest label": ({12: 'interface = "enp130s0f0np0"'}, []),
    "loopback interface": (
        {12: 'interface = "lo"'},
        ['c:12: "lo" is not the name of a network interface that can carry the virtual IP'],
    ),
    # disks, trap T9
    **{
        f"moving {name}": (
            {16: f'source = "{name}"'},
            [f'c:16: "{name}" can be another disk after a reboot or on the other node'],
        )
        for name in (
            "/dev/sdb1",
            "/dev/sdaa",
            "/dev/vdb",
            "/dev/nvme0n1p1",
            "/dev/dm-0",
            "/dev/mapper/mpatha1",
            "/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
            "/dev/disk/by-diskseq/9",
        )
    },
    **{
        f"staying {name}": ({16: f'source = "{name}"'}, [])
        for name in (
            "LABEL=xcat",
            "PARTUUID=5d2c9e70-05",
            "PARTLABEL=xcat",
            "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1",
            "/dev/disk/by-label/x",
            "/dev/disk/by-uuid/3e6be9de-8139-4f2c-9106-a43f08d823a6",
        )
    },
    "volume group": (
        {16: 'source = "/dev/vg0/xcat"'},
        ['c:16: "/dev/vg0/xcat" is not a name that stays with the disk'],
    ),
    "a way round": (
        {16: 'source = "/dev/disk/by-id/../../sdb"'},
        ['c:16: "/dev/disk/by-id/../../sdb" is not a name that stays with the disk'],
    ),
    "the folder above": (
        {16: 'source = "/dev/disk/by-id/.."'},
        ['c:16: "/dev/disk/by-id/.." is not a name that stays with the disk'],
    ),
    "capital UUID": (
        {16: 'source = "UUID=3E6BE9DE-8139-4F2C-9106-A43F08D823A6"'},
        ['c:16: "UUID=3E6BE9DE-8139-4F2C-9106-A43F08D823A6" is not the UUID of an ext4 or xfs file system'],
    ),
    "network file system": (
        {16: 'source = "nas:/xcat"'},
        ['c:16: "nas:/xcat" is a network file system, and only shared disks are supported'],
    ),
    "same disk": (
        {19: 'source = "/dev/disk/by-uuid/3e6be9de-8139-4f2c-9106-a43f08d823a6"'},
        [
            'c:19: "/dev/disk/by-uuid/3e6be9de-8139-4f2c-9106-a43f08d823a6" is already mounted at "/etc/xcat"',
        ],
    ),
    "same disk, named the other way": (
        {16: 'source = "/dev/disk/by-uuid/5d2c9e70-1a6b-4f83-b7e9-90c1f3a8e652"'},
        ['c:19: "UUID=5d2c9e70-1a6b-4f83-b7e9-90c1f3a8e652" is already mounted at "/etc/xcat"'],
    ),
    "type": (
        {16: 'source = "LABEL=x"\ntype = "nfs"'},
        ["c:17: file_systems.type must be 'ext4', 'xfs' or 'ext3', not \"nfs\""],
    ),
    # mount points, traps T6 and T13
    "home": (
        {23: '[[file_systems]]\nmount_point = "~/.xcat"\nsource = "LABEL=x"'},
        ['c:24: mount point "~/.xcat" has a ~, which means another place for every user'],
    ),
    "relative": (
        {23: '[[file_systems]]\nmount_point = "install"\nsource = "LABEL=x"'},
        ['c:24: mount point "install" is not an absolute path'],
    ),
    "not normal": (
        {23: '[[file_systems]]\nmount_point = "/install/../x/"\nsource = "LABEL=x"'},
        ['c:24: mount point "/install/../x/" is not written in its shortest form'],
    ),
    "root": (
        {23: '[[file_systems]]\nmount_point = "//"\nsource = "LABEL=x"'},
        ['c:24: mount point "//" is the root of the node\'s own system'],
    ),
    "space": (
        {23: '[[file_systems]]\nmount_point = "/in stall"\nsource = "LABEL=x"'},
        ['c:24: mount point "/in stall" has white space, a backslash or a control character'],
    ),
    "the journal's place": (
        {23: '[[file_systems]]\nmount_point = "/var/lib/hamn-flow"\nsource = "LABEL=x"'},
        ['c:24: mount point "/var/lib/hamn-flow" belongs to each node\'s own system and cannot be shared'],
    ),
    "the system's own": (
        {23: '[[file_systems]]\nmount_point = "/root"\nsource = "LABEL=x"'},
        ['c:24: mount point "/root" belongs to each node\'s own system and cannot be shared'],
    ),
    "same place": (
        {23: '[[file_systems]]\nmount_point = "/etc/xcat"\nsource = "LABEL=x"'},
        ['c:24: mount point "/etc/xcat" is there twice'],
    ),
    "automatic": (
        {16: 'source = "LABEL=x"\noptions = "rw,auto"'},
        ["c:17: mount option auto would let the system mount it at boot on both nodes"],
    ),
    "options with a space": (
        {16: 'source = "LABEL=x"\noptions = "rw, noatime"'},
        ['c:17: "rw, noatime" is not a list of mount options'],
    ),
    "no /etc/xcat": ({15: 'mount_point = "/xcat"'}, ["c:14: /etc/xcat is not among the shared file systems"]),
    # the database
    "database elsewhere": (
        {22: 'data_directory = "/var/lib/pgsql2/data"'},
        ['c:22: data directory "/var/lib/pgsql2/data" lies on none of the shared file systems'],
    ),
    "no data directory": ({22: ""}, ["c:20: database.data_directory is missing"]),
    "SQLite": ({21: 'engine = "sqlite"'}, ["c:22: SQLite lies in /etc/xcat and has no data directory"]),
    "SQLite alone": ({21: 'engine = "sqlite"', 22: ""}, []),
    "engine": (
        {21: 'engine = "postgres"'},
        ["c:21: database.engine must be 'postgresql' or 'sqlite', not \"postgres\""],
    ),
    # services and features
    "unknown service": (
        {2: 'services = ["xcatd", "httpdd"]'},
        ['c:2: service "httpdd" is not known, and no unit is given for it'],
    ),
    "own service": (
        {2: 'services = ["xcatd", { name = "x", unit = "x", ports = ["tcp/1", "tcp/0"], titles = [""] }]'},
        ['c:2: "tcp/0" is not a port', 'c:2: "" begins the title of too many processes'],
    ),
    "no xcatd": ({2: 'services = ["named"]'}, ["c:2: xcatd is not among the services"]),
    "two xcatd": ({2: 'services = [\n"xcatd",\n"xcatd"]'}, ['c:4: service "xcatd" is there twice']),
    "database": (
        {2: 'services = ["postgresql@15-main", "xcatd"]'},
        ["c:2: postgresql@15-main is the database, not one of the services"],
    ),
    "tftpd": (
        {2: 'services = ["xcatd", "tftpd-hpa"]'},
        ["c:2: tftpd-hpa must not run on a management node, because xcatd starts a TFTP server of its own"],
    ),
    "sshd": (
        {2: 'services = ["xcatd", { name = "x", unit = "sshd" }]'},
        ["c:2: sshd must go on running on both nodes, or they cannot be reached"],
    ),
    "two consoles": (
        {2: 'services = ["xcatd", "goconserver", "conserver"]'},
        ["c:2: conserver and goconserver do the same work and cannot both follow the role"],
    ),
    "DHCP before xcatd (T26)": (
        {2: 'services = ["kea", "xcatd"]'},
        ["c:2: kea starts before xcatd and would serve the standby's old configuration"],
    ),
    "the other console": (
        {23: '[features]\nconsole = "goconserver"'},
        [
            'c:24: features.console is "goconserver", but goconserver is not among the services',
            'c:24: features.console is "goconserver", but conserver is among the services',
        ],
    ),
    "no NFS": ({23: "[features]\nnfs = false"}, ["c:24: features.nfs is false, but nfs is among the services"]),
    "resolver without names": (
        {2: "", 23: "[features]\ndns = false\nresolver = true"},
        ["c:25: features.resolver names the virtual IP as name server, but features.dns is false"],
    ),
    # the way to a node
    "ssh": (
        {5: 'address = "10.97.0.11"\nssh = { port = 0, user = "-oProxyCommand", identity_file = "id" }'},
        [
            'c:6: "-oProxyCommand" is not the user of an SSH connection',
            'c:6: identity file "id" depends on the present directory',
            "c:6: nodes.ssh.port must be at least 1, not 0",
        ],
    ),
    "local by ssh": (
        {8: 'address = "10.97.0.12"\nssh.local = true\nssh.port = 22'},
        ["c:10: port is of no use for a node that is this machine"],
    ),
    "both local": (
        {5: 'address = "10.97.0.11"\nssh.local = true', 8: 'address = "10.97.0.12"\nssh.local = true'},
        ["c:10: both nodes are said to be this machine"],
    ),
    "one machine": (
        {5: 'address = "10.97.0.11"\nssh.host = "h"', 8: 'address = "10.97.0.12"\nssh = { host = "h", port = 22 }'},
        ["c:10: both nodes are reached at h, port 22"],
    ),
    # policy
    "policy": (
        {23: '[policy]\non_busy = "murder"\nattempts = 1.5\nreconnect = inf\nfirst_wait = 20\nlongest_wait = true'},
        [
            "c:24: policy.on_busy must be 'wait', 'terminate' or 'kill', not \"murder\"",
            "c:25: policy.attempts must be a whole number, not 1.5",
            "c:26: policy.reconnect must be a finite number, not inf",
            "c:28: policy.longest_wait must be a number, not true",
        ],
    ),
    "waits": (
        {23: "[policy]\nfirst_wait = 20"},
        ["c:24: the first wait of 20 seconds is longer than the longest of 15.0"],
    ),
    # keys and types
    "unknown keys": (
        {12: 'interfase = "eth0"', 23: "[policies]\nattempts = 3"},
        [
            "c:9: virtual_ip.interface is missing",
            "c:12: unknown key virtual_ip.interfase",
            "c:23: unknown key policies",
        ],
    ),
    "wrong kinds": (
        {1: "name = 2026-01-01", 2: 'services = "xcatd"', 21: "engine = []"},
        [
            "c:1: name must be text in quotes, not a date or time",
            'c:2: services must be a list, not "xcatd"',
            "c:21: database.engine must be 'postgresql' or 'sqlite', not a list",
        ],
    ),
    "a service that is a number": ({2: 'services = ["xcatd",\n7]'}, ["c:3: services must be a table, not 7"]),
    # not TOML at all
    "no quotes": (
        {5: "address = 10.97.0.11"},
        ["c:5: not TOML: expected newline or end of document after a statement at column 16"],
    ),
    "key twice": ({11: "prefix = 24\nprefix = 24"}, ["c:12: not TOML: cannot overwrite a value at column 12"]),
    "open list": ({22: "x = ["}, ["c:22: not TOML: invalid value before the end of the file"]),
}


@pytest.mark.parametrize(("edits", "expected"), TABLE.values(), ids=TABLE)
def test_a_mistake_is_said_with_its_line(edits: Edits, expected: list[str]) -> None:
    assert headlines(edits) == expected


@pytest.mark.parametrize("edits", [edits for edits, _ in TABLE.values()], ids=TABLE)
def test_every_hint_is_a_sentence(edits: Edits) -> None:
    for problem in problems(edited(edits)):
        assert problem.hint[0].isupper()
        assert problem.hint.endswith(".")
        assert not problem.sentence.endswith(".")
        assert "\n" not in problem.headline + problem.hint


def test_many_mistakes_are_said_at_once() -> None:
    edits = {
        1: 'nam = "lab"',
        2: 'services = ["xcatd", "xcatd"]',
        5: "address = 5",
        10: 'address = "10.97.0.255"',
        12: 'interface = "eth0:1"',
        15: 'mount_point = "~/.xcat"',
        16: 'source = "/dev/sdc1"',
        22: 'data_directory = "pgsql"',
    }
    assert headlines(edits) == [
        "c:1: name is missing",
        "c:1: unknown key nam",
        'c:2: service "xcatd" is there twice',
        "c:5: nodes.address must be text in quotes, not 5",
        "c:10: virtual IP 10.97.0.255 is the broadcast address of 10.97.0.0/24",
        'c:12: interface "eth0:1" is an alias, not a physical interface',
        "c:14: /etc/xcat is not among the shared file systems",
        'c:15: mount point "~/.xcat" has a ~, which means another place for every user',
        'c:16: "/dev/sdc1" can be another disk after a reboot or on the other node',
        'c:22: data directory "pgsql" is not an absolute path',
    ]


@pytest.mark.parametrize(
    ("edits", "hint"),
    [
        ({12: 'interfase = "eth0"'}, "Write interface instead, or remove the line."),
        ({23: "[featurs]"}, "Write features instead, or remove the line."),
        ({8: 'address = "10.97.0.12"\nzzz = 1'}, "Write one of name, address and ssh, or remove the line."),
        (
            {2: 'services = ["xcatd", "HTTP"]'},
            'Write "httpd", or { name = "HTTP", unit = "..." } for a service of your own.',
        ),
        (
            {12: 'interface = "bond0:0"'},
            'Write interface = "bond0"; the alias label bond0:0 is given to the address by itself.',
        ),
        ({21: 'engine = "postgres"'}, 'Write engine = "postgresql".'),
        (
            {16: 'source = "/dev/sdb1"'},
            (
                "Type blkid or ls -l /dev/disk/by-id on the active node, "
                'and write source = "UUID=..." or "/dev/disk/by-id/...".'
            ),
        ),
        ({10: 'address = "10.97.0.255"'}, "Write an address from 10.97.0.1 to 10.97.0.254, or mend prefix."),
        ({15: 'mount_point = "~/.xcat"'}, 'Write "/root/.xcat", if root lives there.'),
    ],
)
def test_the_hint_says_what_to_type(edits: Edits, hint: str) -> None:
    assert hint in [problem.hint for problem in problems(edited(edits))]


def test_nothing_in_a_message_acts_on_the_terminal() -> None:
    (problem,) = problems(edited({1: 'name = "\\u001b[2J\\u202e"'}))
    assert problem.sentence.isprintable()
