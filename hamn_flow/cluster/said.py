"""What the file says, for checks that must work although other parts of it are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address


@dataclass(frozen=True, kw_only=True)
class Said:
    """The parsed TOML. What is absent or of another type is answered with None: the schema complains about it."""

    tree: Mapping[str, object]

    def at(self, *where: str | int) -> object:
        """Whatever stands there."""
        here: object = self.tree
        for part in where:
            if isinstance(here, dict) and isinstance(part, str):
                here = here.get(part)
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                here = here[part]
            else:
                return None
        return here

    def text(self, *where: str | int) -> str | None:
        """The text there."""
        value = self.at(*where)
        return value if isinstance(value, str) else None

    def number(self, *where: str | int) -> int | None:
        """The whole number there."""
        value = self.at(*where)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def decimal(self, *where: str | int, default: float) -> float | None:
        """The number there, or the default where nothing stands."""
        value = self.at(*where)
        if value is None:
            return default
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def address(self, *where: str | int) -> IPv4Address | None:
        """The IPv4 address there."""
        try:
            return IPv4Address(self.text(*where) or "")
        except AddressValueError:
            return None

    def count(self, *where: str | int) -> int:
        """How many elements the list there has; 0 if there is none."""
        value = self.at(*where)
        return len(value) if isinstance(value, list) else 0
