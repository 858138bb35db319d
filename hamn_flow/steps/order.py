"""Which services of the role may start and stop side by side.

What each needs is known of xCAT's own (the ordering of the Pacemaker examples in xCAT's documents): the exports need
the file systems, named and httpd the virtual IP as well, xcatd the database, and what xCAT's commands write the
configuration of needs xcatd. Of any other service only the place that the site gave it is known, so it has its turn
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from hamn_flow.model.pair import Service

_NEED_THE_NODE = frozenset({"nfs", "ntp", "named", "httpd"})
_NEED_XCATD = frozenset({"dhcp", "kea", "kea-dhcp6", "kea-ddns", "kea-ctrl-agent", "conserver", "goconserver"})


def starting(services: tuple[Service, ...]) -> tuple[tuple[Service, ...], ...]:
    """The services in groups that may start side by side, each group after the one before."""
    return tuple(
        tuple(group)
        for block in _blocks(_xcatd_first(services))
        for _, group in groupby(sorted(block, key=_turn), key=_turn)
    )


def stopping(services: tuple[Service, ...]) -> tuple[tuple[Service, ...], ...]:
    """The services in groups that may stop side by side: known ones do not wait for each other's end."""
    return tuple(tuple(reversed(block)) for block in reversed(tuple(_blocks(services))))


def need_only_the_node(group: tuple[Service, ...]) -> bool:
    """Whether these services need neither the database nor xcatd."""
    return all(service.name in _NEED_THE_NODE for service in group)


def known(group: tuple[Service, ...]) -> bool:
    """Whether it is known what these services need; otherwise they have their turn alone."""
    return all(service.name in _NEED_THE_NODE | _NEED_XCATD | {"xcatd"} for service in group)


def chief(group: tuple[Service, ...]) -> str:
    """The service that a group's stage is named after: xcatd, or else its first."""
    names = [service.name for service in group]
    return "xcatd" if "xcatd" in names else names[0]


def _turn(service: Service) -> int:
    if service.name in _NEED_THE_NODE:
        return 0
    return 2 if service.name in _NEED_XCATD else 1


def _blocks(services: tuple[Service, ...]) -> Iterator[tuple[Service, ...]]:
    """Neighbours that are known, together; each other service alone."""
    for is_known, block in groupby(services, key=lambda service: known((service,))):
        if is_known:
            yield tuple(block)
        else:
            yield from ((service,) for service in block)


def _xcatd_first(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """The site's own order, but what xCAT's commands write the configuration of comes after xcatd (T26)."""
    names = [service.name for service in services]
    if "xcatd" not in names:
        return services
    place = names.index("xcatd")
    late = tuple(service for service in services[:place] if service.name in _NEED_XCATD)
    early = tuple(service for service in services[:place] if service.name not in _NEED_XCATD)
    return (*early, services[place], *late, *services[place + 1 :])
