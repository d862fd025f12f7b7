"""The `beffroi` command."""
