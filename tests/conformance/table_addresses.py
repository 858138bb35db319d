"""Addresses and ARP: `ip`, `arping`, and what the kernel does with secondary addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from hamn_flow.facts.network import (
    Addresses,
    Answers,
    Arping,
    ArpingFlavour,
    PromoteSecondaries,
)
from hamn_flow.model.pair import VirtualIp
from tests.conformance.row import MN2, NotReadable, Row, Saying, Scene, There, asks, does
from tests.conformance.targets import Simulated
from tests.conformance.vocabulary import (
    promoting,
    the_addresses,
    with_addresses,
)

VIP = "10.97.0.100"
NOBODY = "10.97.0.77"
OWN1, OWN2 = ("10.97.0.11", 24, "eth0", False), ("10.97.0.12", 24, "eth0", False)
UP = (VIP, 24, "eth0:0", True)
FIRST, SECOND = (
    VirtualIp(address=f"10.98.0.{last}", prefix=24, interface="eth0", host_name="nobody") for last in (1, 2)
)
FREE: dict[str, Any] = {"scene": Scene.RELEASED, "node": MN2}


def of(**changed: str) -> Callable[[There], VirtualIp]:
    """The virtual IP, with something said otherwise."""
    return lambda there: replace(there.vip, **changed)  # type: ignore[arg-type]


def add(address: Callable[[There], VirtualIp]) -> Saying:
    return lambda there: there.platform.add_address(address(there))


def delete(address: Callable[[There], VirtualIp]) -> Saying:
    return lambda there: there.platform.remove_address(address(there))


def announce(flavour: Arping) -> Saying:
    return lambda there: there.platform.announce_address(there.vip, flavour)


def who_answers(flavour: Arping, address: str = VIP, interface: str = "eth0") -> Callable[[There], Answers]:
    return lambda there: Answers(replace(there.vip, address=address, interface=interface), flavour)


@contextmanager
def habets(there: There) -> Iterator[None]:
    """The other program called arping; the two cannot be installed beside each other."""
    assert isinstance(there.target, Simulated)
    node = there.target.world.node(there.node)
    node.arping = "habets"
    yield
    node.arping = "iputils"


@contextmanager
def no_arping(there: There) -> Iterator[None]:
    assert isinstance(there.target, Simulated)
    node = there.target.world.node(there.node)
    node.arping = ""
    yield
    node.arping = "iputils"


TWO_PROGRAMS = "the two programs called arping cannot be installed beside each other"

ADDRESSES = (
    asks(
        "the addresses of the active node",
        Addresses(),
        read=lambda found: {(each.address, each.prefix, each.label, each.secondary) for each in found},
        means={("127.0.0.1", 8, "lo", False), OWN1, UP},
        output="1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
        "…: eth0    inet 10.97.0.11/24 …scope global eth0\\       valid_lft forever preferred_lft forever\n"
        f"…: eth0    inet {VIP}/24 brd 10.97.0.255 scope global secondary eth0:0\\       "
        "valid_lft forever preferred_lft forever\n",
    ),
    asks(
        "the addresses of the standby",
        Addresses(),
        read=lambda found: {(each.address, each.prefix, each.label, each.secondary) for each in found},
        means={("127.0.0.1", 8, "lo", False), OWN2},
        node=MN2,
    ),
    does("an address is added", add(of()), **FREE, sees=((the_addresses, {OWN2, UP}),), undo=(delete(of()),)),
    does(
        "an address is added that is there",
        add(of()),
        status=2,
        errors="Error: ipv4: Address already assigned.\n",
        sees=((the_addresses, {OWN1, UP}),),
    ),
    does(
        "an address is added to an interface that is not there",
        add(of(interface="eth7")),
        node=MN2,
        status=1,
        errors='Cannot find device "eth7"\n',
    ),
    does("an address is removed", delete(of()), **FREE, given=(with_addresses(),), sees=((the_addresses, {OWN2}),)),
    does(
        "an address is removed that is not there",
        delete(of()),
        node=MN2,
        status=2,
        errors="Error: ipv4: Address not found.\n",
        sees=((the_addresses, {OWN2}),),
    ),
    does(
        "an address is removed from an interface that is not there",
        delete(of(interface="eth7")),
        node=MN2,
        status=1,
        errors='Cannot find device "eth7"\n',
    ),
    does(
        "a primary address takes its secondary ones with it",
        delete(lambda _: FIRST),
        node=MN2,
        given=(promoting(on=False), with_addresses(FIRST, SECOND)),
        sees=((the_addresses, {OWN2}),),
    ),
    does(
        "a primary address hands over to the next one, where they are promoted",
        delete(lambda _: FIRST),
        node=MN2,
        given=(promoting(on=True), with_addresses(FIRST, SECOND)),
        sees=((the_addresses, {OWN2, (SECOND.address, 24, "eth0:0", False)}),),
    ),
    does(
        "a secondary address goes alone",
        delete(lambda _: SECOND),
        node=MN2,
        given=(promoting(on=False), with_addresses(FIRST, SECOND)),
        sees=((the_addresses, {OWN2, (FIRST.address, 24, "eth0:0", False)}),),
    ),
    asks(
        "secondary addresses are promoted",
        PromoteSecondaries("eth0"),
        means=True,
        node=MN2,
        given=(promoting(on=True),),
        output="1\n",
    ),
    asks(
        "secondary addresses are not promoted",
        PromoteSecondaries("eth0"),
        means=False,
        node=MN2,
        given=(promoting(on=False),),
        output="0\n",
    ),
    asks(
        "promotion on an interface that is not there",
        PromoteSecondaries("eth7"),
        means=NotReadable("No such file or directory"),
        status=1,
        output="",
        errors="cat: /proc/sys/net/ipv4/conf/eth7/promote_secondaries: No such file or directory\n",
    ),
)

ARP = (
    asks("which arping is there", ArpingFlavour(), means=Arping.IPUTILS, output="arping from iputils …\n"),
    asks(
        "which arping is there: the other one",
        ArpingFlavour(),
        means=Arping.HABETS,
        given=(habets,),
        only_simulated=TWO_PROGRAMS,
    ),
    asks(
        "which arping is there: none",
        ArpingFlavour(),
        means=None,
        given=(no_arping,),
        status=127,
        output="",
        errors="…",
        only_simulated="the lab's hosts have one",
    ),
    asks(
        "somebody answers for the virtual IP",
        who_answers(Arping.IPUTILS),
        means=True,
        node=MN2,
        status=1,
        output=f"ARPING {VIP} from 0.0.0.0 eth0\nUnicast reply from {VIP} […]  …ms\n"
        "Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n",
    ),
    asks(
        "nobody answers for an address",
        who_answers(Arping.IPUTILS, NOBODY),
        means=False,
        node=MN2,
        output=f"ARPING {NOBODY} from 0.0.0.0 eth0\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n",
    ),
    asks(
        "a node does not answer its own question",
        who_answers(Arping.IPUTILS),
        means=False,
        output=f"ARPING {VIP} from 0.0.0.0 eth0\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n",
    ),
    asks(
        "who answers on an interface that is not there",
        who_answers(Arping.IPUTILS, NOBODY, "eth7"),
        means=NotReadable("Device eth7 not available"),
        status=2,
        output="",
        errors="arping: Device eth7 not available.\n",
    ),
    asks(
        "somebody answers for the virtual IP: the other arping",
        who_answers(Arping.HABETS),
        means=True,
        node=MN2,
        given=(habets,),
        output="… packets transmitted, 2 packets received, …",
        only_simulated=TWO_PROGRAMS,
    ),
    asks(
        "nobody answers for an address: the other arping",
        who_answers(Arping.HABETS, NOBODY),
        means=False,
        node=MN2,
        given=(habets,),
        status=1,
        output="… packets transmitted, 0 packets received, …",
        only_simulated=TWO_PROGRAMS,
    ),
    does(
        "the virtual IP is announced",
        announce(Arping.IPUTILS),
        output=f"ARPING {VIP} from {VIP} eth0\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n",
    ),
    does(
        "an address is announced that the node does not have",
        announce(Arping.IPUTILS),
        node=MN2,
        status=2,
        errors="arping: bind: Cannot assign requested address\n",
    ),
    does(
        "the virtual IP is announced: the other arping",
        announce(Arping.HABETS),
        given=(habets,),
        status=1,
        output=f"ARPING {VIP}\n…2 packets transmitted, 0 packets received, …",
        only_simulated=TWO_PROGRAMS,
    ),
)

ROWS: tuple[Row, ...] = (*ADDRESSES, *ARP)
