"""A small Tendermint-like BFT chain and the town's rules on it; usable alone, knows nothing of Flask."""
