"""The lab: two real systemd hosts with a shared disk on one Linux machine, to try failovers on."""

from hamn_flow.lab.place import Lab

__all__ = ["Lab"]
