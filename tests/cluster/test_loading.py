"""Files that cannot be read, files that others can write to, what is filled in, and the two examples."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from hamn_flow.cluster import load, services
from hamn_flow.cluster.loading import others_may_write, parse
from hamn_flow.cluster.schema import EXAMPLES, TABLES
from hamn_flow.errors import Invalid
from hamn_flow.model.pair import Cluster, Features

DOCS = Path(__file__).parents[2] / "docs"
MINIMAL = (DOCS / "cluster-minimal.toml").read_text()


def own(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def heads(error: Invalid) -> list[str]:
    return [problem.partition("\n")[0] for problem in error.problems]


def cluster(text: str) -> Cluster:
    found = parse(text.encode(), Path("c"))
    assert isinstance(found, Cluster), "\n".join(map(str, found))
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "{}:1: the file is empty"),
        (b" \n\n", "{}:1: the file is empty"),
        (b"a = 1\nb = '\xff'\n", "{}:2: not UTF-8 text: byte 0xff"),
        (b"\xef\xbb\xbfa = 1", "{}:1: the file begins with a byte order mark"),
        (b"a = 1\nb = " + b"1" * 5000, "{}:2: the line is longer than 2000 characters"),
        (b"a = 1\nb = [" + b"[" * 400 + b"\n" + b"[" * 1500, "{}:2: lists or tables are nested too deeply"),
        (b"#" * 262_145, "{}: is larger than 262144 bytes"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes, expected: str) -> None:
    path = own(tmp_path / "cluster.toml", content)
    with pytest.raises(Invalid) as raised:
        load(path)
    assert heads(raised.value) == [expected.format(path)]


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    expected = {
        tmp_path / "none": "cannot be read: no such file or directory",
        tmp_path: "is a folder",
        pipe: "is neither a file nor a folder",
        loop: "cannot be read: too many levels of symbolic links",
    }
    for path, why in expected.items():
        with pytest.raises(Invalid) as raised:
            load(path)
        assert heads(raised.value) == [f"{path}: {why}"]


def test_a_file_that_others_can_write_to_is_said_beside_its_mistakes(tmp_path: Path) -> None:
    path = own(tmp_path / "cluster.toml", MINIMAL.replace('"eth0"', '"eth0:0"').encode())
    path.chmod(0o664)
    tmp_path.chmod(0o777)
    with pytest.raises(Invalid) as raised:
        load(path)
    assert heads(raised.value) == [
        f"{path}: others can write to the file (mode 0664), and so say what root runs",
        f"{path}: others can write to its folder (mode 0777), and so say what root runs",
        f'{path}:9: interface "eth0:0" is an alias, not a physical interface',
    ]


def test_the_folder_is_that_of_the_file_behind_a_link(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    path = own(open_to_all / "cluster.toml", MINIMAL.encode())
    open_to_all.chmod(0o777)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    with pytest.raises(Invalid, match="others can write to its folder"):
        load(link)


@dataclass(frozen=True)
class Stat:
    st_mode: int
    st_uid: int


FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR


@pytest.mark.parametrize(
    ("entry", "user_id", "expected"),
    [
        (Stat(FILE | 0o644, 0), 1000, []),
        (Stat(FILE | 0o600, 1000), 1000, []),
        (Stat(FILE | 0o600, 1000), 0, ["the file belongs to user 1000, who can so say what root runs"]),
        (Stat(FILE | 0o620, 0), 0, ["others can write to the file (mode 0620), and so say what root runs"]),
        (Stat(FILE | 0o1602, 0), 0, ["others can write to the file (mode 1602), and so say what root runs"]),
        (Stat(FOLDER | 0o755, 0), 0, []),
        (Stat(FOLDER | 0o1777, 0), 1000, []),
        (Stat(FOLDER | 0o770, 0), 0, ["others can write to its folder (mode 0770), and so say what root runs"]),
        (Stat(FOLDER | 0o755, 7), 1000, ["its folder belongs to user 7, who can so say what root runs"]),
    ],
)
def test_who_may_write(entry: Stat, user_id: int, expected: list[str]) -> None:
    found = others_may_write(Path("/etc/hamn-flow/cluster.toml"), entry, user_id)
    assert [problem.sentence for problem in found] == expected


@pytest.mark.parametrize("name", ["cluster.toml", "cluster-minimal.toml"])
def test_the_examples_load(tmp_path: Path, name: str) -> None:
    path = own(tmp_path / name, (DOCS / name).read_bytes())
    loaded = load(path)
    assert [node.name for node in loaded.nodes] == ["mn1", "mn2"]
    assert len(loaded.file_systems) == 5
    assert loaded.path == path


def test_the_minimal_example_is_short() -> None:
    assert len(MINIMAL.splitlines()) < 25


def test_the_full_example_shows_every_key_and_its_default() -> None:
    def keys(value: object, name: str = "") -> set[str]:
        if isinstance(value, dict):
            below = [keys(inner, f"{name}.{key}".lstrip(".")) for key, inner in value.items()]
            return {name}.union(*below)
        return set().union(*(keys(inner, name) for inner in value)) if isinstance(value, list) else {name}

    every = {f"{table}.{key}".lstrip(".") for table, model in TABLES.items() for key in model.model_fields}
    text = (DOCS / "cluster.toml").read_text()
    assert keys(tomllib.loads(text)) - {""} | {"services.name"} == every
    assert set(EXAMPLES) == every
    full = cluster(text)
    minimal = cluster(MINIMAL)
    assert (full.policy, full.features) == (minimal.policy, minimal.features)


@pytest.mark.parametrize(
    ("added", "names", "features"),
    [
        ("", "nfs named xcatd httpd dhcp conserver", Features()),
        (
            'features = { dhcp = "kea", console = "goconserver", dns = false }',
            "nfs xcatd httpd kea goconserver",
            Features(dns=False, resolver=False, dhcp="kea", console="goconserver"),
        ),
        (
            'features = { dhcp = "none", console = "none", nfs = false, set_host_name = true }',
            "named xcatd httpd",
            Features(nfs=False, dhcp="", console="", set_host_name=True),
        ),
        (
            'services = ["named", "xcatd", "goconserver"]',
            "named xcatd goconserver",
            Features(nfs=False, dhcp="", console="goconserver"),
        ),
        ('services = ["xcatd"]', "xcatd", Features(nfs=False, dns=False, resolver=False, dhcp="", console="")),
    ],
)
def test_services_and_features_follow_from_each_other(added: str, names: str, features: Features) -> None:
    found = cluster(f"{added}\n{MINIMAL}")
    assert [service.name for service in found.services] == names.split()
    assert found.features == features


def test_a_table_changes_what_is_known_of_a_service() -> None:
    text = (
        'services = ["xcatd", { name = "dhcp", ports = [] }, { name = "lic", unit = "flexlm", titles = ["lmgrd "] }]\n'
    )
    xcatd, dhcp, own_service = cluster(text + MINIMAL).services
    assert xcatd == services.KNOWN["xcatd"]
    assert (dhcp.units, dhcp.ports) == (services.KNOWN["dhcp"].units, ())
    assert (own_service.units, own_service.ports, own_service.titles) == (("flexlm",), (), ("lmgrd ",))


def test_xcatd_takes_its_tftp_server_along() -> None:
    xcatd = services.KNOWN["xcatd"]
    seen = "in.tftpd"  # as a list of processes names it
    assert any(seen.startswith(title) for title in xcatd.titles)
    assert xcatd.ports == ("tcp/3001", "tcp/3002")


def test_nested_mount_points_are_ordered_outer_first() -> None:
    places = ["/etc/xcat", "/install/a/b", "/var/lib/pgsql", "/install/a", "/install", "/installed"]
    tables = [f'{{ mount_point = "{place}", source = "LABEL=x{n}" }}' for n, place in enumerate(places)]
    head, rest = MINIMAL.split("file_systems = [")
    text = f"{head}file_systems = [{', '.join(tables)}]{rest.partition(']')[2]}"
    ordered = [each.mount_point for each in cluster(text).file_systems]
    assert ordered == ["/etc/xcat", "/install", "/install/a", "/install/a/b", "/var/lib/pgsql", "/installed"]


def test_importing_the_package_imports_nothing_heavy() -> None:
    look = "import sys, hamn_flow.cluster; print(sorted({'pydantic', 'difflib', 'tomllib'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=DOCS.parent)
    assert ran.stdout == "[]\n"
