"""Programs nobody of this project wrote, run against a live town: cosmjs and ics23 from npm.

    python -m tests.oracles.install        # once: npm ci into tests/oracles/node_modules
    python -m pytest tests/oracles

Without node or the packages the tests skip and say so.
"""
