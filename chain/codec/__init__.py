"""Bytes: protobuf wire, sign bytes, Merkle trees, JSON forms; byte-compatible with CometBFT 0.38."""
