"""Benchmarks: one module per family, each callable as `python -m bench.<family>`."""
