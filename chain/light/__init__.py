"""Pure light client and proof verification: what a stranger runs."""
