"""xCAT's commands: what xcatd answers, what XCATBYPASS=1 reads without it, and what they make on the node."""

from __future__ import annotations

from hamn_flow.model.command import Result
from hamn_flow.simulator.database import NO_HANDLE, Location, NoDatabaseError, location, tables_of
from hamn_flow.simulator.host import Host, Program, is_directory, ok, refused
from hamn_flow.simulator.network import hosts
from hamn_flow.simulator.state import Tables, Unit
from hamn_flow.simulator.tables import NOT_DUMPED, TABLE_NAMES, dumped, nodes, of_node, site
from hamn_flow.simulator.units import start, stop

NO_DAEMON = 111  # ECONNREFUSED, from the client's die
_REFUSED = (
    "Connection failure: IO::Socket::INET: connect: Connection refused at /opt/xcat/lib/perl/xCAT/Client.pm line 248.\n"
    "Unable to open socket connection to xcatd daemon on localhost:3001.\n"
    "Verify that the xcatd daemon is running and that your SSL setup is correct.\n"
)


class NoAnswerError(Exception):
    """xCAT has no answer; what is printed in its place is in `result`."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.error_text)
        self.result = result


def _unit(host: Host, daemon: str) -> Unit | None:
    return next((unit for unit in host.node.units.values() if unit.daemon == daemon), None)


def _restart(host: Host, unit: Unit | None) -> bool:
    """Stop a daemon's unit, where there is one, and start it; whether it runs then."""
    if unit is None:
        return True
    stop(host.state, host.node, unit)
    return not start(host.state, host.node, unit)


def _where(host: Host) -> Location:
    """The database location: as it lies there now when xcatd is bypassed, else as the running xcatd read it."""
    if host.environment.get("XCATBYPASS"):
        return location(host.state, host.node)
    xcatd = _unit(host, "xcatd")
    if xcatd is None or xcatd.main_pid not in host.node.processes:
        raise NoAnswerError(refused(NO_DAEMON, _REFUSED))
    return location(host.state, host.node, host.state.file_system(host.node, xcatd.started_on))


def _tables(host: Host) -> tuple[Location, Tables]:
    where = _where(host)
    try:
        return where, tables_of(host.state, host.node, where)
    except NoDatabaseError as error:
        raise NoAnswerError(refused(1, f"Error: [{host.node.host_name}]: {NO_HANDLE}\n{error}\n")) from error


def lsxcatd(host: Host) -> Result:
    """`lsxcatd -a`, `-d` (the database alone), `-v` (the version)."""
    if len(host.words) != 1 or host.words[0] not in {"-a", "-d", "-v"}:
        raise host.unknown()
    where = _where(host)
    version = f"Version {host.node.xcat_version} (git commit 0000000, built Mon Aug  3 00:00:00 UTC 2026)\n"
    if where.engine == "SQLite":
        database = "dbengine=SQLite\n"
    else:
        text = f"{where.engine}:dbname={where.database};host={where.host}|{where.user}"
        parts = f"dbengine={where.engine}\ndbname={where.database}\ndbhost={where.host}\ndbadmin={where.user}\n"
        database = f"cfgloc={text}\n{parts}"
    answers = {"-a": f"{version}This is a Management Node\n{database}", "-d": database, "-v": version}
    return ok(answers[host.words[0]])


def tabdump(host: Host) -> Result:
    """`tabdump` (the tables' names) and `tabdump TABLE`."""
    match host.words:
        case ():
            _tables(host)
            return ok("".join(f"{name}\n" for name in TABLE_NAMES))
        case (name,) if not name.startswith("-"):
            _, tables = _tables(host)
            if name not in TABLE_NAMES:
                return refused(1, f"Error: [{host.node.host_name}]: No such table: {name}\n")
            if name not in tables:
                tables[name] = []  # opening a table that is missing makes it
                if not host.job:
                    host.state.violations.append(f"{host.text} on {host.node.name} was to look, and made the table")
            return ok(dumped(tables, name))
        case _:
            raise host.unknown()


def dump(host: Host) -> Result:
    """`dumpxCATdb -p DIR`: status 0 and "Backup Complete." whatever happened."""
    match host.words:
        case ("-p", directory):
            pass
        case _:
            raise host.unknown()
    host.change()
    text = ""
    file_system, relative = host.state.locate(host.node, directory)
    if not is_directory(file_system, relative):
        text = f" Creating {directory} for database dump\n"
        file_system.directories[relative] = "root"
    errors = ""
    try:
        _, tables = _tables(host)
    except NoAnswerError as error:
        errors = "".join(f"Error running tabdump {name}: {error}" for name in TABLE_NAMES if name not in NOT_DUMPED)
    else:
        for name in TABLE_NAMES:
            if name not in NOT_DUMPED:
                host.write(f"{directory.rstrip('/')}/{name}.csv", dumped(tables, name), "0600")
    return ok(f"{text}Backup Complete.\n", errors)


