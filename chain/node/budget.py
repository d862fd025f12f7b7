"""What one peer may cost us: a bucket of tokens per peer, refilled by time."""


class Budget:
    """Buckets of `burst` tokens that regain `per_s` tokens a second; a peer unknown so far has a full one."""

    def __init__(self, *, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, peer: str, now_s: float, tokens: float = 1) -> bool:
        """Take tokens if they are there; False, taking none, when they are not."""
        left, at_s = self._buckets.get(peer, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        is_enough = left >= tokens
        self._buckets[peer] = (left - tokens if is_enough else left, now_s)
        return is_enough
