"""Whole nodes simulated: production wiring on virtual time, with an in-memory transport and a faulty disk.

python -m tests.sim.full SEED               one seed with a readable trace
python -m tests.sim.full --seeds N          many, a summary, and the command for each that failed
"""
