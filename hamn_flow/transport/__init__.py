"""Commands on nodes: one launcher on each node, reached by SSH (paramiko) or as a local process.

Only what is needed is imported, and when it is needed: paramiko takes longer to import than `status` to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hamn_flow.model.pair import NodeSpec
    from hamn_flow.transport.connection import Connection
    from hamn_flow.transport.here import Here


def connect(spec: NodeSpec, here: Here | None = None) -> Connection:
    """A connection to a node, by SSH or, where it is this very machine, without.

    Unreachable if it does not answer or does not let us in; UntrustedHost if its host key is not the one known.
    """
    from hamn_flow.transport.here import Here  # noqa: PLC0415 - see above

    here = here or Here()
    if spec.ssh.local:
        from hamn_flow.transport.local import connect_local  # noqa: PLC0415 - see above

        return connect_local(spec, base=here.base, patience=here.patience)
    from hamn_flow.transport.ssh import connect_ssh  # noqa: PLC0415 - see above

    return connect_ssh(spec, here)
