"""The vocabulary of procedures: one step, one effect on one node."""
