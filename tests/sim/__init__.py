"""Deterministic simulation: the pure consensus core (`core`) and the whole node (`full`)."""
