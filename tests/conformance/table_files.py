"""Files and directories: markers on shared file systems, room, what is written and removed."""

from __future__ import annotations

from typing import Any

from hamn_flow.facts.storage import Directories, Marker, MarkerAt, Room, marker_path
from tests.conformance.row import MN2, NotReadable, Row, Scene, asks, does
from tests.conformance.vocabulary import mount, mounted, remove, unmount, with_file, write

POINT = "/install"
MARKER = Marker(cluster="standard", mount_point=POINT, source="UUID=5e1f0c6a")
FREE: dict[str, Any] = {"scene": Scene.RELEASED, "node": MN2}

ROWS: tuple[Row, ...] = (
    asks("room on a file system", Room(POINT), read=lambda kib: kib > 0, means=True),
    asks(
        "room in a directory that is not there",
        Room("/nosuch"),
        means=NotReadable("No such file or directory"),
        status=1,
        output="",
        errors="df: /nosuch: No such file or directory\n",
    ),
    asks(
        "which are directories",
        Directories(("/etc", "/etc/hosts", "/nosuch", "/etc/hosts/below")),
        means=frozenset({"/etc"}),
        status=1,
        output="directory|/etc\nregular file|/etc/hosts\n",
        errors="stat: cannot statx '/nosuch': No such file or directory\n"
        "stat: cannot statx '/etc/hosts/below': Not a directory\n",
    ),
    asks(
        "directories, all of them there",
        Directories(("/etc", POINT)),
        means=frozenset({"/etc", POINT}),
        output=f"directory|/etc\ndirectory|{POINT}\n",
    ),
    asks(
        "a marker",
        MarkerAt(POINT),
        means=MARKER,
        **FREE,
        given=(mounted(POINT), with_file(marker_path(POINT), MARKER.text)),
        output=MARKER.text,
    ),
    asks(
        "no marker",
        MarkerAt("/tftpboot"),
        means=None,
        **FREE,
        given=(mounted("/tftpboot"),),
        status=1,
        output="",
        errors="cat: /tftpboot/.hamn-flow: No such file or directory\n",
    ),
    does(
        "a file is written",
        write(marker_path(POINT), MARKER.text),
        **FREE,
        given=(mounted(POINT),),
        sees=((lambda there: there.get(MarkerAt(POINT)), MARKER),),
        undo=(remove(marker_path(POINT)),),
    ),
    does(
        "a file is written over another",
        write(marker_path(POINT), MARKER.text),
        **FREE,
        given=(mounted(POINT), with_file(marker_path(POINT), "old\n")),
        sees=((lambda there: there.get(MarkerAt(POINT)), MARKER),),
    ),
    does(
        "a file is written where there is no directory",
        write("/nosuch/file", "text\n"),
        status=None,
        errors="/nosuch/…: No such file or directory\n",
    ),
    does(
        "a file is removed",
        remove(marker_path(POINT)),
        **FREE,
        given=(mounted(POINT), with_file(marker_path(POINT), MARKER.text)),
        sees=((lambda there: there.get(MarkerAt(POINT)), None),),
    ),
    does("a file that is not there is removed", remove("/nosuch/file")),
    does(
        "a directory is no file to be removed",
        remove("/etc"),
        status=1,
        errors="rm: cannot remove '/etc': Is a directory\n",
    ),
    does(
        "what is written while nothing is mounted lies below the mount point",
        mount(POINT),
        **FREE,
        given=(with_file(marker_path(POINT), MARKER.text),),
        sees=((lambda there: there.get(MarkerAt(POINT)), None),),
        undo=(unmount(POINT),),
    ),
)
