"""Words and flags taken as they were typed, so that quick commands stay quick.

typer (0.29) converts every value by pydantic, also a flag that was not given, and importing that takes longer than all
that `status` does. A flag or a word needs no conversion; a number still gets one. Where a later typer converts in
another way, everything goes on working, only slower, which a test of the modules that are loaded tells.
"""

from __future__ import annotations

from typing import Any

import typer.core

_TAKEN_AS_TYPED = (bool, str, list[str])


class AsTyped:
    """In the place of typer's conversion."""

    def coerce(self, value: Any, param: object, ctx: object) -> Any:
        """The value, as it is."""
        del param, ctx
        return value


class Command(typer.core.TyperCommand):
    """A command whose flags and words are not converted."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options and arguments, `--help` among them."""
        return _quick(super().get_params(ctx))


class Group(typer.core.TyperGroup):
    """The commands together; the same for the options that stand before them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, `--help` among them."""
        return _quick(super().get_params(ctx))


def _quick(params: list[Any]) -> list[Any]:
    for param in params:
        descriptor = getattr(param, "type_descriptor", None)
        if descriptor is not None and descriptor.annotation in _TAKEN_AS_TYPED:
            vars(param)["_runtime_param"] = AsTyped()
    return params
