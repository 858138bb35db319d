"""The exhaustive search: every state of a procedure on the simulated pair that faults can lead to, visited once."""
