"""The services in their order, the features, and whether the two agree (traps T18, T26; xCAT issue 2436)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hamn_flow.cluster.checks.storage import UNIT, not_a_unit
from hamn_flow.cluster.problem import Mistake, Where, listed, nearest, shown
from hamn_flow.cluster.said import Said
from hamn_flow.cluster.services import KNOWN, OF_FEATURE
from hamn_flow.model.pair import Policy

_DATABASE = re.compile(r"(postgresql|postgres|pgsql|mysqld?|mariadb|db2\w*|sqlite)([-@].*)?(\.service)?", re.IGNORECASE)
_TFTP = re.compile(r"(tftpd?|tftpd?-hpa|atftpd|in\.tftpd|tftpd?-server)(\.service|\.socket)?", re.IGNORECASE)
_LIFELINE = re.compile(
    r"(sshd?|dbus|dbus-broker|NetworkManager|network|networking|wicked|systemd-.*)(\.service|\.socket)?"
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PORT = re.compile(r"(tcp|udp)/([1-9][0-9]{0,4})")


def mistakes(said: Said) -> Iterator[Mistake]:
    """What is wrong with the services, the features and the policy."""
    for n in range(said.count("services")):
        yield from _service(said, n)
    if isinstance(said.at("services"), list):
        yield from _together(said)
        yield from _features(said)
    yield from _resolver(said)
    yield from _policy(said)


def _place(said: Said, n: int) -> Where:
    """Where the name of a service stands."""
    return ("services", n) if isinstance(said.at("services", n), str) else ("services", n, "name")


def _names(said: Said) -> dict[str, Where]:
    """The services by name, with where each is first named, in the file's order."""
    found: dict[str, Where] = {}
    for n in range(said.count("services")):
        if (name := said.text(*_place(said, n))) is not None:
            found.setdefault(name, _place(said, n))
    return found


def _service(said: Said, n: int) -> Iterator[Mistake]:
    name, unit = said.text(*_place(said, n)), said.text("services", n, "unit")
    if name is not None:
        yield from _forbidden(_place(said, n), name)
    if unit is not None:
        if UNIT.fullmatch(unit):
            yield from _forbidden(("services", n, "unit"), unit)
        else:
            yield not_a_unit(("services", n, "unit"), unit)
    if name is not None and not _allowed(name):
        return
    if name is not None and name not in KNOWN and said.at("services", n, "unit") is None:
        yield _unknown(_place(said, n), name)
    yield from _ports(said, n)
    yield from _titles(said, n)


def _allowed(name: str) -> bool:
    return not any(pattern.fullmatch(name) for pattern in (_DATABASE, _TFTP, _LIFELINE))


def _forbidden(where: Where, name: str) -> Iterator[Mistake]:
    if _DATABASE.fullmatch(name):
        yield Mistake(
            where=where,
            sentence=f"{name} is the database, not one of the services",
            hint="Remove it from services; the database has a table of its own, and starts before all services.",
        )
    elif _TFTP.fullmatch(name):
        yield Mistake(
            where=where,
            sentence=f"{name} must not run on a management node, because xcatd starts a TFTP server of its own",
            hint="Remove it from services, and type systemctl disable --now with its unit on both nodes.",
        )
    elif _LIFELINE.fullmatch(name):
        yield Mistake(
            where=where,
            sentence=f"{name} must go on running on both nodes, or they cannot be reached",
            hint="Remove it from services.",
        )
    elif where[-1] != "unit" and not _NAME.fullmatch(name):
        yield Mistake(
            where=where,
            sentence=f"{shown(name)} cannot be the name of a service",
            hint="Write letters, digits, dots, hyphens and underscores.",
        )


def _unknown(where: Where, name: str) -> Mistake:
    near = nearest(name, KNOWN)
    meant = f'Write "{near}"' if near else f"Write one of {listed(KNOWN)}"
    return Mistake(
        where=where,
        sentence=f"service {shown(name)} is not known, and no unit is given for it",
        hint=f'{meant}, or {{ name = {shown(name)}, unit = "..." }} for a service of your own.',
    )


