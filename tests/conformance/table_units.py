"""systemd's units: started, stopped, held and released, and what systemctl refuses. Most of it on the standby."""

from __future__ import annotations

from hamn_flow.facts.services import LastLines, Unit, Units
from tests.conformance.row import MN2, Row, asks, does
from tests.conformance.vocabulary import (
    hold,
    listens,
    prepared,
    refused,
    release,
    runs,
    start,
    stop,
    the_unit,
    unable,
)

DHCPD_CONF = "/etc/dhcp/dhcpd.conf"


def plainly(unit: Unit) -> object:
    return (unit.load_state, unit.active_state, unit.sub_state, unit.main_pid > 1)


def states(units: dict[str, Unit]) -> object:
    return {name: plainly(unit) for name, unit in units.items()}


RUNNING = prepared(start("named"), stop("named"))
UNABLE = unable("isc-dhcp-server", lacking=DHCPD_CONF)
HELD = prepared(hold("named"), release("named"))
ACTIVE, INACTIVE, MASKED = ("loaded", "active"), ("loaded", "inactive"), ("masked", "inactive")

ONE_NAME = "each of the lab's units has one name"

SHOWN = (
    asks(
        "units that run",
        Units(("xcatd", "named", "conserver", "postgresql@15-main")),
        read=states,
        means=dict.fromkeys(
            ("xcatd", "named", "conserver", "postgresql@15-main"), ("loaded", "active", "running", True)
        ),
    ),
    asks(
        "units that do not run",
        Units(("xcatd", "named", "conserver", "nfs-server", "isc-dhcp-server", "postgresql@15-main")),
        read=states,
        means=dict.fromkeys(
            ("xcatd", "named", "conserver", "nfs-server", "isc-dhcp-server", "postgresql@15-main"),
            ("loaded", "inactive", "dead", False),
        ),
        node=MN2,
    ),
    asks(
        "a unit that is not there",
        Units(("nosuch",)),
        read=lambda units: (plainly(units["nosuch"]), units["nosuch"].present, units["nosuch"].stopped),
        means=(("not-found", "inactive", "dead", False), False, True),
    ),
    asks(
        "a unit by its other name",
        Units(("chronyd", "chrony.service")),
        read=lambda units: [units[name].id for name in ("chronyd", "chrony.service")],
        means=["chrony.service", "chrony.service"],
        only_simulated=ONE_NAME,
    ),
    asks(
        "a unit by the other name of one that is held",
        Units(("chronyd", "chrony")),
        read=lambda units: [
            (units[name].id, units[name].load_state, units[name].present) for name in ("chronyd", "chrony")
        ],
        means=[("chronyd.service", "error", False), ("chrony.service", "masked", True)],
        given=(prepared(hold("chrony"), release("chrony")),),
        only_simulated=ONE_NAME,
    ),
    asks(
        "a unit by a name that went when it was disabled",
        Units(("bind9",)),
        read=lambda units: plainly(units["bind9"]),
        means=("not-found", "inactive", "dead", False),
    ),
    asks(
        "an umbrella that stands for no server",
        Units(("postgresql",)),
        read=lambda units: (units["postgresql"].type, units["postgresql"].main_pid),
        means=("oneshot", 0),
    ),
    asks(
        "a unit that is held",
        Units(("named",)),
        read=lambda units: (plainly(units["named"]), units["named"].held, units["named"].present),
        means=(("masked", "inactive", "dead", False), True, True),
        node=MN2,
        given=(HELD,),
    ),
)

STARTED = (
    does(
        "a unit is started",
        start("named"),
        node=MN2,
        sees=((the_unit("named"), ACTIVE), (runs("named"), True), (listens("tcp/53"), True)),
        undo=(stop("named"),),
    ),
    does("a unit is started that runs", start("named"), sees=((the_unit("named"), ACTIVE),)),
    does(
        "a unit is started that is not there",
        start("NOSUCH"),
        status=5,
        errors="Failed to start NOSUCH.service: Unit NOSUCH.service not found.\n",
    ),
    does(
        "a unit is started that is held",
        start("named"),
        node=MN2,
        given=(HELD,),
        status=1,
        errors="Failed to start named.service: Unit named.service is masked.\n",
        sees=((the_unit("named"), MASKED), (runs("named"), False)),
    ),
    does(
        "a unit is started that cannot run",
        start("isc-dhcp-server"),
        node=MN2,
        given=(UNABLE,),
        status=1,
        errors="Job for isc-dhcp-server.service failed because the control process exited with error code.\n"
        'See "systemctl status isc-dhcp-server.service" and "journalctl -xeu isc-dhcp-server.service" for details.\n',
        sees=((the_unit("isc-dhcp-server"), ("loaded", "failed")), (listens("udp/67"), False)),
    ),
)

STOPPED = (
    does(
        "a unit is stopped",
        stop("named"),
        node=MN2,
        given=(RUNNING,),
        sees=((the_unit("named"), INACTIVE), (runs("named"), False), (listens("tcp/53"), False)),
    ),
    does("a unit is stopped that does not run", stop("named"), node=MN2, sees=((the_unit("named"), INACTIVE),)),
    does(
        "a unit is stopped that is not there",
        stop("NOSUCH"),
        status=5,
        errors="Failed to stop NOSUCH.service: Unit NOSUCH.service not loaded.\n",
    ),
    does(
        "a unit is stopped that failed",
        stop("isc-dhcp-server"),
        node=MN2,
        given=(UNABLE, refused(start("isc-dhcp-server"))),
        sees=((the_unit("isc-dhcp-server", lambda unit: (unit.active_state, unit.stopped)), ("failed", True)),),
    ),
    does("a unit is stopped that is held", stop("named"), node=MN2, given=(HELD,), sees=((the_unit("named"), MASKED),)),
    does(
        "a unit is stopped that runs though it is held",
        stop("named"),
        node=MN2,
        given=(RUNNING, HELD),
        sees=((the_unit("named"), MASKED), (runs("named"), False)),
    ),
)

