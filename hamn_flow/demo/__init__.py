"""The demonstration: failovers of two simulated nodes, by the commands that a person would type."""

from hamn_flow.demo.show import run

__all__ = ["run"]
