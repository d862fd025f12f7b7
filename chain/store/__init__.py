"""Durable storage: LMDB behind a small KV protocol, files behind another."""