def _ports(said: Said, n: int) -> Iterator[Mistake]:
    for k in range(said.count("services", n, "ports")):
        port = said.text("services", n, "ports", k)
        if port is None:
            continue
        match = _PORT.fullmatch(port)
        if match is None or int(match[2]) > 65535:
            yield Mistake(
                where=("services", n, "ports", k),
                sentence=f"{shown(port)} is not a port",
                hint='Write protocol and number, for example "tcp/3001" or "udp/67".',
            )


def _titles(said: Said, n: int) -> Iterator[Mistake]:
    for k in range(said.count("services", n, "titles")):
        title = said.text("services", n, "titles", k)
        if title is not None and len(title.strip()) < 3:
            yield Mistake(
                where=("services", n, "titles", k),
                sentence=f"{shown(title)} begins the title of too many processes",
                hint="Write how the service's processes begin in ps -eo args, for example their whole path.",
            )


def _together(said: Said) -> Iterator[Mistake]:
    seen: set[str] = set()
    for n in range(said.count("services")):
        name = said.text(*_place(said, n))
        if name is not None and name in seen:
            yield Mistake(
                where=_place(said, n),
                sentence=f"service {shown(name)} is there twice",
                hint="Remove one of the two; services start in the order in which they stand.",
            )
        seen.add(name or "")
    names = _names(said)
    if "xcatd" not in names:
        yield Mistake(
            where=("services",),
            sentence="xcatd is not among the services",
            hint='Write "xcatd" into services: it is what the role is about.',
        )
    for first, second in (("dhcp", "kea"), ("conserver", "goconserver")):
        if first in names and second in names:
            yield Mistake(
                where=names[second],
                sentence=f"{first} and {second} do the same work and cannot both follow the role",
                hint=f"Remove {first} or {second} from services.",
            )
    order = list(names)
    for dhcp in ("dhcp", "kea"):
        if dhcp in names and "xcatd" in names and order.index(dhcp) < order.index("xcatd"):
            yield Mistake(
                where=names[dhcp],
                sentence=f"{dhcp} starts before xcatd and would serve the standby's old configuration",
                hint=f'Write "{dhcp}" after "xcatd": services start in the order in which they stand.',
            )


def _features(said: Said) -> Iterator[Mistake]:
    """Only what is said in both places can disagree: else the features follow from the services."""
    names = _names(said)
    for feature, needs in OF_FEATURE.items():
        value = said.at("features", feature)
        if not isinstance(value, str | bool) or (isinstance(value, str) and value not in {*needs, "none"}):
            continue
        needed = needs.get(value, "")
        if needed and needed not in names:
            yield Mistake(
                where=("features", feature),
                sentence=f"features.{feature} is {shown(value)}, but {needed} is not among the services",
                hint=f'Write "{needed}" into services, or remove {feature} from features.',
            )
        for name in needs.values():
            if name != needed and name in names:
                yield Mistake(
                    where=("features", feature),
                    sentence=f"features.{feature} is {shown(value)}, but {name} is among the services",
                    hint=f'Remove "{name}" from services, or remove {feature} from features.',
                )


def _resolver(said: Said) -> Iterator[Mistake]:
    if said.at("features", "resolver") is True and said.at("features", "dns") is False:
        yield Mistake(
            where=("features", "resolver"),
            sentence="features.resolver names the virtual IP as name server, but features.dns is false",
            hint="Remove resolver, or write dns = true.",
        )


def _policy(said: Said) -> Iterator[Mistake]:
    first = said.decimal("policy", "first_wait", default=Policy.first_wait)
    longest = said.decimal("policy", "longest_wait", default=Policy.longest_wait)
    if first is not None and longest is not None and first > longest:
        yield Mistake(
            where=("policy", "first_wait"),
            sentence=f"the first wait of {shown(first)} seconds is longer than the longest of {shown(longest)}",
            hint="Write a smaller first_wait, or a larger longest_wait.",
        )
