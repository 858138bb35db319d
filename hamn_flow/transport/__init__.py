"""Commands on nodes: one launcher on each node, reached by SSH (paramiko) or as a local process."""
