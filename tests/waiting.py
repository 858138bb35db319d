"""Waiting for what another process does: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST = 30.0  # seconds


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; AssertionError if that takes too long."""
    end = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < end, f"waited for {LONGEST:g} seconds"
        time.sleep(0.02)
