"""paramiko without what it imports for one rare case: half the time that importing it takes.

It imports invoke, and by that asyncio, unittest.mock and a YAML parser, for `Match exec` in an SSH configuration alone,
and goes on without where it is not installed. A start pays for it each time, so it is only imported where it is needed.
"""

from __future__ import annotations

import importlib
import re
import sys

_MATCH_EXEC = re.compile(r"^\s*match\b.*\bexec\b", re.IGNORECASE | re.MULTILINE)

if "invoke" not in sys.modules and "paramiko" not in sys.modules:
    sys.modules["invoke"] = None  # type: ignore[assignment] # as Python itself marks what cannot be imported
    import paramiko

    del sys.modules["invoke"]
else:
    import paramiko

__all__ = ["paramiko", "ready_for"]


def ready_for(configuration: str) -> None:
    """Import what paramiko needs to understand a configuration."""
    if _MATCH_EXEC.search(configuration):
        paramiko.config.invoke = importlib.import_module("invoke")
