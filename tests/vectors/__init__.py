"""Replays of conformance vectors: `python -m tests.vectors.<suite> PATH…`."""
