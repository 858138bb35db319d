"""What travels with the package but is found by path: the procedures and the journal's migrations.

In a wheel these lie in `_content` beside the package, in a checkout in folders of their own. They are not
importable packages, because `workflows` and `state` are names of other distributions.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder of that name: the wheel's own if there is one, otherwise the checkout's."""
    packed = _PACKAGE / "_content" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def load(path: Path) -> ModuleType:
    """Run a Python file found by path, under a module name of its own; whatever it raises is raised here.

    The folder is not put on the search path, so nothing in it can hide a library.
    """
    path = path.resolve()
    name = f"_hamn_flow_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file", path=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there while it is being run
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
