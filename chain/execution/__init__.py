"""Pure block building, validation and execution against an ABCI application."""
