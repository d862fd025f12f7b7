"""Webhooks: a shop's own systems are told of what its tills did, signed, until they say they heard."""
