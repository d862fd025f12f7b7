"""How long consensus stays in each step of a round, summed up for the metrics (CometBFT `step_duration_seconds`)."""

from chain.consensus.rounds import Step


class StepTimes:
    """Seconds and visits per step since the start; time is handed in."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[int, float]] = {}
        """Visits and seconds by the step's name."""
        self._since_s = 0.0

    def begin(self, now_s: float) -> None:
        """A height begins: its first step starts now."""
        self._since_s = now_s

    def leave(self, step: Step, now_s: float) -> None:
        """A step ends and another starts."""
        visits, seconds = self.spent.get(step.name.lower(), (0, 0.0))
        self.spent[step.name.lower()] = visits + 1, seconds + max(0.0, now_s - self._since_s)
        self._since_s = now_s
