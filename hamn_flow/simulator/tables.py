"""xCAT's tables: their names and columns, and how `tabdump` prints them."""

from __future__ import annotations

from hamn_flow.simulator.state import Row, Tables

_TAIL = ("comments", "disable")

COLUMNS: dict[str, tuple[str, ...]] = {
    "site": ("key", "value", *_TAIL),
    "policy": ("priority", "name", "host", "commands", "noderange", "parameters", "time", "rule", *_TAIL),
    "nodelist": ("node", "groups", "status", "statustime", "appstatus", "appstatustime", "primarysn", "hidden",
                 "updatestatus", "updatestatustime", "zonename", *_TAIL),
    "hosts": ("node", "ip", "hostnames", "otherinterfaces", *_TAIL),
    "mac": ("node", "interface", "mac", *_TAIL),
    "nodehm": ("node", "power", "mgt", "cons", "termserver", "termport", "conserver", "serialport", "serialspeed",
               "serialflow", "getmac", "cmdmapping", "consoleondemand", "consoleenabled", *_TAIL),
    "noderes": ("node", "servicenode", "netboot", "tftpserver", "tftpdir", "nfsserver", "monserver", "nfsdir",
                "installnic", "primarynic", "discoverynics", "cmdinterface", "xcatmaster", "current_osimage",
                "next_osimage", "nimserver", "routenames", "nameservers", "proxydhcp", "syslog", *_TAIL),
    "nodetype": ("node", "os", "arch", "profile", "provmethod", "supportedarchs", "nodetype", *_TAIL),
    "networks": ("netname", "net", "mask", "mgtifname", "gateway", "dhcpserver", "tftpserver", "nameservers",
                 "ntpservers", "logservers", "dynamicrange", "staticrange", "staticrangeincrement", "nodehostname",
                 "ddnsdomain", "vlanid", "domain", "mtu", *_TAIL),
    "servicenode": ("node", "nameserver", "dhcpserver", "tftpserver", "nfsserver", "conserver", "monserver",
                    "ldapserver", "ntpserver", "ftpserver", "nimserver", "ipforward", "dhcpinterfaces", "proxydhcp",
                    *_TAIL),
    "passwd": ("key", "username", "password", "cryptmethod", "authdomain", *_TAIL),
    "osimage": ("imagename", "groups", "profile", "imagetype", "description", "provmethod", "rootfstype",
                "osdistroname", "osupdatename", "osname", "osvers", "osarch", "synclists", "postscripts",
                "postbootscripts", "serverrole", "isdeleted", "kitcomponents", "environvar", *_TAIL),
    "statelite": ("node", "image", "statemnt", "mntopts", *_TAIL),
    "litefile": ("image", "file", "options", *_TAIL),
    "litetree": ("priority", "image", "directory", "mntopts", *_TAIL),
}  # fmt: skip

TABLE_NAMES: tuple[str, ...] = (
    "auditlog", "bootparams", "boottarget", "cfgmgt", "chain", "deps", "discoverydata", "domain", "eventlog",
    "firmware", "hosts", "hwinv", "hypervisor", "ipmi", "iscsi", "kit", "kitcomponent", "kitrepo",
    "kvm_masterdata", "kvm_nodedata", "linuximage", "litefile", "litetree", "mac", "mic", "monitoring",
    "monsetting", "mp", "mpa", "networks", "nics", "nimimage", "nodegroup", "nodehm", "nodelist", "nodepos",
    "noderes", "nodetype", "notification", "openbmc", "osdistro", "osdistroupdate", "osimage", "passwd", "pdu",
    "pduoutlet", "performance", "policy", "postscripts", "ppc", "ppcdirect", "ppchcp", "prescripts", "prodkey",
    "rack", "routes", "servicenode", "site", "statelite", "storage", "switch", "switches", "taskstate", "token",
    "virtsd", "vm", "vmmaster", "vpd", "websrv", "winimage", "zone", "zvm", "zvmivp",
)  # fmt: skip

NOT_DUMPED = ("auditlog", "eventlog")  # dumpxCATdb leaves them out


def columns(table: str) -> tuple[str, ...]:
    """The columns of a table in their order."""
    return COLUMNS.get(table, ("node", *_TAIL))


def dumped(tables: Tables, table: str) -> str:
    """A table as `tabdump` prints it: a header with #, then quoted values; empty ones are not quoted."""
    names = columns(table)
    rows = sorted(tables.get(table, ()), key=lambda row: row.get(names[0], ""))
    lines = [f"#{','.join(names)}"]
    lines += [",".join(_quoted(row.get(name, "")) for name in names) for row in rows]
    return "".join(f"{text}\n" for text in lines)


def _quoted(value: str) -> str:
    return '"{}"'.format(value.replace('"', '""')) if value else ""


def site(tables: Tables) -> dict[str, str]:
    """The site table as key -> value."""
    return {row["key"]: row["value"] for row in tables.get("site", ())}


def nodes(tables: Tables) -> list[str]:
    """The names of the defined nodes."""
    return sorted(row["node"] for row in tables.get("nodelist", ()))


def of_node(tables: Tables, table: str, node: str) -> Row:
    """A node's row in a table; empty if it has none."""
    return next((row for row in tables.get(table, ()) if row.get("node") == node), {})
