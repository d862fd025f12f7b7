"""The town's rules: a pure, deterministic state machine; `application` wraps it as an ABCI application."""
