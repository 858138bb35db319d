"""A lab is set up, looked at, entered, and taken down without a trace, however often and wherever it was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hamn_flow.cluster import load
from hamn_flow.errors import Refused
from hamn_flow.lab import disk, groups, host, network, pair, requirements
from hamn_flow.lab.alone import lock_of
from hamn_flow.lab.place import ADDRESSES, FILE_SYSTEMS, MN1, MN2, NODES, VIRTUAL_IP, Lab, labelled
from hamn_flow.lab.status import status
from hamn_flow.lab.up import Options, up
from tests.lab.conftest import command, typed
from tests.real_hosts import traces

# --- without root ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "lab-1", "ninechars", "lab/x", ".."])
def test_a_name_that_cannot_be_part_of_others_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="cannot be a lab's name"):
        Lab(name=name)


def test_a_folder_that_an_overlay_could_not_name_is_refused() -> None:
    with pytest.raises(Refused, match="comma"):
        Lab(directory=Path("/srv/one,two"))


def test_all_that_is_missing_is_said_at_once_with_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "_HERE", {"no-such-program": "no-such-package"})
    with pytest.raises(Refused) as refused:
        requirements.check(tmp_path, dhcp="isc", stand_ins=True)
    assert "the lab needs no-such-program, and there is none" in refused.value.sentence
    assert "a host needs dbus-daemon, perl, sshd, systemd, arping" in refused.value.sentence
    assert "apt-get install no-such-package first" in refused.value.hint
    with pytest.raises(Refused, match="there is no folder"):
        requirements.check(tmp_path / "none", dhcp="isc", stand_ins=False)
    assert {"sshd", "named", "dhcpd", "cron"} <= set(re.findall(r"[\w-]+", refused.value.sentence))
    assert {"openssh-server", "bind9", "isc-dhcp-server", "cron"} <= set(re.findall(r"[\w-]+", refused.value.hint))
    assert "bind9" not in requirements.inside(tmp_path, dhcp="isc", stand_ins=False).values()


def test_only_root_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="needs root"):
        requirements.check(Path("/"), dhcp="isc", stand_ins=True)


@pytest.mark.parametrize(("dhcp", "service"), [("isc", "dhcp"), ("kea", "kea")])
def test_the_pairs_file_is_valid(dhcp: str, service: str, tmp_path: Path) -> None:
    lab = Lab(name="valid", directory=tmp_path)
    lab.place.mkdir()
    lab.cluster_file.write_text(pair.cluster_toml(lab, "15", dhcp))
    cluster = load(lab.cluster_file)
    assert [each.name for each in cluster.services] == ["nfs", "named", "xcatd", service, "conserver"]
    assert {each.source for each in cluster.file_systems} == {f"UUID={each.uuid(lab)}" for each in FILE_SYSTEMS}


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        (["cgroup2 cgroup2 rw"], ["/sys/fs/cgroup/0"]),
        (["cgroup cgroup rw,memory", "cgroup cgroup rw,xattr,name=systemd", "cgroup2 x rw"], ["1", "2"]),
        (["cgroup cgroup rw,memory", "tmpfs tmpfs rw"], []),
    ],
    ids=["one", "older", "none"],
)
def test_the_hierarchies_that_systemd_uses(mounts: list[str], found: list[str], tmp_path: Path) -> None:
    lines = (f"{n} 1 0:{n} / /sys/fs/cgroup/{n} rw shared:9 - {mount}\n" for n, mount in enumerate(mounts))
    (tmp_path / "mountinfo").write_text("".join(lines))
    assert [str(each) for each in groups.hierarchies(tmp_path / "mountinfo")] == [
        str(Path("/sys/fs/cgroup") / each) for each in found
    ]


# --- a lab that is up --------------------------------------------------------------------------------------------


@pytest.mark.lab
def test_two_hosts_are_up_and_the_first_is_active(lab: Lab) -> None:
    found = json.loads(typed(lab, "status", "--json").stdout)
    assert found["state"] == "up"
    assert [(each["name"], each["role"]) for each in found["hosts"]] == [(MN1, "active"), (MN2, "standby")]
    assert found["hosts"][0]["addresses"] == [ADDRESSES[MN1], VIRTUAL_IP]
    assert found["hosts"][0]["mounted"] == [each.mount_point for each in FILE_SYSTEMS]
    for node in NODES:
        assert host.run(lab, node, "systemctl", "is-system-running").strip() == "running"
        assert host.run(lab, node, "hostname").strip() == node


@pytest.mark.lab
def test_a_planned_failover_could_start(lab: Lab) -> None:
    for words in (("check",), ("plan", "planned-failover")):
        ran = typed(lab, "run", "hamn-flow", *words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 to do" not in ran.stdout


@pytest.mark.lab
def test_status_and_streams_of_commands_pass_through(lab: Lab) -> None:
    for words in (("exec", MN2, "--", "sh"), ("exec", MN2, "sh"), ("run", "--", "sh"), ("run", "sh")):
        ran = subprocess.run(
            command(lab, *words, "-c", "cat; echo out; echo err >&2; exit 7"),
            input="in\n", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (ran.returncode, ran.stdout, ran.stderr) == (7, "in\nout\n", "err\n"), words
    with subprocess.Popen(command(lab, "run", "yes"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as talker:
        assert talker.stdout
        assert talker.stdout.readline() == b"y\n"
        talker.stdout.close()
        assert talker.wait(30) == -signal.SIGPIPE
    assert typed(lab, "exec", "mn3", "true").returncode == 2


@pytest.mark.lab
def test_nothing_leads_out_of_the_lab(lab: Lab) -> None:
    """Looked at, not tried: links and routes of all three namespaces."""
    network.verify(lab)
    for name, links in ((lab.network, {"lo", "br0", MN1, MN2}), *((lab.host(node), {"lo", "eth0"}) for node in NODES)):
        said = [("link",), ("-4", "route"), ("-6", "route")]
        told = [json.loads(_out("ip", "-n", name, "-j", *words) or "[]") for words in said]
        assert {link["ifname"] for link in told[0]} == links
        assert {route["dst"] for route in told[1]} == {"10.97.0.0/24"}
        assert {route["dst"] for route in told[2]} <= {"fe80::/64"}


@pytest.mark.lab
def test_a_way_out_would_be_noticed(lab: Lab) -> None:
    stray = ("ip", "-n", lab.network, "link")
    _out(*stray, "add", "stray", "type", "bridge")
    try:
        with pytest.raises(Exception, match="stray"):
            network.verify(lab)
    finally:
        _out(*stray, "del", "stray")


@pytest.mark.lab
def test_a_host_sees_its_own_side_of_the_disk_and_no_other(lab: Lab) -> None:
    for node in NODES:
        own = {disk.partition(lab, node, each).name for each in FILE_SYSTEMS}
        listed = host.run(lab, node, "find", "/dev", "-type", "b", "-printf", "%f\n")
        assert set(listed.split()) == own
        for each in FILE_SYSTEMS:
            for link in (f"/dev/disk/by-uuid/{each.uuid(lab)}", f"/dev/disk/by-label/{each.label}"):
                assert host.run(lab, node, "readlink", "-e", link).strip() == str(disk.partition(lab, node, each))
        assert "features" in host.run(lab, node, "ls", "/sys/fs/ext4")


@pytest.mark.lab
def test_a_host_knows_nothing_of_the_machine(lab: Lab) -> None:
    for node in NODES:
        assert host.run(lab, node, "cat", "/etc/fstab").startswith("#")
        assert host.run(lab, node, "cat", "/etc/machine-id") != Path("/etc/machine-id").read_text()
        for hidden in ("/home", "/var/lib/hamn-flow", "/etc/cron.d", str(lab.directory.resolve())):
            assert host.exec(lab, node, ("ls", "-A", hidden)).stdout == ""
        assert set(host.run(lab, node, "ls", "-A", "/root").split()) <= {".ssh", ".xcat"}
        assert host.run(lab, node, "ls", "/sys/class/net").split() == ["eth0", "lo"]
    assert host.run(lab, MN1, "cat", "/etc/machine-id") != host.run(lab, MN2, "cat", "/etc/machine-id")


@pytest.mark.lab
def test_nothing_of_the_role_starts_at_boot(lab: Lab) -> None:
    units = ("xcatd", "named", "isc-dhcp-server", "conserver", "nfs-server", "postgresql@15-main", "kea-dhcp4-server")
    said = host.exec(lab, MN2, ("systemctl", "show", "--property=UnitFileState,ActiveState,Id", *units)).stdout
    states = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
    assert len(states) == len(units)
    for state in states:
        assert state["ActiveState"] == "inactive", state
        assert state["UnitFileState"] in {"disabled", "generated"}, state


@pytest.mark.lab
def test_the_hosts_let_each_other_in(lab: Lab) -> None:
    for node, peer in (NODES, NODES[::-1]):
        assert host.run(lab, node, "ssh", "-oBatchMode=yes", peer, "hostname").strip() == peer


@pytest.mark.lab
def test_what_is_not_mounted_shows_the_hosts_own_content(lab: Lab) -> None:
    assert host.exec(lab, MN1, ("cat", "/install/README.local")).returncode == 1
    for each in FILE_SYSTEMS:
        assert host.run(lab, MN2, "cat", f"{each.mount_point}/README.local") == "This is mn2's own disk.\n"
    assert "10.97.0.12" in host.run(lab, MN2, "env", "XCATBYPASS=1", "tabdump", "site")
    assert host.exec(lab, MN2, ("tabdump", "site")).returncode == 111
    assert "10.97.0.100" in host.run(lab, MN1, "tabdump", "site")


@pytest.mark.lab
def test_a_second_up_changes_nothing(lab: Lab) -> None:
    before = [groups.leader(lab, node) for node in NODES]
    again = typed(lab, "up")
    assert (again.returncode, again.stdout) == (0, f"lab {lab.name} is up already\n")
    assert [groups.leader(lab, node) for node in NODES] == before


@pytest.mark.lab
def test_labs_of_one_name_in_two_folders_do_not_meet(lab: Lab, tmp_path: Path) -> None:
    """Not even where of one of them a part is left, as after the machine's own reboot."""
    other = Lab(name=lab.name, directory=tmp_path)
    for left in ("mn1", "mn2"):
        (other.place / left).mkdir(parents=True)
    lock_of(other).touch()
    assert [each.role for each in status(other).hosts] == ["off", "off"]
    assert typed(other, "down").returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert [each.role for each in status(lab).hosts] == ["active", "standby"]


