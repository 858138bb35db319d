"""The traps of the guide's planned failover on Linux, by their numbers; some lie with the steps they belong to.

T19 is in tests/steps/test_busy.py; T27, T28 and T29 are in tests/steps/test_checks.py.
"""

from __future__ import annotations

import pytest

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.facts.network import Arping
from hamn_flow.model.pair import VirtualIp
from hamn_flow.model.probe import Finding
from hamn_flow.model.run import RunState
from hamn_flow.simulator.faults import Fails, Lies
from hamn_flow.simulator.state import Address, File
from hamn_flow.steps.addresses import ReleaseVirtualIp
from tests.steps.conftest import MN1, Pair, new_pair
from tests.workflows.conftest import Site


def place(site: Site, words: str) -> int:
    """Where a command comes in what was done."""
    found = [number for number, text in enumerate(site.done()) if words in text]
    assert len(found) == 1, f"{words}: {found}"
    return found[0]


def test_t17_each_thing_comes_after_what_it_needs(site: Site) -> None:
    """Database after address and file systems, xcatd after the database, NFS after the file systems; back reversed."""
    site.start("planned-failover")
    down = ["mn1: systemctl stop xcatd", "mn1: systemctl stop postgresql", "mn1: umount /var/lib/postgresql"]
    down += ["mn1: ip addr del"]
    order = [next(number for number, text in enumerate(site.done()) if text.startswith(one)) for one in down]
    assert order == sorted(order)
    standing = [number for number, text in enumerate(site.done()) if text.startswith(("mn2: mount", "mn2: ip addr"))]
    assert order[-1] < min(standing)
    for first in ("--no-block postgresql@15-main.service", "nfs-server", "named"):
        assert max(standing) < place(site, f"mn2: systemctl start {first}") < place(site, "mn2: systemctl start xcatd")
    for made in ("makedns -n", "makedhcp -n", "makeconservercf", "systemctl start conserver"):
        assert place(site, "mn2: systemctl start xcatd") < place(site, f"mn2: {made}")


def test_t18_every_daemon_of_the_role_is_stopped_in_reverse_order(site: Site) -> None:
    """The guide's Linux list lacks conserver, named, httpd and NFS."""
    site.start("planned-failover")
    names = [service.name for service in site.cluster.services]
    stopped = [step.name for step in site.run().steps if step.name.startswith("mn1.stop.")]
    assert stopped == [*(f"mn1.stop.{name}" for name in reversed(names)), "mn1.stop.database"]
    started = {step.name for step in site.run().steps if step.name.startswith("mn2.start.")}
    assert started == {*(f"mn2.start.{name}" for name in names), "mn2.start.database"}


def test_t20_only_the_shared_paths_are_unexported(site: Site) -> None:
    """What the node exports besides is left alone, and comes back though stopping the server forgets it."""
    site.world.run("mn1", "mkdir", "-p", "/srv/own")
    site.world.run("mn1", "exportfs", "-o", "ro", "cn1:/srv/own")
    site.start("planned-failover")
    assert [text for text in site.done() if "exportfs -u" in text] == [
        "mn1: exportfs -u '*:/install'",
        "mn1: exportfs -u '*:/tftpboot'",
    ]
    assert site.rollback() is RunState.ROLLED_BACK
    assert site.world.picture() == site.before


def test_t21_an_exit_status_proves_nothing_either_way(site: Site) -> None:
    """A stop that says 0 and did nothing is not believed; an unmount that says 1 and did it is no failure."""
    site.world.fault(Lies(node="mn1", words=("systemctl", "stop", "xcatd"), times=0))
    with pytest.raises(StepFailed, match=r"mn1.stop.xcatd: xcatd: running"):
        site.start("planned-failover")
    site.world.clear_faults()
    site.world.run("mn1", "systemctl", "stop", "xcatd")
    site.world.fault(Fails(node="mn1", words=("systemctl", "stop", "named"), status=1, errors="gone\n"))
    assert site.resume() is RunState.DONE


