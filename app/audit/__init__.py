"""The audit window: verified headers, commits, validators, checkpoints."""
