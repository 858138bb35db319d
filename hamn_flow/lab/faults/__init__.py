"""What can go wrong in a lab, on purpose: faults that are set, remembered, and lifted.

A fault is a kind, a host, and what the kind takes: `set_fault(lab, "full", "mn1", "/install")`. It is remembered in the
lab's folder before it takes effect, so that another command can lift it, whatever became of the first. Nothing is done
by a program's name and nothing by force; what lives in a host's memory ends with its power.
"""

from hamn_flow.lab.faults.fault import Fault, Kind, recorded
from hamn_flow.lab.faults.kinds import KINDS
from hamn_flow.lab.faults.setting import during, lift, lift_all, set_fault

__all__ = ["KINDS", "Fault", "Kind", "during", "lift", "lift_all", "recorded", "set_fault"]
