"""Planted bugs in the consensus and recovery code, as patches; `python -m tests.mutants` runs the tests on each."""
