"""Quiet logs, as in tests/node."""

from tests.node.conftest import quiet_logs

__all__ = ["quiet_logs"]
