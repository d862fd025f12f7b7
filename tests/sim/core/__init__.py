"""Simulation of the pure consensus core: many seeds of a small town in memory, on virtual milliseconds.

`python -m tests.sim.core SEED` runs one seed and tells what happened; `python -m tests.sim --seeds N` runs many.
The hosts here are small on purpose: signatures are a matter of honour (`World` forges nothing), blocks are names.
The simulation of the whole node is the neighbour's (`tests.sim.full`).
"""
