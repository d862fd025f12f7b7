"""A small Tendermint-like BFT chain and the town's rules on it; usable alone, knows nothing of Flask."""

if not __debug__:
    raise RuntimeError(
        "Beffroi does not run under `python -O`: its assertions are the guard against broken invariants."
    )