KEPT = (
    does(
        "a unit is held",
        hold("named"),
        node=MN2,
        errors="Created symlink /run/systemd/system/named.service -> /dev/null.\n",
        sees=((the_unit("named"), MASKED),),
        undo=(release("named"),),
    ),
    does(
        "a unit is held that is held",
        hold("named"),
        node=MN2,
        given=(HELD,),
        sees=((the_unit("named"), MASKED),),
    ),
    does(
        "a unit is held that runs",
        hold("named"),
        node=MN2,
        given=(RUNNING,),
        errors="Created symlink /run/systemd/system/named.service -> /dev/null.\n",
        sees=((the_unit("named"), ("masked", "active")), (runs("named"), True)),
        undo=(release("named"),),
    ),
    does(
        "a unit of a template is held",
        hold("postgresql@15-main"),
        node=MN2,
        errors="Created symlink /run/systemd/system/postgresql@15-main.service -> /dev/null.\n",
        sees=((the_unit("postgresql@15-main"), MASKED),),
        undo=(release("postgresql@15-main"),),
    ),
    does(
        "a unit that systemd made of an init script is held",
        hold("isc-dhcp-server"),
        node=MN2,
        errors="Created symlink /run/systemd/system/isc-dhcp-server.service -> /dev/null.\n",
        sees=((the_unit("isc-dhcp-server"), MASKED),),
        undo=(release("isc-dhcp-server"),),
    ),
    does(
        "a unit is held that is not there",
        hold("NOSUCH"),
        node=MN2,
        errors="Unit NOSUCH.service does not exist, proceeding anyway.\n"
        "Created symlink /run/systemd/system/NOSUCH.service -> /dev/null.\n",
        sees=((the_unit("NOSUCH"), MASKED),),
        undo=(release("NOSUCH"),),
    ),
    does(
        "a unit is released",
        release("named"),
        node=MN2,
        given=(HELD,),
        errors='Removed "/run/systemd/system/named.service".\n',
        sees=((the_unit("named"), INACTIVE),),
    ),
    does("a unit is released that is not held", release("named"), node=MN2, sees=((the_unit("named"), INACTIVE),)),
    does(
        "a unit is released that is not there",
        release("NOSUCH"),
        node=MN2,
        errors="Unit NOSUCH.service does not exist, proceeding anyway.\n",
    ),
    does(
        "units are held together",
        lambda there: there.platform.hold_unit("named", "conserver"),
        node=MN2,
        errors="Created symlink /run/systemd/system/named.service -> /dev/null.\n"
        "Created symlink /run/systemd/system/conserver.service -> /dev/null.\n",
        sees=((the_unit("named"), MASKED), (the_unit("conserver"), MASKED)),
        undo=(lambda there: there.platform.release_unit("named", "conserver"),),
    ),
    does(
        "units are held together, though one is held and one is not there",
        lambda there: there.platform.hold_unit("named", "NOSUCH", "conserver"),
        node=MN2,
        given=(HELD,),
        errors="Unit NOSUCH.service does not exist, proceeding anyway.\n"
        "Created symlink /run/systemd/system/NOSUCH.service -> /dev/null.\n"
        "Created symlink /run/systemd/system/conserver.service -> /dev/null.\n",
        sees=((the_unit("named"), MASKED), (the_unit("conserver"), MASKED)),
        undo=(lambda there: there.platform.release_unit("NOSUCH", "conserver"),),
    ),
    does(
        "units are released together",
        lambda there: there.platform.release_unit("named", "conserver"),
        node=MN2,
        given=(
            prepared(
                lambda there: there.platform.hold_unit("named", "conserver"),
                lambda there: there.platform.release_unit("named", "conserver"),
            ),
        ),
        errors='Removed "/run/systemd/system/named.service".\nRemoved "/run/systemd/system/conserver.service".\n',
        sees=((the_unit("named"), INACTIVE), (the_unit("conserver"), INACTIVE)),
    ),
    does(
        "a released unit can be started",
        start("named"),
        node=MN2,
        given=(prepared(hold("named"), stop("named")), prepared(release("named"), release("named"))),
        sees=((the_unit("named"), ACTIVE),),
    ),
)

LINES = (
    asks("what a unit said last", LastLines("xcatd"), read=lambda text: "xcatd" in text.lower(), means=True),
    asks(
        "what a unit said that is not there",
        LastLines("nosuch"),
        means="",
        output="",
    ),
    asks(
        "what a unit said that failed",
        LastLines("isc-dhcp-server"),
        read=lambda text: DHCPD_CONF in text,
        means=True,
        node=MN2,
        given=(
            UNABLE,
            refused(start("isc-dhcp-server")),
        ),
    ),
)

ROWS: tuple[Row, ...] = (*SHOWN, *STARTED, *STOPPED, *KEPT, *LINES)
