"""Wiring only: configuration, effects, start and stop of one validator process."""
