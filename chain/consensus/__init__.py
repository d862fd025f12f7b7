"""The pure Tendermint core (arXiv 1807.04938): (state, input) -> (state, effects)."""
