"""The services that may follow the role: their units, ports and process titles, and the order in which they start.

Unit names are those of xCAT's own service map (perl-xCAT/xCAT/Utils.pm), because each distribution has others; the
first one that is loaded on the node is meant. Titles and ports prove that a stopped service is really gone; a title
is what a process calls itself, or the name of its program, never its arguments (facts/scripts/processes.pl).
"""

from __future__ import annotations

from hamn_flow.model.pair import Features, Service

_XCATD = Service(
    name="xcatd",
    units=("xcatd",),
    ports=("tcp/3001", "tcp/3002"),
    # xcatd starts in.tftpd itself, and one that outlives it keeps /tftpboot busy (xCAT issue 2436)
    titles=("xcatd: ", "in.tftpd"),
)

_ALL = (
    Service(name="nfs", units=("nfs-server", "nfsserver", "nfs-kernel-server", "nfs"), ports=("tcp/2049",)),
    Service(name="ntp", units=("chronyd", "chrony", "ntpd", "ntp", "ntpsec"), ports=("udp/123",)),
    # port 53 is no proof: systemd-resolved listens there too
    Service(name="named", units=("named", "bind9"), titles=("named",)),
    _XCATD,
    Service(name="httpd", units=("httpd", "apache2"), ports=("tcp/80",), titles=("httpd", "apache2")),
    Service(name="hdwr_svr", units=("hdwr_svr",)),
    Service(name="cnmd", units=("cnmd", "cnm")),
    Service(name="teal", units=("teal",)),
    Service(name="teal_ll", units=("teal_ll",)),
    Service(
        name="dhcp",
        units=("dhcpd", "isc-dhcp-server", "dhcp3-server"),
        ports=("udp/67",),
        titles=("dhcpd",),
    ),
    Service(
        name="kea",
        units=("kea-dhcp4", "kea-dhcp4-server", "isc-kea-dhcp4-server"),
        ports=("udp/67",),
        titles=("kea-dhcp4",),
    ),
    Service(name="kea-dhcp6", units=("kea-dhcp6", "kea-dhcp6-server", "isc-kea-dhcp6-server")),
    Service(name="kea-ddns", units=("kea-dhcp-ddns", "kea-dhcp-ddns-server", "isc-kea-dhcp-ddns-server")),
    Service(name="kea-ctrl-agent", units=("kea-ctrl-agent", "isc-kea-ctrl-agent")),
    Service(name="conserver", units=("conserver", "conserver-server"), ports=("tcp/782",), titles=("conserver",)),
    Service(
        name="goconserver",
        units=("goconserver",),
        ports=("tcp/12429", "tcp/12430"),
        titles=("goconserver",),
    ),
)

KNOWN: dict[str, Service] = {service.name: service for service in _ALL}
"""By name, in the order in which they start: what clients wait for first, DHCP and consoles after xcatd.

The order is that of release turned round (guide L464-467 with what its Linux list lacks); DHCP comes after xcatd
because it would otherwise serve the standby's old configuration (guide L529).
"""

OF_FEATURE: dict[str, dict[str | bool, str]] = {
    "nfs": {True: "nfs"},
    "dns": {True: "named"},
    "dhcp": {"isc": "dhcp", "kea": "kea"},
    "console": {"conserver": "conserver", "goconserver": "goconserver"},
}
"""For each feature the service that each of its values needs; other values need none."""


def of(features: Features) -> tuple[Service, ...]:
    """The services of a site that names none: xcatd, httpd, and what its features need, in starting order."""
    said: dict[str, str | bool] = {
        "nfs": features.nfs,
        "dns": features.dns,
        "dhcp": features.dhcp,
        "console": features.console,
    }
    needed = {needs[said[name]] for name, needs in OF_FEATURE.items() if said[name] in needs}
    return tuple(service for name, service in KNOWN.items() if name in needed | {"xcatd", "httpd"})