@pytest.mark.lab
@pytest.mark.parametrize("what", ["up", "down"])
def test_a_folder_that_is_not_a_labs_is_left_alone(able: None, tmp_path: Path, what: str) -> None:
    del able
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "mn1").write_text("years of work")
    refused = typed(Lab(name="thesis", directory=tmp_path), what)
    assert refused.returncode == 5
    assert "is not a lab's folder, as mn1 in it tells" in refused.stderr
    assert (tmp_path / "thesis" / "mn1").read_text() == "years of work"
    assert typed(Lab(name="mn1", directory=tmp_path / "thesis"), what).returncode == 5


@pytest.mark.lab
def test_a_power_cycle_takes_what_only_memory_held(lab: Lab) -> None:
    def boot_id() -> str:
        return host.run(lab, MN2, "cat", "/proc/sys/kernel/random/boot_id")

    before = boot_id(), host.run(lab, MN2, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    host.run(lab, MN2, "ip", "addr", "add", "10.97.0.77/24", "dev", "eth0")
    host.run(lab, MN2, "mount", "-t", "tmpfs", "tmpfs", "/srv")
    host.write(lab, MN2, "/root/kept", "on its own disk\n")
    host.power_off(lab, MN2)
    assert [(each.name, each.role) for each in status(lab).hosts] == [(MN1, "active"), (MN2, "off")]
    assert typed(lab, "exec", MN2, "true").returncode == 5
    host.power_on(lab, MN2)
    host.wait(lab, MN2)
    try:
        after = boot_id(), host.run(lab, MN2, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
        assert after[0] != before[0]
        assert after[1] == before[1]
        assert status(lab).hosts[1].addresses == (ADDRESSES[MN2],)
        assert host.exec(lab, MN2, ("mountpoint", "/srv")).returncode != 0
        assert host.run(lab, MN2, "cat", "/root/kept") == "on its own disk\n"
        assert host.run(lab, MN1, "ssh", "-oBatchMode=yes", MN2, "hostname").strip() == MN2
    finally:
        host.run(lab, MN2, "rm", "-f", "/root/kept")


# --- taken down --------------------------------------------------------------------------------------------------


@pytest.mark.lab
def test_two_at_once_are_refused_and_the_first_goes_on(another: Lab) -> None:
    with begun(another, "has booted") as first:
        assert json.loads(typed(another, "status", "--json").stdout)["state"] == "changing"
        refused = typed(another, "up")
        assert refused.returncode == 6
        assert "another hamn-flow lab command" in refused.stderr
        assert first.wait(90) == 0
    assert [each.role for each in status(another).hosts] == ["active", "standby"]


@pytest.mark.lab
def test_with_an_image_the_hosts_have_what_it_has(another: Lab, image: Path) -> None:
    """Its xCAT, its units and its files; of their own they have their keys, their names and what they mount."""
    said: list[str] = []
    up(another, Options(image=str(image)), said.append)
    assert any(line.endswith(f"lab {another.name} is up") for line in said)
    for node in NODES:
        for path, text in IMAGE_HAS.items():
            assert host.run(another, node, "cat", path) == text
        assert host.run(another, node, "hostname").strip() == node
        assert host.run(another, node, "systemctl", "is-active", "own").strip() == "active"
        assert host.exec(another, node, ("ls", "/opt/xcat/sbin")).returncode != 0
    assert host.run(another, MN1, "ssh", "-oBatchMode=yes", MN2, "hostname").strip() == MN2
    assert status(another).hosts[0].role == "standby"


IMAGE_HAS = {
    "/opt/xcat/bin/lsdef": "the image's\n",
    "/etc/xcat/cfgloc": "SQLite:/etc/xcat\n",
    "/root/.xcat/client-cred.pem": "a certificate\n",
    "/etc/exports": "/home *(ro)\n",
}
_UNIT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Path]:
    """A root file system with an xCAT: the machine's own, without its units, and with more files."""
    root, upper = tmp_path / "image", tmp_path / "upper"
    for folder in (root, upper, tmp_path / "work"):
        folder.mkdir()
    units = upper / "etc/systemd/system"
    for folder in (units / "multi-user.target.wants", upper / "opt/xcat"):
        folder.mkdir(parents=True)
    for folder in (units, upper / "opt/xcat"):
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    (units / "own.service").write_text(_UNIT)
    (units / "multi-user.target.wants" / "own.service").symlink_to("/etc/systemd/system/own.service")
    layers = f"lowerdir=/,upperdir={upper},workdir={tmp_path / 'work'}"
    _out("mount", "-t", "overlay", "overlay", "-o", layers, root)
    try:
        for path, text in IMAGE_HAS.items():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).write_text(text)
        yield root
    finally:
        _out("umount", root)