def primary(pair: Pair) -> ReleaseVirtualIp:
    """The virtual IP became the primary address of its subnet, as after a restart of the network."""
    pair.world.node("mn1").addresses[:] = [
        Address("eth0", "10.97.0.100", 24),
        Address("eth0", "10.97.0.11", 24, secondary=True),
    ]
    step = pair.step("planned-failover", "mn1.release-virtual-ip")
    assert isinstance(step, ReleaseVirtualIp)
    return step


def test_t22_an_address_that_would_take_the_nodes_own_along_is_not_deleted() -> None:
    pair = new_pair()
    step = primary(pair)
    objection = step.objection(pair.nodes) or ""
    assert "would delete 10.97.0.11 as well" in objection
    assert "sysctl -w net.ipv4.conf.eth0.promote_secondaries=1" in objection
    pair.world.node("mn1").promote_secondaries["eth0"] = True
    assert step.objection(pair.nodes) is None


def test_t22_nor_by_the_undo_of_a_claim() -> None:
    pair = new_pair()
    primary(pair)
    pair.world.run("mn1", "systemctl", "stop", "xcatd")
    claim = pair.step("activate", "mn1.claim-virtual-ip", node=MN1)
    assert "would delete 10.97.0.11 as well" in (claim.objection_to_undo(pair.nodes) or "")


def test_t22_only_this_one_address_is_named(site: Site) -> None:
    site.start("planned-failover")
    assert [text for text in site.done() if "addr del" in text] == ["mn1: ip addr del 10.97.0.100/24 dev eth0"]
    assert not any("ifconfig" in text or "addr flush" in text for text in site.done())


def test_t23_the_address_has_its_prefix_and_label_and_is_announced(site: Site) -> None:
    site.start("planned-failover")
    added = place(site, "mn2: ip addr add 10.97.0.100/24 brd + dev eth0 label eth0:0")
    assert place(site, "mn2: arping -U -c 2 -i eth0 10.97.0.100") > added


@pytest.mark.parametrize(("arping", "flag"), [(Arping.IPUTILS, "-I"), (Arping.HABETS, "-i")])
def test_t23_both_programs_called_arping_are_understood(arping: Arping, flag: str) -> None:
    """Their exit statuses are opposite, and that of an announcement by Habets' is 1, as nobody answers it."""
    pair = new_pair(arping=(arping.value, arping.value))
    step = pair.step("activate", "mn2.address-free", node="mn2")
    taken = step.probe(pair.nodes)
    assert (taken.finding, "mn1 cannot be excluded" in taken.reason) == (Finding.TODO, True)
    pair.go_through("planned-failover", until="mn2.claim-virtual-ip")
    assert step.probe(pair.nodes).finding is Finding.DONE
    announce = pair.step("activate", "mn2.announce-virtual-ip", node="mn2")
    pair.go_through("activate", until="mn2.announce-virtual-ip", node="mn2")
    (command,) = announce.apply(pair.nodes)
    assert command.argv == ("arping", "-U", "-c", "2", flag, "eth0", "10.97.0.100")
    assert pair.world.run("mn2", *command.argv).status in announce.fine_statuses


def test_t23_a_label_is_never_too_long_for_the_kernel() -> None:
    label = VirtualIp(address="10.97.0.100", prefix=24, interface="enp131s0f1", host_name="mn").label
    assert len(label) <= 15


def test_t24_nothing_is_made_to_last_over_a_boot(site: Site) -> None:
    """A node that boots comes up as a standby, whatever it was."""
    untouched = {name: site.world.node(name).root.files.copy() for name in ("mn1", "mn2")}
    site.start("planned-failover")
    changed = {path for path, file in site.world.node("mn2").root.files.items() if untouched["mn2"].get(path) != file}
    assert changed <= {"/etc/resolv.conf", "/etc/dhcp/dhcpd.conf", "/etc/dhcp/dhcpd.conf.xcatbak", "/etc/conserver.cf"}
    assert site.world.node("mn1").root.files == untouched["mn1"]
    site.world.boot("mn2")
    node = site.world.node("mn2")
    assert not node.mounts
    assert [address.address for address in node.addresses] == ["10.97.0.12"]
    assert not any(unit.active for name, unit in node.units.items() if name in {"xcatd.service", "named.service"})


