"""cluster.toml: read, checked as a whole, and turned into plain values.

`load` is the way in. Nothing heavy is imported before it is called.
"""

from __future__ import annotations

from pathlib import Path

from hamn_flow.model.pair import Cluster

__all__ = ["load"]


def load(path: Path) -> Cluster:
    """The pair that the file describes; Invalid with every mistake of it, each as `file:line: sentence`.

    It reads the file and looks at who may write to it; it connects to nothing.
    """
    from hamn_flow.cluster import loading  # noqa: PLC0415 - pydantic takes longer to import than `status` to answer

    return loading.load(path)
