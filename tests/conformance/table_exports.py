"""NFS: what is exported and shown, and what exportfs refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hamn_flow.facts.exports import Export, Exports, NfsClients, Shown
from tests.conformance.row import MN2, Reading, Row, Saying, There, asks, does
from tests.conformance.vocabulary import named

VIP = "10.97.0.100"
ONE = Export(client="10.97.0.21", path="/install", options="ro,sync,no_subtree_check")
WRITABLE = Export(client="10.97.0.21", path="/install", options="rw,sync,no_subtree_check")
OTHER = Export(client="10.97.0.22", path="/install")
NOT_THERE = Export(client="*", path="/nosuch", options="ro")


def export(wanted: Export) -> Saying:
    return lambda there: there.platform.export(wanted)


def unexport(wanted: Export) -> Saying:
    return lambda there: there.platform.unexport(wanted)


@contextmanager
def exported(there: There) -> Iterator[None]:
    """One export by hand, withdrawn afterwards where it is still there."""
    there.do(there.platform.export(ONE))
    yield
    if the_export(ONE)(there) is not None:
        there.do(there.platform.unexport(ONE))


def the_export(wanted: Export) -> Reading:
    """`ro` or `rw`; None where it is not exported."""

    def reading(there: There) -> object:
        found = {(each.client, each.path): each.options.split(",") for each in there.get(Exports())}
        options = found.get((wanted.client, wanted.path))
        return options and next(word for word in options if word in {"ro", "rw"})

    return named(f"the_export({wanted.target})", reading)


def of_install(found: tuple[Export, ...]) -> object:
    return [(each.client, {"rw", "no_root_squash"} <= set(each.options.split(","))) for each in found
            if each.path == "/install"]  # fmt: skip


ROWS: tuple[Row, ...] = (
    asks("what is exported", Exports(), read=of_install, means=[("*", True)], output="…/install …\t<world>(…)\n…"),
    asks("nothing is exported", Exports(), means=(), node=MN2, output=""),
    does("a path is exported", export(ONE), sees=((the_export(ONE), "ro"),), undo=(unexport(ONE),)),
    does(
        "a path is exported otherwise",
        export(WRITABLE),
        given=(exported,),
        sees=((the_export(ONE), "rw"),),
    ),
    does(
        "a path is exported with no options", export(OTHER), sees=((the_export(OTHER), "ro"),), undo=(unexport(OTHER),)
    ),
    does(
        "a path is exported that is not there",
        export(NOT_THERE),
        status=1,
        errors="exportfs: Failed to stat /nosuch: No such file or directory\n",
        sees=((the_export(NOT_THERE), "ro"),),
        undo=(unexport(NOT_THERE),),
    ),
    does("an export is withdrawn", unexport(ONE), given=(exported,), sees=((the_export(ONE), None),)),
    does(
        "an export is withdrawn that is not there",
        unexport(OTHER),
        status=1,
        errors="exportfs: Could not find '10.97.0.22:/install' to unexport.\n",
    ),
    does(
        "the exports are those of /etc/exports again",
        lambda there: there.platform.export_all(),
        given=(exported,),
        sees=((the_export(ONE), None), (the_export(Export(client="*", path="/install")), "rw")),
    ),
    asks(
        "what clients are shown",
        Shown(VIP),
        read=lambda found: "/install" in found,
        means=True,
        node=MN2,
        output="…/install …*\n…",
    ),
    asks(
        "what clients are shown where no server runs",
        Shown("10.97.0.12"),
        means=(),
        status=1,
        output="",
        errors="clnt_create: RPC: …\n",
    ),
    asks("who has something mounted", NfsClients(), means=(), output=""),
)