def test_t24_a_virtual_ip_that_would_come_back_at_boot_is_found_before_anything_is_touched(site: Site) -> None:
    site.world.node("mn1").root.files["/etc/rc.local"] = File("ifconfig eth0:0 10.97.0.100 netmask 255.255.255.0\n")
    site.world.node("mn2").root.files["/etc/netplan/01.yaml"] = File("addresses: [10.97.0.1005/24]\n")
    with pytest.raises(Refused, match=r"mn1 may come up with 10\.97\.0\.100 when it boots: /etc/rc\.local"):
        site.start("planned-failover")
    assert not site.world.state.log


def test_t25_the_nameserver_line_is_a_valid_one_and_there_once(site: Site) -> None:
    for _again in ("mn2", "mn1", "mn2"):
        site.start("planned-failover")
    lines = site.world.node("mn2").root.files["/etc/resolv.conf"].content.splitlines()
    assert lines.count("nameserver 10.97.0.100") == 1
    assert next(line for line in lines if line.startswith("nameserver")) == "nameserver 10.97.0.100"


def test_t26_dhcp_serves_nothing_before_its_configuration_is_made_anew(site: Site) -> None:
    """It is held while xcatd starts, which brings it up on some systems."""
    site.start("planned-failover")
    held = place(site, "mn2: systemctl mask --runtime isc-dhcp-server")
    xcatd, freed = place(site, "mn2: systemctl start xcatd"), place(site, "mn2: systemctl unmask --runtime isc-dhcp")
    assert held < xcatd < freed < place(site, "mn2: makedhcp -n") < place(site, "mn2: makedhcp -a")
    assert not any("mn2: systemctl start isc-dhcp-server" in text for text in site.done())


def test_t26_only_one_dhcp_server_may_answer() -> None:
    pair = new_pair()
    step = pair.step("planned-failover", "mn2.makedhcp")
    pair.go_through("planned-failover", until=step.name)
    assert step.objection(pair.nodes) is None
    pair.world.node("mn1").units["isc-dhcp-server.service"].active_state = "active"
    assert "mn1 runs dhcp" in (step.objection(pair.nodes) or "")


def test_t26_what_makedhcp_started_does_not_stay_on_the_standby(site: Site) -> None:
    site.start("planned-failover")
    assert site.world.node("mn2").units["isc-dhcp-server.service"].active
    site.rollback()
    assert not site.world.node("mn2").units["isc-dhcp-server.service"].active


@pytest.mark.parametrize(("user", "title"), [("postgres", "psql"), ("root", "psql -U postgres")])
def test_a_stale_lock_file_is_removed_only_if_postgresql_names_it(user: str, title: str, site: Site) -> None:
    """The pid of the dead server now belongs to another process that it takes for a server: it refuses to start (T34).

    By its user, says PostgreSQL itself; by a word in its command line, says Debian's pg_ctlcluster.
    """
    site.world.power_off("mn1")
    site.world.boot("mn1")
    lock = site.world.state.disks["postgresql"].files["/15/main/postmaster.pid"]
    pid = int(lock.content.split()[0])
    stranger = site.world.hold("mn1", "/run", user=user, command="psql")
    stranger.title = title
    processes = site.world.node("mn1").processes
    del processes[stranger.pid]
    stranger.pid = pid
    processes[pid] = stranger
    site.start("activate", node="mn1")
    assert "mn1: rm -f -- /var/lib/postgresql/15/main/postmaster.pid" in site.done()
    assert site.run().summary.state is RunState.DONE


def test_a_lock_file_stays_while_a_server_lives(site: Site) -> None:
    site.world.power_off("mn1")
    site.world.boot("mn1")
    lock = site.world.state.disks["postgresql"].files["/15/main/postmaster.pid"]
    server = site.world.hold("mn1", "/run", user="postgres", command="postgres")
    processes = site.world.node("mn1").processes
    del processes[server.pid]
    server.pid, server.title = int(lock.content.split()[0]), "postgres: 15/other: walwriter"
    processes[server.pid] = server
    with pytest.raises(StepFailed, match=r"mn1\.start\.database"):
        site.start("activate", node="mn1")
    assert not any("postmaster.pid" in text for text in site.done())