@pytest.mark.lab
def test_with_kea_a_failover_could_start_too(another: Lab) -> None:
    up(another, Options(dhcp="kea"), print)
    ran = typed(another, "run", "hamn-flow", "check")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "10.97.0.21" in host.run(another, MN1, "makedhcp", "-q", "cn1")


@pytest.mark.lab
def test_what_cannot_be_set_up_leaves_nothing(another: Lab, tmp_path: Path) -> None:
    image = tmp_path / "image"
    for folder in ("etc", "usr/bin", "usr/sbin", "usr/lib/systemd", "usr/lib/postgresql/15/bin", "var"):
        (image / folder).mkdir(parents=True)
    for program in ("bin/dbus-daemon", "bin/perl", "sbin/sshd", "lib/systemd/systemd"):
        (image / "usr" / program).touch()
    (image / "lib").symlink_to("usr/lib")
    failed = typed(another, "up", "--image", str(image))
    assert failed.returncode == 4, failed.stdout + failed.stderr
    assert "mn1 did not boot" in failed.stderr
    assert traces(another) == []


@pytest.mark.lab
@pytest.mark.parametrize("seed", range(6))
def test_up_killed_at_its_beginning_and_taken_down_leaves_nothing(another: Lab, seed: int) -> None:
    """Where most of it is made; and `down` may be killed too."""
    _killed(another, "up", random.Random(seed).uniform(0.05, 1.2))  # noqa: S311 - the same each time
    if seed % 2:
        _killed(another, "down", random.Random(seed).uniform(0.05, 0.4))  # noqa: S311 - the same each time
    assert typed(another, "down").returncode == 0
    assert traces(another) == []
    again = typed(another, "down")
    assert again.returncode == 0
    assert "there is no lab" in again.stdout