def makedns(host: Host) -> Result:
    """`makedns -n`: zones made anew from the node definitions and /etc/hosts; named is started again.

    Its status is 0 also where named did not start; that of makedhcp is not (xcat-core #6027).
    """
    if host.words != ("-n",):
        raise host.unknown()
    host.change()
    _, tables = _tables(host)
    settings = site(tables)
    if "domain" not in settings:
        return refused(1, f"Error: [{host.node.host_name}]: domain not defined in site table\n")
    named = _unit(host, "named")
    known = hosts(host)
    names = [name for name in nodes(tables) if name in known]
    text = "".join(f"Handling {name} in /etc/hosts.\n" for name in names)
    text += (
        "Getting reverse zones, this may take several minutes for a large cluster.\n"
        "Completed getting reverse zones.\nUpdating zones.\nCompleted updating zones.\nRestarting bind9\n"
    )
    if not _restart(host, named):
        return ok(text, f"Error: [{host.node.host_name}]: failed to start named.\n")
    text += (
        "Restarting named complete\nUpdating DNS records, this may take several minutes for a large cluster.\n"
        "Completed updating DNS records.\nDNS setup is completed\n"
    )
    if named is not None:
        own = {name: address for name, address in known.items() if address == settings.get("master")}
        host.node.zones = {name: known[name] for name in names} | own
    return ok(text)


def makedhcp(host: Host) -> Result:
    """`makedhcp -n` (configuration anew, dhcpd started again), `-a` (all nodes, by OMAPI), `-q NODE`."""
    _, tables = _tables(host)
    unit = _unit(host, "dhcpd")
    running = unit is not None and unit.active
    match host.words:
        case ("-n",):
            host.change()
            path = "/etc/dhcp/dhcpd.conf"
            nets = tables.get("networks", [])
            old = host.read(path)
            if old:
                host.write(f"{path}.xcatbak", old.content)
            host.write(path, "".join(f"subnet {row['net']} netmask {row['mask']} {{\n}}\n" for row in nets))
            host.node.leases.clear()
            words = "If hardware discovery is being used, a dynamic range is required."
            head = f"Warning: [{host.node.host_name}]: No dynamic range specified for"
            warnings = "".join(f"{head} {row['net']}. {words}\n" for row in nets)
            renamed = f"Renamed existing dhcp configuration file to  {path}.xcatbak\n" if old else ""
            if not _restart(host, unit):
                failure = f"Error: [{host.node.host_name}]: Failed to start the DHCP server.\n"
                return refused(1, warnings + failure, renamed)
            return ok(renamed, warnings)
        case ("-a",):
            host.change()
            if not running:
                return refused(1, f"Error: [{host.node.host_name}]: Unable to connect to the DHCP server by OMAPI\n")
            for name in nodes(tables):
                mac, address = of_node(tables, "mac", name).get("mac"), _address(host, tables, name)
                if mac and address:
                    host.node.leases[name] = (address, mac)
            return ok()
        case ("-q", name):
            if name not in nodes(tables):
                words = f"Invalid nodes and/or groups in noderange: {name}"
                return refused(1, f"Error: [{host.node.host_name}]: {words}\n")
            lease = host.node.leases.get(name) if running else None
            return ok(f"{name}: ip-address = {lease[0]}, hardware-address = {lease[1]}\n" if lease else "")
        case _:
            raise host.unknown()


def _address(host: Host, tables: Tables, name: str) -> str:
    return of_node(tables, "hosts", name).get("ip") or hosts(host).get(name, "")


def _consoles(tables: Tables) -> list[str]:
    rows = ((name, of_node(tables, "nodehm", name)) for name in nodes(tables))
    return [name for name, row in rows if row.get("cons") or row.get("mgt")]


def makeconservercf(host: Host) -> Result:
    """`makeconservercf`: prints nothing, and does not start conserver again."""
    if host.words:
        raise host.unknown()
    host.change()
    _, tables = _tables(host)
    consoles = "".join(f"console {name} {{\n  type exec;\n}}\n" for name in _consoles(tables))
    host.write("/etc/conserver.cf", f"#xCAT BEGIN\naccess * {{\n  trusted 127.0.0.1;\n}}\n{consoles}")
    return ok()


def makegocons(host: Host) -> Result:
    """`makegocons`: registers the consoles with the running goconserver."""
    if host.words:
        raise host.unknown()
    host.change()
    _, tables = _tables(host)
    unit = _unit(host, "goconserver")
    if unit is None or not unit.active:
        return refused(1, f"Error: [{host.node.host_name}]: goconserver is not running\n")
    host.write("/var/lib/goconserver/nodes", "".join(f"{name}\n" for name in _consoles(tables)))
    return ok("".join(f"{name}: Created\n" for name in _consoles(tables)))


def congo(host: Host) -> Result:
    """`congo list`: the consoles that goconserver has."""
    if host.words != ("list",):
        raise host.unknown()
    unit = _unit(host, "goconserver")
    if unit is None or not unit.active:
        return refused(1, "Could not connect to the goconserver\n")
    file = host.read("/var/lib/goconserver/nodes")
    names = file.content.split() if file else []
    return ok("".join(f"{name} (host: {host.node.host_name})\n" for name in names))


def perl(host: Host) -> Result:
    """`perl -I/opt/xcat/lib/perl -MxCAT::Version -e ...`: the installed version, no database touched."""
    match host.words:
        case ("-I/opt/xcat/lib/perl", "-MxCAT::Version", "-e", program) if "Version('short')" in program:
            return ok(host.node.xcat_version)
        case _:
            raise host.unknown()


def _answered(program: Program) -> Program:
    """The same, with what is printed in place of an answer."""

    def run(host: Host) -> Result:
        try:
            return program(host)
        except NoAnswerError as error:
            return error.result

    return run


PROGRAMS: dict[str, Program] = {
    "lsxcatd": _answered(lsxcatd),
    "tabdump": _answered(tabdump),
    "dumpxCATdb": dump,
    "makedns": _answered(makedns),
    "makedhcp": _answered(makedhcp),
    "makeconservercf": _answered(makeconservercf),
    "makegocons": _answered(makegocons),
    "congo": congo,
    "perl": perl,
}
