"""Procedures that are measured; found by their folder, as those of a site are."""
