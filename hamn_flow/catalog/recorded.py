"""Steps as plain data and back: what a run keeps of its plan.

A step is kept as its class by name, the class's version and its fields. A run is refused only if the class of
one of its unfinished steps is gone or has another version.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hamn_flow.errors import Changed
from hamn_flow.model.run import PlannedStep
from hamn_flow.steps.step import Stage, Step

_OWN_STEPS = "hamn_flow.steps."


def freeze(step: Step, stage: Stage) -> PlannedStep:
    """A step of a stage as it is kept in the run."""
    cls: Any = type(step)
    return PlannedStep(
        name=step.name,
        stage=stage.name,
        after=stage.after,
        node=step.node,
        title=step.title,
        kind=f"{cls.__module__}:{cls.__qualname__}",
        version=cls.version,
        fields=_adapter(cls).dump_python(step, mode="json"),
    )


def thaw(planned: PlannedStep) -> Step:
    """The step again; Changed if its class is gone, has another version, or no longer takes its fields."""
    module, _, name = planned.kind.partition(":")
    if module.startswith(_OWN_STEPS) and importlib.util.find_spec(module):
        importlib.import_module(module)  # a site's own step classes come with its procedure file
    cls: Any = getattr(sys.modules.get(module), name, None)
    if not _is_step(cls):
        raise _changed(planned, f"{planned.kind} is no longer there")
    if cls.version != planned.version:
        raise _changed(planned, f"{planned.kind} is version {cls.version} now, the run has version {planned.version}")
    try:
        step: Step = _adapter(cls).validate_python(planned.fields)
    except ValidationError as error:
        raise _changed(planned, f"{planned.kind} no longer takes its fields: {error}") from error
    return step


def _is_step(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, Step)


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _changed(planned: PlannedStep, why: str) -> Changed:
    return Changed(
        (f"step {planned.name} cannot be carried out by this version of hamn-flow: {why}",),
        hint="Install the version that the run was started with, or type hamn-flow abandon and start a new run.",
    )
