"""The procedures: found by path, loaded one file at a time, a broken one never hiding the others."""

from hamn_flow.catalog.catalog import Broken, Catalog, Entry
from hamn_flow.catalog.procedure import Site, Workflow
from hamn_flow.catalog.recorded import freeze, thaw

__all__ = ["Broken", "Catalog", "Entry", "Site", "Workflow", "freeze", "thaw"]
