"""Two xCAT management nodes in memory, with a shared disk: they understand what our platforms say to nodes.

`standard_pair()` makes a world, and `connector(world)` reaches its nodes at once. EmbeddedPair (embedded.py) puts
them behind SSH on loopback, WorldProcess (world_process.py) into a process of their own, so that the driver can be
killed. What can go wrong is in faults.py.
"""

from hamn_flow.simulator.connection import SimulatedConnection, connector
from hamn_flow.simulator.standard import cluster_toml, standard_cluster, standard_pair
from hamn_flow.simulator.world import World

__all__ = ["SimulatedConnection", "World", "cluster_toml", "connector", "standard_cluster", "standard_pair"]