@pytest.mark.lab
@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("has booted", signal.SIGINT),
        ("below the mount points", signal.SIGKILL),
        ("database and xcatd run", signal.SIGTERM),
    ],
)
def test_up_ended_later_leaves_nothing(another: Lab, said: str, number: signal.Signals) -> None:
    """By itself where it is asked to end; after a kill by `down`, also while a database and mounts are there."""
    with begun(another, said) as first:
        first.send_signal(number)
        status = first.wait(60)
    if number is signal.SIGKILL:
        assert typed(another, "down").returncode == 0
    else:
        assert status == 130
    assert traces(another) == []


@pytest.mark.lab
def test_up_begins_anew_where_one_was_killed(another: Lab) -> None:
    _killed(another, "up", 0.9)
    up(another, Options(image="/"), print)
    assert status(another).state == "up"
    assert all(each.leader for each in status(another).hosts)


def _killed(lab: Lab, what: str, after: float) -> None:
    child = subprocess.Popen(command(lab, what), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    child.kill()
    child.wait(30)


@contextmanager
def begun(lab: Lab, said: str) -> Iterator[subprocess.Popen[str]]:
    """An `up` that has come as far as to say this; killed if it outlives the block."""
    with subprocess.Popen(
        command(lab, "up"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | _UNBUFFERED
    ) as child:
        assert child.stdout
        try:
            assert any(said in line for line in child.stdout), f"it never said {said!r}"
            yield child
        finally:
            child.kill()


_UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


# --- the disk ----------------------------------------------------------------------------------------------------


@pytest.mark.lab
def test_what_one_host_wrote_and_unmounted_the_other_reads(another: Lab) -> None:
    """Both loop devices have caches of their own over one image; a partition's goes with its last close."""
    up(another, Options(image="/"), print)
    drawn = random.Random(7)  # noqa: S311 - the same each time
    file_system, written = labelled("install"), dict[str, str]()
    device = f"/dev/disk/by-uuid/{file_system.uuid(another)}"
    for _ in range(50):
        node, name = drawn.choice(NODES), f"file{drawn.randrange(8)}"
        content = drawn.randbytes(drawn.randrange(1 << 19)).hex()
        host.run(another, node, "mount", "-t", "ext4", device, "/mnt")
        sums = host.run(another, node, "find", "/mnt", "-type", "f", "-exec", "sha256sum", "{}", "+")
        assert {line.rpartition("/")[2]: line.split()[0] for line in sums.splitlines()} == written
        host.write(another, node, f"/mnt/{name}", content)
        written[name] = hashlib.sha256(content.encode()).hexdigest()
        for each in NODES:  # whoever looks from the other side keeps nothing of what was there
            assert f"UUID={file_system.uuid(another)}" in host.run(another, each, "blkid", "-p", "-oexport", device)
        host.run(another, node, "umount", "/mnt")
    for node in NODES:
        host.run(another, node, "e2fsck", "-f", "-n", device)


def _out(*words: str | Path) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
