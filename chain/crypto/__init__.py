"""Signatures, keys and proofs; no randomness of its own."""
